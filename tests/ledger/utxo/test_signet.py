"""A signet's blocks bear a solution of its challenge (BIP325)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chains.bitcoin import PARAMETERS, SIGNET, build
from chains.spec import ChainSpec
from ledger.utxo.signet import HEADER, spending
from primitives import secp256k1
from primitives.bitcoin import BitcoinBlock, TxOutput
from primitives.errors import MalformedBlock
from tests.builders import Chainlet, Key, block, remade
from vm.script.opcodes import push
from vm.script.sighash import ALL
from vm.script.templates import pay_to_key, pay_to_multisig

SECRETS = [bytes(31) + bytes((n,)) for n in (5, 6)]


def signet(challenge: bytes) -> ChainSpec:
    return build(replace(PARAMETERS["regtest"], challenge=challenge))


def with_solution(made: BitcoinBlock, data: bytes, spec: ChainSpec) -> BitcoinBlock:
    """The block with a further push in its commitment output."""
    *rest, commitment = made.coinbase.outputs
    changed = TxOutput(0, commitment.script + push(HEADER + data))
    return remade(made, (replace(made.coinbase, outputs=(*rest, changed)), *made.txs[1:]), spec)


def signed(made: BitcoinBlock, challenge: bytes, spec: ChainSpec, secrets: list[bytes]) -> BitcoinBlock:
    """The block with a solution by these keys, for a bare key or bare multisig challenge."""
    unsigned = with_solution(made, b"\x00\x00", spec)  # what is signed has the header of the solution, and no solution
    digest = spending(unsigned, challenge).legacy(0, challenge, ALL)
    pushes = b"".join(push(secp256k1.sign(s, digest) + bytes((ALL,))) for s in secrets)
    script = (b"" if len(secrets) == 1 and challenge[-1] == 0xAC else b"\x00") + pushes
    return with_solution(made, bytes((len(script),)) + script + b"\x00", spec)


@pytest.mark.parametrize("keys", [1, 2])
def test_a_block_that_the_signers_signed(keys: int) -> None:
    publics = [secp256k1.public_key(s) for s in SECRETS]
    challenge = pay_to_key(publics[0]) if keys == 1 else pay_to_multisig(2, publics)
    chain = Chainlet(signet(challenge))
    made = block(chain.branch, spec=chain.spec)
    chain.accept(signed(made, challenge, chain.spec, SECRETS[:keys]))
    made = block(chain.branch, spec=chain.spec)
    for bad in (
        made,
        with_solution(made, b"\x00\x00", chain.spec),
        with_solution(made, b"\x05\x00", chain.spec),
        with_solution(made, b"\x00\x00\x00", chain.spec),
        signed(made, challenge, chain.spec, [bytes(31) + b"\x09"] * keys),
        block(chain.branch, spec=chain.spec, commit=False),
    ):
        with pytest.raises(MalformedBlock, match="bad-signet-blksig"):
            chain.check(bad)


def test_a_signature_is_for_one_block() -> None:
    challenge = pay_to_key(Key(SECRETS[0]).public)
    chain = Chainlet(signet(challenge))
    good = signed(block(chain.branch, spec=chain.spec), challenge, chain.spec, SECRETS[:1])
    later = remade(
        replace(good, header=replace(good.header, timestamp=good.header.timestamp + 1)), good.txs, chain.spec
    )
    with pytest.raises(MalformedBlock, match="bad-signet-blksig"):
        chain.check(later)
    chain.check(good)


def test_a_challenge_that_is_true_needs_no_solution() -> None:
    chain = Chainlet(signet(b"\x51"))
    chain.accept(block(chain.branch, spec=chain.spec))


def test_the_public_signets_genesis_needs_none() -> None:
    SIGNET.ledger.rules.check_solution(SIGNET.genesis)  # type: ignore[attr-defined]
    assert SIGNET.network.magic.hex() == "0a03cf40"
