"""A wallet in a real process (SECURITY R18, R20, R24): after encryption no key is left anywhere; a hundred sends at once keep all sums."""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path

import pytest

from node.client import RpcClient
from node.rpc.errors import RpcError
from primitives import address as addresses
from tests.scenarios.conftest import NetMaker
from tests.wallet.world import STYLE
from wallet import hd, mnemonic
from wallet.hd import ExtendedPrivate

pytestmark = pytest.mark.scenario

SECRET = "a passphrase that is nowhere else 9f1c"
KINDS = {"legacy": 44, "p2sh-segwit": 49, "bech32": 84, "bech32m": 86}


def needles_of(phrase: str) -> list[bytes]:
    """The keys of a wallet in every form: words, seed, extended keys, and of each kind some single keys, raw, hex and WIF."""
    seed = mnemonic.seed(phrase)
    master = ExtendedPrivate.from_seed(seed)
    found = [
        phrase.encode(),
        mnemonic.to_entropy(phrase),
        seed,
        master.encode(STYLE.bip32_private).encode(),
        master.key,
    ]
    for purpose in KINDS.values():
        account = master.derive(hd.account_path(purpose, 1))
        found += [account.encode(STYLE.bip32_private).encode(), account.key]
        for chain in (0, 1):
            for index in range(4):
                key = account.derive((chain, index)).key
                found += [key, addresses.wif_encode(key, True, STYLE).encode()]
    return [form for one in found for form in (one, one.hex().encode())] + [SECRET.encode()]


def everything_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_key_is_left_after_encryption(make_net: NetMaker, tmp_path: Path) -> None:
    net = make_net(1, "--log-level", "debug")
    member = net.members[0]
    client = net.client(member)
    client.call("createwallet", "w")
    wallet = client.wallet("w")
    phrase = wallet.call("getmnemonic")
    needles = needles_of(phrase)
    for kind in KINDS:
        client.call("generatetoaddress", 1, wallet.call("getnewaddress", "", kind))
    client.call("generatetoaddress", 100, wallet.call("getnewaddress"))
    wallet.call("sendtoaddress", wallet.call("getnewaddress"), 1)
    before = b"".join(everything_in(Path(member.folder)).values())
    assert phrase.encode() in before or phrase.encode().hex().encode() in before  # the search finds what is there
    wallet.call("encryptwallet", SECRET)
    wallet.call("walletpassphrase", SECRET, 600)
    for kind in KINDS:
        wallet.call("sendtoaddress", wallet.call("getnewaddress", "", kind), 2)
    made = wallet.call("walletcreatefundedpsbt", [], {wallet.call("getnewaddress"): 1})
    assert wallet.call("walletprocesspsbt", made["psbt"])["complete"]
    with pytest.raises(RpcError):
        wallet.call("walletpassphrase", SECRET + "x", 5)
    assert member.pid is not None
    process = Path("/proc") / str(member.pid)
    if process.exists():
        assert SECRET.encode() not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        limits = (process / "limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]
    client.call("generatetoaddress", 2, wallet.call("getnewaddress"))
    net.stop()
    for path, data in everything_in(tmp_path).items():
        for needle in needles:
            assert needle not in data, path


def test_a_hundred_sends_at_once_over_rpc(make_net: NetMaker) -> None:
    net = make_net(1)
    client = net.client(net.members[0])
    for name in ("alice", "bob"):
        client.call("createwallet", name)
    alice, bob = client.wallet("alice"), client.wallet("bob")
    for _ in range(10):
        client.call("generatetoaddress", 1, alice.call("getnewaddress"))
    client.call("generatetoaddress", 100, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
    total = alice.call("getbalance")
    targets = [bob.call("getnewaddress") for _ in range(100)]
    wrong: list[Exception] = []

    def pay(mine: list[str]) -> None:
        own = RpcClient(client.endpoint, "alice")
        try:
            for target in mine:
                own.call("sendtoaddress", target, "0.5")
        except Exception as e:
            wrong.append(e)
        finally:
            own.close()

    threads = [threading.Thread(target=pay, args=(targets[n::10],)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    rows = client.call("getrawmempool", True)
    fees = sum((row["fees"]["base"] for row in rows.values()), Decimal(0))
    assert len(rows) >= 1 and sum(row["ancestorcount"] >= 1 for row in rows.values()) == len(rows)
    spent = [(i["txid"], i["vout"]) for txid in rows for i in client.call("getrawtransaction", txid, 1)["vin"]]
    assert len(rows) == 100 and len(spent) == len(set(spent))
    client.call("generatetoaddress", 1, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
    assert bob.call("getbalance") == 50
    assert alice.call("getbalance") + 50 + fees == total
    before = alice.call("getbalance"), len(alice.call("listtransactions", "*", 1000))
    alice.call("rescanblockchain")
    assert (alice.call("getbalance"), len(alice.call("listtransactions", "*", 1000))) == before
