"""Ethash over Bitcoin's headers. What is sealed, and how hard, is said here and nowhere else.

Sealed is keccak-256 of the 80 bytes, with the nonce of 64 bits that lies beside them; the header's own nonce is one of the 80 bytes and
free. The seal takes as many hashes on average as the header's compact bits say of a SHA-256d chain, so both weigh alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consensus.difficulty import Retarget, next_bits
from consensus.ethash import Ethash
from consensus.ethash_data import Sizes
from consensus.unsealed import claimed_bits
from primitives import target
from primitives.chain import Branch
from primitives.errors import InvalidHeader, Mutated
from primitives.hashing import keccak256
from primitives.sealed import SealedHeader, with_seal


@dataclass(frozen=True, slots=True)
class BitcoinSealing:
    """The seal of a SealedHeader."""

    def work(self, header: Any) -> bytes:
        """keccak-256 of the 80 bytes."""
        return keccak256(header.raw)

    def seal(self, header: Any) -> tuple[int, bytes]:
        """The two fields beside the 80 bytes."""
        return header.seal, header.mix

    def with_seal(self, header: Any, nonce: int, mix: bytes) -> SealedHeader:
        """The header with the two fields."""
        return with_seal(header, mix, nonce)

    def difficulty(self, header: Any) -> int:
        """The hashes that the compact bits ask for."""
        return target.work(header.bits)

    def number(self, header: Any, branch: Branch[Any]) -> int:
        """One above the parent."""
        return branch.tip.height + 1

    def height(self, block: Any) -> int:
        """The number that the coinbase begins with (BIP34)."""
        script = block.txs[0].inputs[0].script
        size = script[0]
        return size - 0x50 if size > 0x50 else int.from_bytes(script[1 : 1 + size], "little")


def ethash_over_bitcoin(rule: Retarget, sizes: Sizes) -> Ethash:
    """The engine: Bitcoin's difficulty rule, Ethash's work."""
    return Ethash(
        lambda branch, timestamp: next_bits(rule, branch, timestamp),
        sizes,
        sealing=BitcoinSealing(),
        claimed=claimed_bits,
        wrong="bad-diffbits",
    )


def check_seal_beside(engine: Ethash, header: SealedHeader, branch: Branch[Any]) -> None:
    """The seal that a body brought holds, whichever came with the header before. Raises Mutated: the hash does not cover it."""
    try:
        engine.check_header(header, branch)
    except InvalidHeader as e:
        raise Mutated(e.rule, e.detail) from e
