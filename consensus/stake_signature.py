"""The block signature: whoever staked (or, long ago, worked) signs the block hash with the key of his reward.

The hash does not cover it, so a signature that does not hold says nothing about the block: it is Mutated. Source: Peercoin,
validation.cpp, CheckBlockSignature.
"""

from __future__ import annotations

from typing import Final

from primitives import secp256k1
from primitives.errors import InvalidBlock, Mutated
from primitives.peercoin import PeercoinBlock

_CHECKSIG: Final = 0xAC


def paid_key(script: bytes) -> bytes | None:
    """The public key of a pay-to-public-key script, None for any other."""
    if len(script) in (35, 67) and script[0] == len(script) - 2 and script[-1] == _CHECKSIG:
        return script[1:-1]
    return None


def signing_key(block: PeercoinBlock) -> bytes | None:
    """The key that must sign: of the coinstake's second output, or of the coinbase's first. None where that is no such script."""
    coinstake = block.coinstake
    outputs, at = (block.coinbase.outputs, 0) if coinstake is None else (coinstake.outputs, 1)
    return paid_key(outputs[at].script) if at < len(outputs) else None


def check_signature(block: PeercoinBlock, canonical: bool) -> None:
    """The signature holds; where it must be `canonical` it is the one strict encoding with low s, so that nobody else can vary it.

    Raises InvalidBlock("bad-blk-sign") where nothing could ever hold, else Mutated("bad-blk-sign").
    """
    key = signing_key(block)
    if key is None or not secp256k1.is_public(key):
        raise InvalidBlock("bad-blk-sign", "the reward is not paid to a public key")
    if not secp256k1.verify(key, block.signature, block.header.hash):
        raise Mutated("bad-blk-sign", "bad block signature")
    if canonical and not is_canonical(block.signature):
        raise Mutated("bad-blk-sign", "the block signature is not in its canonical form")


def is_canonical(signature: bytes) -> bool:
    """Whether a signature is in strict DER, with the lower of the two s."""
    compact = secp256k1.der_to_compact(signature)
    return compact is not None and secp256k1.compact_to_der(compact) == signature and secp256k1.is_low_s(signature)
