"""geth's genesis.json: what geth reads is read, in any case of its names; everything else is refused in one line that says where."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from chains.catalogue import load
from chains.ethereum import SPECS, from_genesis
from chains.genesis_file import read_genesis
from chains.overrides import ChainFileError
from vm.evm.api import BlobSchedule

ACCOUNT = "0x" + "11" * 20
FORKS = dict.fromkeys(
    (
        "homesteadBlock", "eip150Block", "eip155Block", "eip158Block", "byzantiumBlock", "constantinopleBlock", "petersburgBlock",
        "istanbulBlock", "berlinBlock", "londonBlock", "terminalTotalDifficulty", "shanghaiTime", "cancunTime", "pragueTime",
    ),
    0,
)  # fmt: skip


def genesis(config: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "config": {"chainId": 1234, **FORKS} if config is None else config,
        "gasLimit": "0x1c9c380",
        "difficulty": "0x0",
        "alloc": {ACCOUNT: {"balance": "0xde0b6b3a7640000"}},
        **more,
    }


def changed_case(value: Any, change: Any) -> Any:
    """All names in another case; addresses and slots too."""
    return {change(k): changed_case(v, change) for k, v in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
def test_names_are_read_in_any_case(change: Any) -> None:
    blobs = {"prague": {"target": 1, "max": 2, "baseFeeUpdateFraction": 3}}
    account = {"balance": "1", "nonce": "0x2", "code": "0x6001", "storage": {"0x01": "0x02"}}
    config = {"chainId": 5, **FORKS, "depositContractAddress": ACCOUNT, "blobSchedule": blobs}
    full = genesis(config, alloc={"aa" * 20: account})
    assert read_genesis(changed_case(full, change)) == read_genesis(full)
    ours, theirs = (from_genesis(g, "x") for g in (full, changed_case(full, change)))
    assert ours.genesis.header.hash == theirs.genesis.header.hash
    now: Any = theirs.ledger
    assert now.schedule.at(1, 1, 0).fork.blobs == BlobSchedule(1, 2, 3)


def test_of_two_spellings_the_later_holds_and_null_is_none() -> None:
    assert read_genesis(genesis(timestamp=1, Timestamp=2))["timestamp"] == 2
    assert "timestamp" not in read_genesis(genesis(timestamp=1, TIMESTAMP=None))


def test_numbers_and_bytes_in_geths_forms() -> None:
    found = read_genesis(
        genesis(timestamp="0X10", nonce="7", number=0, extraData="0x", gasUsed="", parentHash="00" * 32)
    )
    assert (found["timestamp"], found["nonce"], found["number"], found["gasUsed"]) == (16, 7, 0, 0)
    assert (found["extraData"], found["parentHash"]) == ("0x", "0x" + "00" * 32)
    assert found["alloc"][ACCOUNT]["balance"] == 10**18


@pytest.mark.parametrize("field", ["config", "gasLimit", "difficulty", "alloc"])
def test_what_is_missing_is_said(field: str) -> None:
    whole = genesis()
    del whole[field]
    with pytest.raises(ChainFileError, match=f"missing required field {field}$"):
        from_genesis(whole, "x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": {}}, "missing required field config.chainId"),
        ({"aloc": {}}, "unknown key aloc - did you mean alloc?"),
        ({"config": {"chainId": 1, "londonBlok": 0}}, "unknown key config.londonBlok - did you mean londonBlock?"),
        ({"config": {"chainId": 1, "amsterdamTime": 9}}, "config.amsterdamTime: this fork is not known here"),
        ({"config": {"chainId": 1, "homesteadBlock": -1}}, "config.homesteadBlock is a number of up to 64 bits, not -1"),
        ({"config": {"chainId": True}}, "config.chainId is a number of up to 256 bits, not True"),
        ({"config": {"chainId": 1.5}}, "config.chainId is a number"),
        ({"config": {"chainId": 1, "daoForkSupport": 1}}, "config.daoForkSupport is true or false, not 1"),
        ({"config": []}, "config is an object, not []"),
        ({"config": {"chainId": 1, "clique": {}}}, "clique is not known"),
        ({"alloc": {"0x11": {"balance": "1"}}}, "an address of alloc is 40 hex digits, not '0x11'"),
        ({"alloc": {ACCOUNT: {}}}, f"missing required field alloc[{ACCOUNT}].balance"),
        ({"alloc": {ACCOUNT: {"balance": "1", "cod": "0x"}}}, f"unknown key alloc[{ACCOUNT}].cod - did you mean code?"),
        ({"alloc": {ACCOUNT: {"balance": "0x" + "f" * 65}}}, "balance is a number of up to 256 bits"),
        ({"alloc": {ACCOUNT: {"balance": "1", "code": "0x1"}}}, "code is hex digits in pairs, not '0x1'"),
        ({"alloc": {ACCOUNT: {"balance": "1", "storage": {"0x" + "1" * 65: "0x1"}}}}, "slot is up to 64 hex digits"),
        ({"gasLimit": "ten"}, "gasLimit is a number of up to 64 bits, not 'ten'"),
        ({"gasLimit": "9" * 5_000}, "gasLimit is a number of up to 64 bits, not '999"),
        ({"mixHash": "0x00"}, "mixHash is 64 hex digits"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ChainFileError) as e:
        from_genesis(genesis(**change), "x")
    assert said in str(e.value) and len(str(e.value)) < 200 and "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("forks", "said"),
    [
        ({"eip150Block": 0}, "homesteadBlock not enabled, but eip150Block enabled at 0"),
        ({"homesteadBlock": 5, "eip150Block": 4}, "homesteadBlock enabled at 5, but eip150Block enabled at 4"),
        ({**FORKS, "osakaTime": 9, "bpo1Time": 8}, "osakaTime enabled at 9, but bpo1Time enabled at 8"),
        ({**FORKS, "osakaTime": 9, "bpo3Time": 9}, "missing required field config.blobSchedule.bpo3"),
        ({"shanghaiTime": 0}, "londonBlock not enabled, but shanghaiTime enabled at 0"),
    ],
)
def test_forks_come_in_order(forks: dict[str, Any], said: str) -> None:
    with pytest.raises(ChainFileError) as e:
        from_genesis(genesis({"chainId": 1, **forks}), "x")
    assert said in str(e.value)


def test_public_genesis_files_are_read() -> None:
    raw = json.loads((files("chains") / "data" / "sepolia.json").read_text())
    assert from_genesis(raw, "s").genesis.header.hash == SPECS["sepolia"].genesis.header.hash


def test_a_file_of_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(genesis()))
    assert load(path).name == "mine"
    for text, said in (("[]", "not a genesis.json"), ("{", "Expecting"), ('{"a": 1}', "unknown key a")):
        path.write_text(text)
        with pytest.raises(ChainFileError, match=said):
            load(path)
