"""Wallets as a whole through RPC: made, chosen by path, locked, backed up, restored, loaded again."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.rpc.wallet_harness import WalletClient

PHRASE = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[WalletClient]:
    found = WalletClient(tmp_path)
    yield found
    found.close()


def test_a_wallet_is_chosen_by_the_path_or_by_being_the_only_one(client: WalletClient) -> None:
    assert client.error("getbalance") == (
        -18,
        "No wallet is loaded. Load a wallet using loadwallet or create a new one with createwallet. "
        "(Note: A default wallet is no longer automatically created)",
    )
    assert client.call("createwallet", "a") == {"name": "a"}
    assert client.call("getwalletinfo")["walletname"] == "a"
    client.call("createwallet", "b c")
    assert client.call("listwallets") == ["a", "b c"]
    assert client.error("getbalance")[0] == -19
    assert client.on("b c").call("getwalletinfo")["walletname"] == "b c"
    assert client.on("x").error("getbalance") == (-18, "Requested wallet does not exist or is not loaded")


def test_loading_and_unloading(client: WalletClient) -> None:
    client.made("a")
    assert client.error("loadwallet", "a") == (-35, 'Wallet "a" is already loaded.')
    assert client.error("createwallet", "a")[0] == -4
    assert client.call("unloadwallet", "a", True) == {}
    assert client.error("unloadwallet", "a")[0] == -18
    assert client.error("unloadwallet")[0] == -8
    assert client.wallets.remembered() == ["a"]
    assert client.call("listwalletdir") == {"wallets": [{"name": "a", "warnings": []}]}
    assert client.error("loadwallet", "none")[0] == -18
    assert client.error("loadwallet", "../a")[0] == -18
    assert client.call("loadwallet", "a", False) == {"name": "a"}
    assert client.wallets.remembered() == []
    client.made("b")
    assert client.on("b").error("unloadwallet", "a")[0] == -8
    assert client.on("b").call("unloadwallet") == {}
    assert client.call("listwallets") == ["a"]


def test_what_is_refused_when_a_wallet_is_made(client: WalletClient) -> None:
    assert client.error("createwallet", "a", descriptors=False)[0] == -4
    assert client.error("createwallet", "a", external_signer=True)[0] == -4
    assert client.error("createwallet", "a", avoid_reuse=True)[0] == -4
    assert client.error("createwallet", "a", disable_private_keys=True, passphrase="secret word")[0] == -16
    assert client.error("createwallet", "a", mnemonic="abandon about")[0] == -8
    assert client.error("createwallet", "a", mnemonic=PHRASE, start_height=9)[0] == -8
    assert client.call("createwallet", "a", passphrase="")["warnings"]
    assert client.call("listwallets") == ["a"]


def test_what_a_wallet_is_like(client: WalletClient) -> None:
    info = client.made("a").call("getwalletinfo")
    assert {k: info[k] for k in ("format", "txcount", "private_keys_enabled", "scanning", "descriptors", "blank")} == {
        "format": "json",
        "txcount": 0,
        "private_keys_enabled": True,
        "scanning": False,
        "descriptors": True,
        "blank": False,
    }
    assert info["keypoolsize"] == 400 and "unlocked_until" not in info
    assert info["lastprocessedblock"] == {"hash": client.call("getbestblockhash"), "height": 0}
    watching = client.made("w", disable_private_keys=True).call("getwalletinfo")
    assert not watching["private_keys_enabled"] and watching["blank"]


def test_passphrases(client: WalletClient) -> None:
    wallet = client.funded("a")
    address = wallet.call("getnewaddress")
    for method, params in (("walletlock", ()), ("walletpassphrase", ("x", 1)), ("walletpassphrasechange", ("x", "y"))):
        assert wallet.error(method, *params) == (
            -15,
            f"Error: running with an unencrypted wallet, but {method} was called.",
        )
    assert wallet.error("encryptwallet", "") == (-8, "passphrase cannot be empty")
    assert wallet.call("encryptwallet", "open sesame").startswith("wallet encrypted;")
    assert wallet.error("encryptwallet", "again")[0] == -15
    assert wallet.call("getwalletinfo")["unlocked_until"] == 0
    locked = (-13, "Error: Please enter the wallet passphrase with walletpassphrase first.")
    assert wallet.error("sendtoaddress", address, 1) == locked
    assert wallet.error("signrawtransactionwithwallet", "0011")[0] == -22
    assert wallet.error("listdescriptors", True) == locked
    assert wallet.error("getmnemonic") == locked
    assert wallet.error("exportprivkey", address) == locked
    assert wallet.error("rescanblockchain") == locked
    wrong = (-14, "Error: The wallet passphrase entered was incorrect.")
    assert wallet.error("walletpassphrase", "open barley", 60) == wrong
    assert wallet.error("walletpassphrase", "open sesame", -1) == (-8, "Timeout cannot be negative.")
    assert wallet.error("walletpassphrase", "", 5) == (-8, "passphrase cannot be empty")
    wallet.call("walletpassphrase", "open sesame", 10**12)
    left = wallet.call("getwalletinfo")["unlocked_until"] - client.env.now()
    assert 99_999_000 < left <= 100_000_000
    wallet.call("sendtoaddress", address, 1)
    wallet.call("walletlock")
    assert wallet.error("sendtoaddress", address, 1) == locked
    assert wallet.error("walletpassphrasechange", "wrong", "new one") == wrong
    wallet.call("walletpassphrasechange", "open sesame", "new one")
    assert wallet.error("walletpassphrase", "open sesame", 60) == wrong
    wallet.call("walletpassphrase", "new one", 60)
    watching = client.made("w", disable_private_keys=True)
    assert watching.error("encryptwallet", "x")[0] == -16


def test_a_wallet_encrypted_from_the_start_holds_no_plain_words(client: WalletClient) -> None:
    client.made("a", passphrase="open sesame", mnemonic=PHRASE)
    for file in (client.folder / "wallets" / "a").iterdir():
        assert b"abandon" not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_backup_and_restore(client: WalletClient, tmp_path: Path) -> None:
    wallet = client.funded("a", 2)
    balance = wallet.call("getbalance")
    target = tmp_path / "backup.json"
    wallet.call("backupwallet", str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    wallet.call("backupwallet", str(tmp_path))
    assert (tmp_path / "a.json").read_bytes() == target.read_bytes()
    own = client.folder / "wallets" / "a" / "wallet.json"
    assert wallet.error("backupwallet", str(own))[0] == -4
    assert wallet.error("backupwallet", "/proc/none/x")[0] == -4
    assert client.error("restorewallet", "b", str(tmp_path / "none")) == (-8, "Backup file does not exist")
    assert client.error("restorewallet", "a", str(target))[0] == -36
    (tmp_path / "junk").write_text("{}")
    assert client.error("restorewallet", "b", str(tmp_path / "junk"))[0] == -4
    assert not (client.folder / "wallets" / "b" / "wallet.json").exists()
    assert client.call("restorewallet", "b", str(target)) == {"name": "b"}
    assert client.on("b").call("getbalance") == balance > 0


def test_restoring_from_the_mnemonic_finds_what_was_paid(client: WalletClient) -> None:
    first = client.made("a", mnemonic=PHRASE)
    assert first.call("getmnemonic") == PHRASE
    for kind in ("legacy", "p2sh-segwit", "bech32", "bech32m"):
        client.mine(1, first.call("getnewaddress", "", kind))
    client.mine(100)
    assert first.call("getbalance") == 200
    client.call("unloadwallet", "a")
    again = client.made("again", mnemonic=PHRASE)
    assert again.call("getbalance") == 200
    late = client.made("late", mnemonic=PHRASE, start_height=3)
    assert late.call("getbalance") == 100
    assert late.call("rescanblockchain", 0) == {"start_height": 0, "stop_height": 104}
    assert late.call("getbalance") == 200
    other = client.made("other", mnemonic=PHRASE, mnemonic_passphrase="TREZOR")
    assert other.call("getbalance") == 0


def test_no_secret_in_logs_or_errors(client: WalletClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    phrase = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"
    secrets = ["open-sesame-7", "another-9", "zoo zoo"]
    wallet = client.made("a", passphrase=secrets[0], mnemonic=phrase)
    messages = [
        wallet.error("walletpassphrase", secrets[1], 1)[1],
        wallet.error("walletpassphrase", secrets[0], -1)[1],
        wallet.error("walletpassphrasechange", secrets[1], secrets[0])[1],
        wallet.error("encryptwallet", secrets[0])[1],
        client.error("createwallet", "b", mnemonic=phrase + " zoo")[1],
        client.error("createwallet", "a", passphrase=secrets[1])[1],
        wallet.error("walletpassphrase", [secrets[0]], 1)[1],
    ]
    wallet.call("walletpassphrase", secrets[0], 60)
    wif = wallet.call("exportprivkey", wallet.call("getnewaddress"))
    private = wallet.call("listdescriptors", True)["descriptors"][0]["desc"]
    assert "tprv" in private
    messages += [repr(client.wallets.get("a")), repr(client.wallets.loaded["a"].state)]
    everything = "\n".join([*messages, caplog.text])
    for secret in (*secrets, wif, private):
        assert secret not in everything


@pytest.mark.parametrize("method", ["dumpprivkey", "importprivkey", "importaddress", "addmultisigaddress"])
def test_methods_of_the_older_kind_of_wallet(client: WalletClient, method: str) -> None:
    assert client.error(method, "x")[0] == -18
    client.made("a")
    assert client.error(method, "x", 1) == (-4, "Only legacy wallets are supported by this command")
