"""`chainyard account`, `contract` and `token` against a dev chain of its own process: deployed, called, watched, replaced, refused."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import chainyard
from node.ethereum_client import EthereumClient
from node.testnet import wait_for
from tests.cli.conftest import Run
from wallet import contracts, spend_account

CODE = Path(__file__).parent / "contracts"
DEV = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
JUNK = "test test test test test test test test test test test junk"
KEY_OF_OTHER = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a dev chain."""
    folder = tmp_path_factory.mktemp("dev")
    state = folder / "state.json"
    ports = ["--port", "0", "--bitcoin-rpc-port", "0", "--ethereum-rpc-port", "0"]
    words = ["dev", "--chain", "dev", "--datadir", str(folder / "data"), "--quiet", "--config-out", str(state), *ports]
    process = subprocess.Popen([sys.executable, "-m", "cli.main", *words], stderr=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: state.exists() and state.read_text().endswith("}"), 60, 0.05)
        yield json.loads(state.read_text())["ethereum_rpc"]
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def chain(server: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[EthereumClient]:
    """A client of the chain, on which commands of the test work too."""
    monkeypatch.setenv("ETH_RPC_URL", server)
    client = EthereumClient(server)
    yield client
    client.call("evm_setAutomine", True)
    client.close()


def answer(run: Run, *words: object) -> Any:
    found = run(*words, "--json")
    assert found.code == 0, found.err
    return found.json


def wallet(run: Run, ether: int = 10) -> str:
    """A new wallet `main` with some ether; its account."""
    made: str = answer(run, "account", "create", "--no-encrypt")["address"]
    if ether:
        answer(run, "account", "send", made, f"{ether}ether", "--from", DEV, "--yes")
    return made


def deploy(run: Run, name: str, *arguments: str) -> str:
    made: str = answer(run, "contract", "deploy", CODE / f"{name}.json", *arguments, "--wallet", "main", "--yes")[
        "contract"
    ]
    return made


def yard(run: Run) -> str:
    return deploy(run, "Yard", "Yard Token", "YRD", "1000000000")


def test_every_command_has_help_json_and_no_secret() -> None:
    context = chainyard.make_context("chainyard", [], resilient_parsing=True)
    for name in ("account", "contract", "token"):
        group: Any = chainyard.get_command(context, name)  # type: ignore[attr-defined]
        for command in group.commands.values():
            options = {text for parameter in command.params for text in parameter.opts}
            assert command.help and "--json" in options and "--eth-rpc-url" in options, command.name
            assert not options & {"--passphrase", "--private-key", "--password", "--mnemonic"}


# -- accounts --------------------------------------------------------------------------------------------------------


def test_an_account_is_made_restored_and_paid(run: Run, chain: EthereumClient, monkeypatch: pytest.MonkeyPatch) -> None:
    made = answer(run, "account", "create", "first", "--no-encrypt")
    assert len(made["mnemonic"].split()) == 12
    monkeypatch.setattr(sys, "stdin", io.StringIO(made["mnemonic"] + "\n"))
    again = answer(run, "account", "restore", "second", "--mnemonic-stdin", "--no-encrypt")
    assert again["address"] == made["address"] and "mnemonic" not in again
    monkeypatch.setattr(sys, "stdin", io.StringIO(JUNK + "\n"))
    known = answer(run, "account", "restore", "third", "--mnemonic-stdin", "--no-encrypt", "--chain-id", 99)
    assert known["address"] == DEV
    answer(run, "account", "send", made["address"], "1.5ether", "--from", DEV, "--yes")
    assert answer(run, "account", "balance", made["address"]) == {"wei": "1500000000000000000", "ether": "1.5 ether"}
    sent = answer(run, "account", "send", OTHER, "0.5ether", "--wallet", "first", "--yes")
    assert sent["status"] == "mined" and sent["gas_used"] == 21_000
    (row,) = answer(run, "account", "list", "--wallet", "first")
    assert row["nonce"] == 1 and 0.99e18 < int(row["wei"]) < 1e18
    second = answer(run, "account", "new", "--wallet", "first", "--label", "shop")
    assert [r["label"] for r in answer(run, "account", "list", "--wallet", "first")] == ["", "shop"]
    assert (
        run("account", "send", OTHER, "1wei", "--wallet", "first", "--yes", "--json")
        .error["message"]
        .endswith("accounts")
    )
    assert answer(run, "account", "history", "--wallet", "first")[0]["hash"] == sent["hash"]
    assert second["path"] == "m/44'/60'/0'/0/1"
    assert run("account", "create", "first", "--no-encrypt").code == 1


def test_a_transaction_that_waits_is_replaced_and_cancelled(run: Run, chain: EthereumClient) -> None:
    made = wallet(run)
    chain.call("evm_setAutomine", False)
    first = answer(run, "account", "send", OTHER, "1ether", "--yes", "--no-wait")["hash"]
    second = answer(run, "account", "send", OTHER, "2ether", "--yes", "--no-wait")["hash"]
    offer = answer(run, "account", "replace", first, "--dry-run")
    assert offer["nonce"] == 0 and len(chain.call("eth_getBlockByNumber", "pending", False)["transactions"]) == 2
    higher = answer(run, "account", "replace", first, "--yes")
    assert higher["max_fee_per_gas"] == offer["max_fee_per_gas"]
    assert higher["nonce"] == 0 and higher["hash"] != first
    nothing = answer(run, "account", "cancel", second, "--yes")
    assert nothing["nonce"] == 1
    before = int(chain.call("eth_getBalance", OTHER, "latest"), 16)
    chain.call("evm_mine")
    assert chain.call("eth_getTransactionReceipt", first) is None
    assert chain.call("eth_getTransactionReceipt", second) is None
    assert int(chain.call("eth_getBalance", OTHER, "latest"), 16) - before == 10**18
    assert int(chain.call("eth_getTransactionCount", made, "latest"), 16) == 2
    assert run("account", "cancel", higher["hash"], "--yes").code == 1
    assert "did not send" in run("account", "cancel", "0x" + "11" * 32, "--yes").err


def test_keys_come_in_and_go_out(
    run: Run, chain: EthereumClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet(run, 0)
    monkeypatch.setattr(sys, "stdin", io.StringIO(KEY_OF_OTHER + "\n"))
    assert answer(run, "account", "import", "--passphrase-stdin", "--label", "old")["address"] == OTHER
    target = tmp_path / "key.json"
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    monkeypatch.setattr("cli.account.Accounts.export_keystore", _light(), raising=True)
    answer(run, "account", "export", OTHER, "--out", target, "--passphrase-stdin")
    assert target.stat().st_mode & 0o777 == 0o600 and KEY_OF_OTHER not in target.read_text()
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    sent = answer(run, "account", "send", DEV, "1gwei", "--keystore", target, "--passphrase-stdin", "--yes")
    assert sent["from"] == OTHER and sent["status"] == "mined"
    monkeypatch.setattr(sys, "stdin", io.StringIO("wrong\n"))
    refused = run("account", "send", DEV, "1gwei", "--keystore", target, "--passphrase-stdin", "--yes")
    assert refused.code == 1 and "wrong passphrase" in refused.err
    assert run("account", "export", OTHER, "--out", target).code == 2
    assert answer(run, "account", "export", OTHER, "--raw") == {"key": "0x" + KEY_OF_OTHER}
    words = answer(run, "account", "export", "--words")["mnemonic"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(words + "\n"))
    first = answer(run, "account", "list")[0]["address"]
    assert answer(run, "account", "restore", "again", "--mnemonic-stdin", "--no-encrypt")["address"] == first
    for wrong in ((), (OTHER,), (OTHER, "--words"), ("--words", "--raw")):
        assert run("account", "export", *wrong).code == 2


def _light() -> Any:
    from wallet.accounts import Accounts
    from wallet.cipher import LIGHT

    whole = Accounts.export_keystore
    return lambda self, address, password, random: whole(self, address, password, random, LIGHT)


def test_signatures(run: Run, chain: EthereumClient, tmp_path: Path) -> None:
    made = wallet(run, 0)
    signed = answer(run, "account", "sign", "hello", "--chain-id", 31337)
    assert signed["address"] == made
    assert answer(run, "account", "verify", made, signed["signature"], "hello") == {"valid": True}
    assert run("account", "verify", made, signed["signature"], "hellO").code == 4
    assert run("account", "verify", OTHER, signed["signature"], "hello").code == 4
    typed = tmp_path / "typed.json"
    data = {
        "types": {
            "EIP712Domain": [{"name": "chainId", "type": "uint256"}],
            "Bid": [{"name": "amount", "type": "uint256"}],
        },
        "primaryType": "Bid",
        "domain": {"chainId": 31337},
        "message": {"amount": 5},
    }
    typed.write_text(json.dumps(data))
    signature = answer(run, "account", "sign", "--typed", typed)["signature"]
    assert answer(run, "account", "verify", made, signature, "--typed", typed) == {"valid": True}
    typed.write_text(json.dumps({**data, "domain": {"chainId": 1}}))
    assert "another chain" in run("account", "sign", "--typed", typed).err


# -- contracts -------------------------------------------------------------------------------------------------------


def test_a_contract_by_its_abi_and_by_signatures(run: Run, chain: EthereumClient) -> None:
    made = wallet(run)
    address = answer(run, "contract", "address", made)
    at = yard(run)
    assert at == address
    artifact = CODE / "Yard.json"
    assert answer(run, "contract", "call", at, "balanceOf(address)(uint256)", made)["values"] == [1_000_000_000]
    assert answer(run, "contract", "call", at, "balanceOf", made, "--abi", artifact)["values"] == [1_000_000_000]
    assert answer(run, "contract", "call", at, "name()(string)")["values"] == ["Yard Token"]
    sent = answer(run, "contract", "send", at, "transfer(address,uint256)", OTHER, "250", "--wallet", "main", "--yes")
    assert sent["events"][0]["event"] == "Transfer"
    assert sent["events"][0]["values"] == {"from": made, "to": OTHER, "value": 250}
    assert run("contract", "call", at, "balanceOf(address)(uint256)", OTHER).out == "250\n"
    rows = answer(run, "contract", "logs", at, "Transfer")
    assert [row["values"]["value"] for row in rows] == [1_000_000_000, 250]
    by_signature = answer(run, "contract", "logs", at, "Transfer(address indexed f, address indexed t, uint256 v)")
    assert by_signature[1]["values"] == {"f": made, "t": OTHER, "v": 250}
    assert answer(run, "contract", "logs", at, "Approval", "--abi", artifact) == []
    assert answer(run, "contract", "call", at, "balanceOf(address)(uint256)", OTHER, "--block", rows[0]["block"])[
        "values"
    ] == [0]


def test_reverts_are_told_before_anything_is_sent(run: Run, chain: EthereumClient) -> None:
    made = wallet(run)
    at, artifact = yard(run), CODE / "Yard.json"
    nonce = chain.call("eth_getTransactionCount", made, "pending")
    words = ("contract", "send", at, "transfer", OTHER, "9999999999", "--abi", artifact, "--yes")
    for signer in (("--wallet", "main"), ("--from", DEV)):
        refused = run(*words, *signer, "--json")
        assert refused.code == 1 and "would revert: TooLittle(" in refused.error["message"], refused.err
        assert refused.error["code"] == 3 and refused.error["data"].startswith("0xe4889ffe")
    plain = run("contract", "call", at, "transferFrom(address,address,uint256)", made, OTHER, "1", "--from", OTHER)
    assert plain.code == 1 and plain.err == "error: the call would revert: not allowed\n"
    assert chain.call("eth_getTransactionCount", made, "pending") == nonce
    failed = run(*words, "--wallet", "main", "--gas", "100000")
    assert failed.code == 1 and "was mined in block" in failed.err and "TooLittle(" in failed.err


def test_proxies_and_addresses(run: Run, chain: EthereumClient) -> None:
    made = wallet(run)
    at = yard(run)
    proxy = deploy(run, "Proxy", at)
    assert answer(run, "contract", "proxy", proxy) == {"kind": "eip1967", "implementation": at}
    assert "not a proxy" in run("contract", "proxy", at).err
    clone = (
        bytes.fromhex("363d3d373d3d3d363d73") + bytes.fromhex(at[2:]) + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
    )
    chain.call("hardhat_setCode", OTHER[:-1] + "0", "0x" + clone.hex())
    assert answer(run, "contract", "proxy", OTHER[:-1].lower() + "0")["kind"] == "eip1167"
    found = answer(run, "contract", "address", made, "--nonce", 0)
    assert found.lower() == "0x" + spend_account.create_address(bytes.fromhex(made[2:]), 0).hex()
    example = answer(
        run,
        "contract",
        "address",
        "0x00000000000000000000000000000000deadbeef",
        "--salt",
        "0xcafebabe",
        "--code",
        "deadbeef",
    )
    assert example == "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7"  # EIP-1014
    assert run("contract", "address", made, "--salt", "00").code == 2


# -- tokens ----------------------------------------------------------------------------------------------------------


def test_tokens_of_three_kinds(run: Run, chain: EthereumClient) -> None:
    made = wallet(run)
    at, plots, stock = yard(run), deploy(run, "Plots"), deploy(run, "Stock")
    assert answer(run, "token", "info", at) == {
        "kind": "erc20", "name": "Yard Token", "symbol": "YRD", "decimals": 6, "supply": "1000",
    }  # fmt: skip
    answer(run, "token", "transfer", at, OTHER, "12.5", "--wallet", "main", "--yes")
    assert run("token", "balance", at, OTHER).out == "12.5 YRD\n"
    answer(run, "token", "approve", at, OTHER, "1", "--wallet", "main", "--yes")
    assert answer(run, "contract", "call", at, "allowance(address,address)(uint256)", made, OTHER)["values"] == [
        1_000_000
    ]
    assert "decimals" in run("token", "transfer", at, OTHER, "0.0000001", "--wallet", "main", "--yes").err
    assert answer(run, "token", "owner", plots, 7) == made
    answer(run, "token", "transfer", plots, OTHER, "--id", 7, "--wallet", "main", "--yes")
    assert (
        answer(run, "token", "owner", plots, 7) == OTHER and answer(run, "token", "balance", plots, made)["raw"] == "0"
    )
    assert answer(run, "token", "info", stock)["kind"] == "erc1155"
    answer(run, "token", "transfer", stock, OTHER, 40, "--id", 3, "--wallet", "main", "--yes")
    assert answer(run, "token", "balance", stock, OTHER, "--id", 3)["amount"] == "40"
    batch = answer(run, "token", "batch", stock, OTHER, 3, 2, 4, 5, "--wallet", "main", "--yes")
    assert batch["events"][0]["values"]["ids"] == [3, 4] and batch["events"][0]["values"]["values"] == [2, 5]
    both = answer(run, "token", "balance", stock, OTHER, "--id", 3, "--id", 4)
    assert [(row["id"], row["amount"]) for row in both] == [(3, "42"), (4, "5")]
    assert "one at a time" in run("token", "batch", at, OTHER, 3, 2, "--wallet", "main", "--yes").err
    assert run("token", "batch", stock, OTHER, 3, "--wallet", "main", "--yes").code == 2
    assert run("token", "balance", stock, OTHER).code == 2
    assert "no contract" in run("token", "info", OTHER).err
    nothing = deploy(run, "Proxy", "0x" + "00" * 19 + "99")
    assert "no token" in run("token", "info", nothing).err


def test_approvals_and_descriptions_of_tokens(run: Run, chain: EthereumClient) -> None:
    made = wallet(run)
    at, plots, stock = yard(run), deploy(run, "Plots"), deploy(run, "Stock")
    who = ("--wallet", "main", "--yes")
    assert run("token", "uri", plots, 7).out == "ipfs://plots/7\n"
    assert run("token", "uri", stock, 3).out == f"https://stock.example/{3:064x}.json\n"
    assert "no such plot" in run("token", "uri", plots, 8).err
    assert "all alike" in run("token", "uri", at, 1).err
    answer(run, "token", "approve", at, OTHER, "--all", *who)
    assert run("token", "allowance", at, made, OTHER).out == "all\n"
    answer(run, "token", "approve", at, OTHER, "2.5", *who)
    assert answer(run, "token", "allowance", at, made, OTHER) == {"amount": "2.5", "raw": "2500000"}
    answer(run, "token", "approve", at, OTHER, "--none", *who)
    assert run("token", "allowance", at, made, OTHER).out == "0\n"
    answer(run, "token", "approve", plots, OTHER, "--id", 7, *who)
    assert run("token", "allowance", plots, made, OTHER, "--id", 7).out == "this one\n"
    assert run("token", "allowance", plots, made, OTHER).out == "nothing\n"
    answer(run, "token", "transfer", plots, DEV, "--id", 7, "--from", OTHER, "--yes")
    assert answer(run, "token", "owner", plots, 7) == DEV
    answer(run, "token", "approve", stock, OTHER, "--all", *who)
    assert run("token", "allowance", stock, made, OTHER).out == "all\n"
    for words in ((at, OTHER), (at, OTHER, "1", "--all"), (stock, OTHER, "1"), (stock, OTHER, "--id", 3)):
        assert run("token", "approve", *words, *who).code == 2


def test_a_token_is_not_sent_to_a_contract_that_cannot_hold_it(run: Run, chain: EthereumClient) -> None:
    made = wallet(run)
    at, plots = yard(run), deploy(run, "Plots")
    safe = run("token", "transfer", plots, at, "--id", 7, "--wallet", "main", "--yes")
    assert safe.code == 1 and "revert" in safe.err and answer(run, "token", "owner", plots, 7) == made
    answer(run, "token", "transfer", plots, at, "--id", 7, "--unsafe", "--wallet", "main", "--yes")
    assert answer(run, "token", "owner", plots, 7) == at


# -- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("account", "send", OTHER, "1"), "no unit"),
        (("account", "send", OTHER, "1btc"), "not a unit"),
        (("account", "send", OTHER, "0.5wei"), "finer than a wei"),
        (("account", "send", OTHER[:-1] + "9", "1wei"), "not an address that can be used"),
        (("account", "send", OTHER.replace("C5", "c5"), "1wei"), "not an address that can be used"),
        (
            ("account", "send", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "1wei"),
            "not an address that can be used",
        ),
        (("account", "send", OTHER, "1wei"), "there is no terminal to ask"),
        (("account", "send", OTHER, "1wei", "--yes", "--max-fee", "1ether"), "exceeds the limit"),
        (("account", "send", OTHER, "1wei", "--yes", "--tip", "9gwei", "--max-fee", "8gwei"), "--tip is more"),
        (("account", "send", OTHER, "1wei", "--yes", "--from", "0x" + "11" * 20), "has no key"),
        (("contract", "call", OTHER, "balanceOf(address)(uint256)", DEV), "no contract"),
        (("contract", "call", OTHER, "f(uint8)", "300"), "do not fit"),
        (("contract", "call", OTHER, "balance"), "no function"),
        (("contract", "deploy", "xyz"), "neither hexadecimal nor a file"),
        (("contract", "logs", OTHER, "Unheard"), "not known"),
        (("contract", "call", OTHER, "f()", "--block", "soon"), "not a block"),
    ],
)
def test_what_is_refused(run: Run, chain: EthereumClient, words: tuple[str, ...], why: str) -> None:
    found = run(*words)
    assert found.code in (1, 2) and why in found.err, found.err


