"""A first user's hour with the wallet, in real processes: make, pay, bump, sign, back up, restore, lock.

Every refusal is one line.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.processes import Place

pytestmark = pytest.mark.scenario
OTHER_NETWORK = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
PASSPHRASE = "a horse on the moon"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A node with a rich wallet, alice, and an empty one, bob."""
    place = Place(tmp_path_factory.mktemp("wallet"))
    try:
        node = place.node()
        made = place.json("wallet", "create", "alice")
        assert len(made["mnemonic"].split()) == 12 and made["encrypted"] is False
        place.json("wallet", "create", "bob")
        node.client.call("generatetoaddress", 101, place.json("wallet", "address", "--wallet", "alice")["address"])
        yield place
    finally:
        place.close()


def address(place: Place, wallet: str) -> str:
    found: str = place.json("wallet", "address", "--wallet", wallet)["address"]
    return found


def mine(place: Place) -> None:
    place.nodes[0].client.call("generatetoaddress", 1, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")


def test_words_are_shown_at_creation_with_a_warning(place: Place) -> None:
    made = place.run("wallet", "create", "shown")
    assert made.returncode == 0
    assert "WRITE THESE WORDS DOWN" in made.stdout and "whoever has them has the money" in made.stdout
    assert place.run("wallet", "create", "shown").returncode == 1


def test_paying_and_bumping(place: Place) -> None:
    target = address(place, "bob")
    dry = place.json("wallet", "send", target, "1.5btc", "--wallet", "alice", "--dry-run")
    assert dry["sent"] is False and dry["outputs"] == [{"address": target, "amount": "1.50000000"}]
    assert place.nodes[0].client.call("getrawmempool") == []
    unasked = place.run("wallet", "send", target, "1.5btc", "--wallet", "alice")
    assert unasked.returncode == 2 and "--yes" in unasked.stderr and "fee" in unasked.stderr
    sent = place.run("wallet", "send", target, "1.5btc", "--wallet", "alice", "--yes", "--fee-rate", "3")
    assert sent.returncode == 0, sent.stderr
    txid = sent.stdout.strip()
    assert place.nodes[0].client.call("getrawmempool") == [txid]
    assert "1.5 btc" in sent.stderr and "(3.0 sat/vB" in sent.stderr
    bumped = place.json("wallet", "bump", txid, "--wallet", "alice", "--yes", "--fee-rate", "30")
    assert place.nodes[0].client.call("getrawmempool") == [bumped["txid"]]
    assert place.json("wallet", "balance", "--wallet", "bob")["untrusted_pending"] == 1.5
    mine(place)
    history = place.json("wallet", "history", "--wallet", "bob")
    found = {row["txid"]: (row["category"], row["amount"], row["confirmations"]) for row in history}
    assert found == {txid: ("receive", 1.5, -1), bumped["txid"]: ("receive", 1.5, 1)}
    assert "receive" in place.run("wallet", "history", "--wallet", "bob").stdout
    (coin,) = place.json("wallet", "coins", "--wallet", "bob")
    name = f"{coin['txid']}:{coin['vout']}"
    assert place.json("wallet", "coins", "--wallet", "bob", "--lock", name)[0]["locked"] is True
    empty = place.run("wallet", "sweep", address(place, "alice"), "--wallet", "bob", "--yes")
    assert empty.returncode == 1
    assert place.json("wallet", "coins", "--wallet", "bob", "--unlock", name)[0]["locked"] is False
    swept = place.json("wallet", "sweep", address(place, "alice"), "--wallet", "bob", "--yes")
    assert swept["sent"] and swept["total"] == "1.50000000"
    mine(place)
    assert place.json("wallet", "balance", "--wallet", "bob")["trusted"] == 0


def test_a_watching_wallet_and_a_cold_one_pay_together(place: Place, tmp_path: Path) -> None:
    place.json("wallet", "create", "eye", "--watch-only")
    for line in place.run("wallet", "export", "--wallet", "alice").stdout.split():
        internal = ["--internal"] if "/1/*" in line else []
        assert place.run("wallet", "import", line, "--active", *internal, "--wallet", "eye").returncode == 0
    target = address(place, "bob")
    tried = place.run("wallet", "psbt", "fund", target, "1btc", "--wallet", "eye", "--out", tmp_path / "a.psbt")
    assert tried.returncode == 0 and "change" in tried.stderr
    unsure = place.run("wallet", "psbt", "sign", tmp_path / "a.psbt", "--wallet", "alice")
    assert unsure.returncode == 2 and "1 btc" in unsure.stderr
    signed = place.json("wallet", "psbt", "sign", tmp_path / "a.psbt", "--wallet", "alice", "--yes")
    assert signed["complete"] is True
    bare = place.json("wallet", "psbt", "create", target, "1btc", "--coin", "ab" * 32 + ":0")
    assert place.run("wallet", "psbt", "update", bare["psbt"], "--wallet", "alice").returncode == 0
    sent = place.json("wallet", "psbt", "extract", signed["psbt"], "--send", "--yes")
    assert place.nodes[0].client.call("getrawmempool") == [sent["txid"]]
    mine(place)


@pytest.mark.parametrize("kind", ["legacy", "p2sh-segwit", "bech32", "bech32m"])
def test_what_a_key_on_paper_can_spend_is_taken_in(place: Place, kind: str) -> None:
    paper = f"paper-{kind}"
    place.json("wallet", "create", paper)
    target = place.json("wallet", "address", "--type", kind, "--wallet", paper)["address"]
    key = place.json("wallet", "export", "--key", target, "--wallet", paper)["key"] + "\n"
    sweep = ("wallet", "sweep", "--key-stdin", "--wallet", "bob", "--yes", "--fee-rate", "2")
    assert "nothing" in place.run(*sweep, input=key).stderr
    for amount, more in (("1btc", ("--bip69",)), ("2btc", ("--locktime", 5))):
        place.json("wallet", "send", target, amount, "--wallet", "alice", "--yes", *more)
    mine(place)
    before = place.json("wallet", "balance", "--wallet", "bob")["trusted"]
    dry = place.json(*sweep, "--dry-run", input=key)
    assert dry["sent"] is False and dry["inputs"] == 2 and 1.9 <= dry["fee_rate"] <= 2.1
    place.json(*sweep, input=key)
    mine(place)
    gained = place.json("wallet", "balance", "--wallet", "bob")["trusted"] - before
    assert gained == pytest.approx(3 - float(dry["fee"]))
    assert place.json("wallet", "balance", "--wallet", paper)["trusted"] == 0
    wrong = place.run(*sweep, input="cMpMxK92W1DjqDvWV3pMn4xLwAuQJhNF3MFqkEHUQRPQofUJku8S\n")
    assert wrong.returncode == 2 and "cMpMx" not in wrong.stderr


def test_a_child_pays_and_what_a_bump_would_cost(place: Place) -> None:
    target = address(place, "bob")
    txid = place.json("wallet", "send", target, "1btc", "--wallet", "alice", "--yes", "--fee-rate", "2")["txid"]
    dry = place.json("wallet", "bump", txid, "--wallet", "alice", "--dry-run", "--fee-rate", "9")
    assert dry["sent"] is False and dry["fee"] > dry["origfee"]
    assert place.nodes[0].client.call("getrawmempool") == [txid]
    row = place.run("wallet", "history", "--wallet", "bob", "-n", "1").stdout
    assert "waiting" in row
    child = place.json("wallet", "bump", txid, "--cpfp", "--wallet", "bob", "--yes", "--fee-rate", "20")
    assert set(place.nodes[0].client.call("getrawmempool")) == {txid, child["txid"]}
    absurd = place.run("wallet", "bump", txid, "--cpfp", "--wallet", "bob", "--yes", "--fee-rate", "2000")
    assert absurd.returncode == 2 and "--allow-high-fee" in absurd.stderr
    mine(place)


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        ((OTHER_NETWORK, "1btc"), 2, "Bitcoin's main network"),
        (("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt08q", "1btc"), 2, "checksum"),
        (("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfo", "1btc"), 2, "cannot be paid"),
        (("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "1"), 2, "no unit"),
        (("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "100000btc"), 1, "Insufficient funds"),
        (("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "1sat"), 1, "small"),
        (("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "1btc", "--fee-rate", "2000"), 2, "--allow-high-fee"),
        (("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "1btc", "--fee-rate", "1000000", "--allow-high-fee"), 1, "exceeds"),
        (("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "30000sat", "--fee-rate", "300"), 2, "--allow-high-fee"),
    ],
)  # fmt: skip
def test_what_is_not_sent(place: Place, words: tuple[str, ...], code: int, why: str) -> None:
    found = place.run("wallet", "send", *words, "--wallet", "alice", "--yes")
    assert found.returncode == code and why in found.stderr, found.stderr
    assert len(found.stderr.strip().splitlines()) == 1 and found.stdout == ""


def test_which_wallet(place: Place) -> None:
    several = place.run("wallet", "balance")
    assert several.returncode == 1 and "--wallet" in several.stderr
    none = place.run("wallet", "balance", "--wallet", "nobody")
    assert none.returncode == 1 and "wallet list" in none.stderr
    assert {"alice", "bob"} <= {row["name"] for row in place.json("wallet", "list")}


def test_passphrases_come_from_standard_input(place: Place) -> None:
    place.json("wallet", "create", "safe", "--passphrase-stdin", input=PASSPHRASE + "\n")
    target = address(place, "safe")
    place.json("wallet", "send", target, "2btc", "--wallet", "alice", "--yes", "--label", "my safe")
    mine(place)
    pay = ("wallet", "send", address(place, "alice"), "1btc", "--wallet", "safe", "--yes")
    unasked = place.run(*pay)
    assert unasked.returncode == 2 and "--passphrase-stdin" in unasked.stderr
    wrong = place.run(*pay, "--passphrase-stdin", input="a horse on mars\n")
    assert wrong.returncode == 1 and "incorrect" in wrong.stderr
    assert place.run(*pay, "--passphrase-stdin", input=PASSPHRASE + "\n").returncode == 0
    state = {row["name"]: row.get("state") for row in place.json("wallet", "list")}
    assert state["safe"] == "locked" and state["alice"] == "plain"
    place.json("wallet", "unlock", "--wallet", "safe", "--passphrase-stdin", input=PASSPHRASE + "\n")
    assert place.run("wallet", "export", "--mnemonic", "--wallet", "safe").returncode == 0
    place.json("wallet", "lock", "--wallet", "safe")
    new = place.run("wallet", "passwd", "--wallet", "safe", "--passphrase-stdin", input=f"{PASSPHRASE}\nnew one\n")
    assert new.returncode == 0
    place.json("wallet", "rescan", "--wallet", "safe", "--passphrase-stdin", input="new one\n")
    assert [row["label"] for row in place.json("wallet", "label", "--wallet", "alice")][-1:] == ["my safe"]


def test_messages(place: Place) -> None:
    target = address(place, "bob")
    signature = place.run("wallet", "sign", target, "hello", "--wallet", "bob").stdout.strip()
    assert place.run("wallet", "verify", target, signature, "hello", "--wallet", "bob").returncode == 0
    wrong = place.run("wallet", "verify", target, signature, "hallo", "--wallet", "bob")
    assert wrong.returncode == 4 and "does not hold" in wrong.stderr
    legacy = place.json("wallet", "address", "--type", "legacy", "--wallet", "bob")["address"]
    signed = place.json("wallet", "sign", legacy, "hello", "--wallet", "bob")
    assert signed["form"] == "legacy"
    assert place.run("wallet", "verify", legacy, signed["signature"], "hello", "--wallet", "bob").returncode == 0


def test_a_wallet_comes_back_from_its_words_a_backup_and_its_descriptors(place: Place, tmp_path: Path) -> None:
    balance = place.json("wallet", "balance", "--wallet", "alice")["trusted"]
    words = place.json("wallet", "export", "--mnemonic", "--wallet", "alice")["mnemonic"]
    place.json("wallet", "backup", tmp_path / "alice.json", "--wallet", "alice")
    assert stat.S_IMODE((tmp_path / "alice.json").stat().st_mode) == 0o600
    restored = place.json("wallet", "restore", "from-words", "--mnemonic-stdin", input=words + "\n")
    assert restored["balances"]["trusted"] == balance > 40
    restored = place.json("wallet", "restore", "from-file", "--file", tmp_path / "alice.json")
    assert restored["balances"]["trusted"] == balance
    bad = place.run("wallet", "restore", "none", "--mnemonic-stdin", input="zoo " * 12 + "\n")
    assert bad.returncode == 1 and "zoo" not in bad.stderr
    place.json("wallet", "create", "watcher", "--watch-only")
    for line in place.run("wallet", "export", "--wallet", "alice").stdout.split():
        assert place.run("wallet", "import", line, "--wallet", "watcher").returncode == 0
    assert place.json("wallet", "balance", "--wallet", "watcher")["trusted"] == balance
    own = address(place, "alice")
    key = place.json("wallet", "export", "--key", own, "--wallet", "alice")["key"]
    place.json("wallet", "create", "single", "--blank")
    assert place.run("wallet", "import", "--key", "--stdin", "--wallet", "single", input=key + "\n").returncode == 0
    assert place.json("wallet", "label", own, "--wallet", "single") == [""]
    place.json("wallet", "export", "--private", "--out", tmp_path / "keys", "--wallet", "alice")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600 and "tprv" in (tmp_path / "keys").read_text()


def test_wallets_come_back_with_the_node(tmp_path: Path) -> None:
    place = Place(tmp_path)
    try:
        node = place.node()
        place.json("wallet", "create", "kept")
        place.json("wallet", "create", "put-away")
        place.json("wallet", "unload", "put-away")
        node.client.call("generatetoaddress", 101, address(place, "kept"))
        assert node.interrupt() < 5
        place.node()
        assert {row["name"]: row["loaded"] for row in place.json("wallet", "list")} == {"kept": True, "put-away": False}
        assert place.json("wallet", "balance")["trusted"] == 50
        place.json("wallet", "load", "put-away")
    finally:
        place.close()
