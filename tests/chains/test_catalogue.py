"""The catalogue finds chains by name and reads custom ones from files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chains import catalogue
from chains.bitcoin import MAINNET, REGTEST
from chains.overrides import ChainFileError
from consensus.forkchoice import ghost
from tests.builders import Chainlet

CUSTOM = """
name = "mynet"
base = "regtest"
halving_interval = 10
maturity = 2
better = "ghost"

[network]
magic = "0a0b0c0d"
p2p_port = 20000
seeds = ["one.example", "two.example"]

[addresses]
hrp = "my"
p2pkh = "1e"

[genesis]
timestamp = 1700000000
message = "a chain of one's own"

[difficulty]
timespan = 1200
min_after = 0
fixed = false
limit = "0x0fffff0000000000000000000000000000000000000000000000000000000000"

[activations]
bip34 = 5

[policy]
min_relay_rate = 100
require_standard = false
"""


@pytest.mark.parametrize(
    ("name", "spec"), [("mainnet", MAINNET), ("bitcoin", MAINNET), ("main", MAINNET), ("regtest", REGTEST)]
)
def test_by_name(name: str, spec: object) -> None:
    assert catalogue.load(name) is spec


def test_all_names_load_under_themselves() -> None:
    for name in catalogue.names():
        assert catalogue.load(name).name == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("regtset", "did you mean regtest?"),
        ("manet", "did you mean mainnet?"),
        ("dogs", "there are mainnet, testnet3,"),
    ],
)
def test_an_unknown_name(name: str, hint: str) -> None:
    with pytest.raises(ChainFileError, match=f"no chain '{name}'") as e:
        catalogue.load(name)
    assert hint in str(e.value)


def test_a_custom_chain(tmp_path: Path) -> None:
    file = tmp_path / "mynet.toml"
    file.write_text(CUSTOM)
    spec: Any = catalogue.load(str(file))
    assert catalogue.load(file).genesis == spec.genesis
    assert (spec.name, spec.client_name, spec.better) == ("mynet", "mynet", ghost)
    assert spec.network.magic == b"\x0a\x0b\x0c\x0d" and spec.network.local
    assert (spec.network.p2p_port, spec.network.bitcoin_rpc_port) == (20000, 18443)
    assert spec.network.seeds == ("one.example", "two.example")
    assert (spec.addresses.hrp, spec.addresses.p2pkh, spec.addresses.p2sh) == ("my", b"\x1e", b"\xc4")
    assert spec.genesis.header.timestamp == 1_700_000_000
    assert spec.genesis.header.hash != REGTEST.genesis.header.hash
    assert b"a chain of one's own" in spec.genesis.coinbase.inputs[0].script
    assert (spec.engine.rule.interval, spec.engine.rule.limit) == (2, 0xFFFFF << 232)
    assert spec.genesis.header.bits == 0x200FFFFF
    assert spec.ledger.policy.min_relay_rate == 100
    rules = spec.ledger.rules
    assert (rules.maturity, rules.subsidy(9), rules.subsidy(10)) == (2, 50 * 10**8, 25 * 10**8)


def test_a_custom_chain_runs() -> None:
    spec = catalogue.from_table({"name": "fast", "base": "regtest", "maturity": 1, "halving_interval": 3})
    chain = Chainlet(spec)
    chain.mine(count=10)
    assert chain.height == 10 and chain.blocks[10].coinbase.outputs[0].value == 50 * 10**8 >> 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "x"', 'base is missing - say base = "regtest" or another chain'),
        ('base = "regtest"', "name is missing"),
        ('name = "x"\nbase = "regtets"', "no chain 'regtets' to build on - did you mean regtest?"),
        ('name = "regtest"\nbase = "regtest"', "the name 'regtest' is taken"),
        ('name = "x"\nbase = "regtest"\nmaturitty = 1', "unknown key maturitty - did you mean maturity?"),
        ('name = "x"\nbase = "regtest"\n[policy]\nmin_rate = 1', "unknown key policy.min_rate"),
        ('name = "x"\nbase = "regtest"\npolicy = 1', "policy is a table"),
        ('name = "x"\nbase = "regtest"\nmaturity = "x y"', "maturity is a whole number, or a string of hex digits"),
        ('name = "x"\nbase = "regtest"\nmaturity = true', "maturity is a whole number"),
        ('name = "x"\nbase = "regtest"\nmaturity = 1.5', "maturity is a whole number"),
        ('name = "x"\nbase = "regtest"\n[network]\nlocal = 1', "network.local is true or false"),
        ('name = "x"\nbase = "regtest"\n[network]\nmagic = "zz"', "network.magic is a string of hex digits"),
        ('name = "x"\nbase = "regtest"\n[network]\nmagic = "00"', "network.magic is 4 bytes"),
        ('name = "x"\nbase = "regtest"\n[network]\nseeds = "a"', "network.seeds is a list"),
        ('name = "x"\nbase = "regtest"\nbetter = "ghst"', "better is one of heaviest, ghost - did you mean ghost?"),
        ('name = "x"\nbase = "regtest"\nhalving_interval = 0', "halving_interval is at least 1"),
        ('name = "x"\nbase = "regtest"\n[difficulty]\nspacing = 0', "difficulty.timespan is at least"),
        ('name = "x"\nbase = "regtest"\ncheckpoints = 1', "checkpoints cannot be changed"),
        ("name = ", "Invalid value"),
    ],
)
def test_a_file_that_says_what_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text)
    with pytest.raises(ChainFileError) as e:
        catalogue.load(file)
    assert message in str(e.value) and str(file) in str(e.value) and "\n" not in str(e.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ChainFileError, match="no file"):
        catalogue.load(tmp_path / "none.toml")


def test_a_familys_module_loads_when_it_is_asked_for() -> None:
    code = "import sys, chains.catalogue as c; assert 'chains.bitcoin' not in sys.modules; c.load('regtest')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
