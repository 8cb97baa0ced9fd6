"""Bitcoin's networks are those that the world knows."""

from __future__ import annotations

from typing import Any

import pytest

from chains.bitcoin import PARAMETERS, SPECS, Parameters, build
from chains.spec import ChainSpec
from primitives.bitcoin import BitcoinBlock, encode_block
from primitives.merkle import root
from primitives.target import compact, meets
from tests.builders import Chainlet

GENESIS = {
    "mainnet": "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    "testnet3": "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
    "testnet4": "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
    "signet": "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
    "regtest": "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
}
MAGIC = {
    "mainnet": "f9beb4d9",
    "testnet3": "0b110907",
    "testnet4": "1c163f28",
    "signet": "0a03cf40",
    "regtest": "fabfb5da",
}
PORTS = {
    "mainnet": (8333, 8332), "testnet3": (18333, 18332), "testnet4": (48333, 48332), "signet": (38333, 38332),
    "regtest": (18444, 18443),
}  # fmt: skip


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda s: s.name)
def test_a_network(spec: ChainSpec) -> None:
    block: Any = spec.genesis
    assert isinstance(block, BitcoinBlock)
    assert block.header.hash[::-1].hex() == GENESIS[spec.name]
    assert block.header.merkle_root == root([block.coinbase.id])
    rule = spec.engine.rule  # type: ignore[attr-defined]
    assert block.header.bits == rule.limit_bits == compact(rule.limit)
    assert meets(block.header.hash, block.header.bits, rule.limit)
    assert spec.network.magic.hex() == MAGIC[spec.name]
    assert (spec.network.p2p_port, spec.network.bitcoin_rpc_port) == PORTS[spec.name]
    assert spec.network.local == (spec.name == "regtest")


def test_the_first_block_of_all() -> None:
    block: Any = SPECS["mainnet"].genesis
    assert len(encode_block(block)) == 285
    assert b"The Times 03/Jan/2009 Chancellor on brink of second bailout for banks" in block.coinbase.inputs[0].script


def test_subsidies_end_at_twenty_one_million() -> None:
    subsidy = SPECS["mainnet"].ledger.rules.subsidy  # type: ignore[attr-defined]
    assert sum(subsidy(h * 210_000) * 210_000 for h in range(70)) == 2_099_999_997_690_000


def test_the_genesis_coinbase_is_no_coin() -> None:
    assert Chainlet().state.pairs == {}


@pytest.mark.parametrize("name", PARAMETERS)
def test_building_is_pure(name: str) -> None:
    parameters: Parameters = PARAMETERS[name]
    assert build(parameters).genesis == SPECS[name].genesis