def test_a_dry_run_sends_nothing(run: Run, chain: EthereumClient) -> None:
    plan = answer(run, "account", "send", OTHER, "1ether", "--from", DEV, "--dry-run")
    assert plan["value"] == str(10**18) and plan["gas"] == 21_000 and "hash" not in plan


def test_no_server(run: Run) -> None:
    found = run("account", "balance", OTHER, "--eth-rpc-url", "http://127.0.0.1:1")
    assert found.code == 3 and "chainyard dev --chain dev" in found.err
    assert run("account", "balance", OTHER, "--eth-rpc-url", "ftp://x").code == 2


def test_slots_are_those_of_the_proposals() -> None:
    assert contracts.IMPLEMENTATION_SLOT.hex() == "360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    assert contracts.BEACON_SLOT.hex() == "a3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50"
    assert contracts.ADMIN_SLOT.hex() == "b53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103"
    assert contracts.PROXIABLE_SLOT.hex() == "c5f16f0fcc639fa48a6947836d9850f504798523bf8c9a3a87d5876cf622bcf7"
    delegated = bytes.fromhex("ef0100") + b"\x07" * 20
    assert contracts.proxy_in_code(delegated) == contracts.Proxy("eip7702", b"\x07" * 20)
    assert contracts.proxy_in_code(b"\x60\x00") is None
