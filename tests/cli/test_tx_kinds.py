"""Access lists, blobs and delegated code from the command line, on a dev chain of its own process."""

from __future__ import annotations

import json
import os
from pathlib import Path

from node.ethereum_client import EthereumClient
from tests.cli.conftest import Run
from tests.cli.test_contract import DEV, OTHER, answer, chain, server, wallet, yard  # noqa: F401
from wallet import blobs


def kind(client: EthereumClient, tx_hash: str) -> int:
    return int(client.call("eth_getTransactionByHash", tx_hash)["type"], 16)


def test_access_lists(run: Run, chain: EthereumClient, tmp_path: Path) -> None:  # noqa: F811
    wallet(run)
    token = yard(run)
    words = ("contract", "send", token, "transfer(address,uint256)", OTHER, "5", "--wallet", "main", "--yes")
    plain = answer(run, *words)
    found = answer(run, *words, "--access-list", "auto")
    tx = chain.call("eth_getTransactionByHash", found["hash"])
    assert tx["type"] == "0x2" and tx["accessList"] and kind(chain, plain["hash"]) == 2
    (tmp_path / "list.json").write_text(json.dumps(tx["accessList"]))
    old = answer(run, *words, "--access-list", tmp_path / "list.json", "--legacy")
    assert kind(chain, old["hash"]) == 1
    (tmp_path / "bad.json").write_text('[{"address": "0x12"}]')
    assert run(*words, "--access-list", tmp_path / "bad.json").code == 2
    (tmp_path / "bad.json").write_text('{"a": 1}')
    assert "access list" in run(*words, "--access-list", tmp_path / "bad.json").err


def test_blobs_are_packed_proven_and_sent(run: Run, chain: EthereumClient, tmp_path: Path) -> None:  # noqa: F811
    wallet(run)
    data = os.urandom(5_000)
    (tmp_path / "blob").write_bytes(data)
    words = ("account", "send", OTHER, "1wei", "--blob", tmp_path / "blob", "--wallet", "main")
    dry = answer(run, *words, "--dry-run")
    assert dry["blobs"] == 1 and int(dry["max_fee"]) > int(dry["gas"]) * int(dry["max_fee_per_gas"])
    assert "sidecar version" in run(*words, "--yes", "--blob-proofs").err  # the chain has Osaka's rules
    sent = answer(run, *words, "--yes")
    tx = chain.call("eth_getTransactionByHash", sent["hash"])
    _, hashes = blobs.sidecar(blobs.pack(data))
    assert tx["type"] == "0x3" and tx["blobVersionedHashes"] == ["0x" + digest.hex() for digest in hashes]
    held = run(*words[:-2], "--from", DEV, "--yes")
    assert held.code == 2 and "--wallet" in held.err
    (tmp_path / "empty").write_bytes(b"")
    assert "no data" in run("account", "send", OTHER, "1wei", "--blob", tmp_path / "empty").err


def test_an_account_runs_code_for_a_while(run: Run, chain: EthereumClient) -> None:  # noqa: F811
    made = wallet(run)
    token = yard(run)
    own = run("account", "send", made, "0ether", "--delegate", token, "--wallet", "main", "--yes")
    assert own.code == 1 and "revert" in own.err  # the estimate sees the code at work
    sent = answer(run, "account", "send", OTHER, "1wei", "--delegate", token, "--wallet", "main", "--yes")
    assert kind(chain, sent["hash"]) == 4
    assert chain.call("eth_getCode", made, "latest") == "0xef0100" + token[2:].lower()
    assert answer(run, "contract", "proxy", made)["kind"] == "eip7702"
    answer(run, "account", "send", OTHER, "1wei", "--delegate", "none", "--wallet", "main", "--yes")
    assert chain.call("eth_getCode", made, "latest") == "0x"
    given = answer(run, "account", "authorize", token)
    assert given["authority"] == made and given["contract"] == token
    answer(run, "account", "send", OTHER, "1wei", "--authorization", given["authorization"], "--from", DEV, "--yes")
    assert chain.call("eth_getCode", made, "latest") == "0xef0100" + token[2:].lower()
    assert run("account", "send", OTHER, "1wei", "--authorization", "0x00", "--from", DEV, "--yes").code == 2
    assert "node cannot sign" in run("account", "send", OTHER, "1wei", "--delegate", token, "--from", DEV, "--yes").err


def test_labels(run: Run, chain: EthereumClient) -> None:  # noqa: F811
    made = wallet(run, 0)
    answer(run, "account", "label", made, "savings")
    assert answer(run, "account", "list")[0]["label"] == "savings"
    assert run("account", "label", OTHER, "x").code == 2
    assert run("account", "label", made[:-1] + made[-1].swapcase(), "x").code == 2 or made[-1].isdigit()
