"""Payments (SECURITY R24, R25, R29, R30): killed in the midst, reorganised away, their fees and dust, and addresses that are refused."""

from __future__ import annotations

import os
import shutil
import string
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.address import account_decode, account_encode
from primitives.bitcoin import Transaction
from primitives.errors import DecodeError
from primitives.ethereum_tx import EthereumTransaction
from tests.wallet.killed_save import DIED, die_at, real_world
from tests.wallet.test_accounts import JUNK, TO, Ledger
from tests.wallet.world import FAST, NET, Chain, funded, make, reopen
from wallet import scripts
from wallet.accounts import Accounts
from wallet.errors import WalletError
from wallet.history import Balances
from wallet.spend_account import Call
from wallet.spending import SendOptions
from wallet.wallet import Wallet

# -- R24 -------------------------------------------------------------------------------------------------------------

Tell = Callable[[bytes], object]
Work = Callable[[Tell], None]


def killed(work: Work, limit: int) -> tuple[int, bytes]:
    """Do something in a child that dies at a call to the file system (0: never): how it ended, and what it handed over before."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            tell = os.write
            counted = die_at(limit, True)
            work(lambda data: tell(writer, data))
            os._exit(min(counted(), DIED - 1) if limit == 0 else 0)
        finally:
            os._exit(78)
    os.close(writer)
    said = b""
    while chunk := os.read(reader, 4096):
        said += chunk
    os.close(reader)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def test_a_kill_in_the_midst_of_a_payment_loses_nothing_that_was_handed_over(tmp_path: Path) -> None:
    chain = Chain()
    wallet = Wallet.create("w", tmp_path / "start", real_world(1), NET, chain, gap=3, stretch=FAST)
    chain.wallets.append(wallet)
    for _ in range(2):
        chain.mine(wallet.state.script_of(wallet.new_address()))
    chain.mine(count=100)
    wallet.close()
    target = make(chain, name="other").new_address()

    def opened(folder: Path) -> Wallet:
        found = Wallet.open("w", folder, real_world(5), NET, chain, FAST)
        found.resume()
        return found

    def pay(folder: Path) -> Work:
        def work(tell: Tell) -> None:
            ours = opened(folder)

            def submit(tx: Transaction) -> None:
                tell(tx.raw)

            chain.submit = submit  # type: ignore[method-assign]
            ours.pay(target, 60 * 10**8)
            ours.close()

        return work

    shutil.copytree(tmp_path / "start", tmp_path / "counted")
    calls, _ = killed(pay(tmp_path / "counted"), 0)
    seen = set()
    for limit in range(1, calls + 1):
        folder = tmp_path / str(limit)
        shutil.copytree(tmp_path / "start", folder)
        code, said = killed(pay(folder), limit)
        assert code == DIED
        again = opened(folder)
        sent = [r.tx for r in again.state.history.records.values() if r.place is None]
        assert len(sent) <= 1 and (not said or [tx.raw for tx in sent] == [said])
        seen.add((bool(sent), bool(said)))
        if sent:  # both coins are in it: no other payment may take them
            with pytest.raises(WalletError, match="insufficient-funds"):
                again.pay(target, 10**8)
            assert again.rebroadcast() == [sent[0].id] and chain.pool.pop(sent[0].id)
        else:
            assert again.balances() == Balances(100 * 10**8)
        again.close()
    assert {(False, False), (True, True)} <= seen and (False, True) not in seen


def test_a_kill_in_the_midst_of_a_send_leaves_the_nonces_to_be_found_again(tmp_path: Path) -> None:
    start = Wallet.create("w", tmp_path / "start", real_world(1), NET, Chain(), stretch=FAST, phrase=JUNK)
    sender = Accounts(start.state, Ledger()).new().address
    start.close()

    def opened(folder: Path, ledger: Ledger) -> Accounts:
        return Accounts(Wallet.open("w", folder, real_world(5), NET, Chain(), FAST).state, ledger)

    def send(folder: Path) -> Work:
        def work(tell: Tell) -> None:
            ledger = Ledger()
            accounts = opened(folder, ledger)
            take = ledger.submit

            def submit(tx: EthereumTransaction) -> None:
                take(tx)
                tell(b"%d," % tx.nonce)

            ledger.submit = submit  # type: ignore[method-assign]
            for value in (1, 2):
                accounts.send(sender, Call(TO, value))

        return work

    shutil.copytree(tmp_path / "start", tmp_path / "counted")
    calls, everything = killed(send(tmp_path / "counted"), 0)
    assert everything == b"0,1,"
    reached = set()
    for limit in range(1, calls + 1):
        folder = tmp_path / str(limit)
        shutil.copytree(tmp_path / "start", folder)
        code, said = killed(send(folder), limit)
        assert code == DIED
        ledger = Ledger()
        accounts = opened(folder, ledger)
        known = {tx.nonce: tx for tx in accounts.sent()}
        taken = [int(n) for n in said.decode().split(",") if n]
        assert set(taken) <= set(known)  # what left this machine is on its disk
        for nonce in taken:
            ledger.pool[sender, nonce] = known[nonce]
        after = [accounts.send(sender, Call(TO, 3)).nonce for _ in range(2)]
        assert [*taken, *after] == list(range(len(taken) + 2))
        reached.add(len(taken))
    assert reached == {0, 1}  # the second one is handed over after the last write


# -- R25 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_after_any_reorganisation_the_wallet_is_what_a_rescan_finds(seed: int) -> None:
    random, chain = Random(seed), Chain()
    wallet = funded(chain, 3)
    target = make(chain, name="other").new_address()
    for _ in range(25):
        deed = random.randrange(5)
        if deed <= 1:
            try:
                wallet.pay(target, random.randrange(10_000, 20 * 10**8))
            except WalletError as e:
                assert e.rule == "insufficient-funds"
        elif deed == 2:
            chain.mine(random.choice([wallet.state.script_of(wallet.new_address()), b"\x51"]))
        elif deed == 3:
            depth = random.randrange(1, 4)
            chain.disconnect(depth)
            chain.mine(txs=[], count=depth + 1)
        elif chain.pool:
            chain.evict(random.choice(list(chain.pool.values())))
            assert set(wallet.rebroadcast()) <= set(chain.pool)
    live = wallet.balances()
    chain.mine()
    wallet.rebroadcast()
    chain.mine()
    settled = wallet.balances()
    wallet.rescan(0)
    assert wallet.balances() == settled
    assert reopen(wallet, chain).balances() == settled
    assert sum((live.trusted, live.pending, live.immature)) > 0


# -- R29 -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 10**6), st.integers(600, 4 * 10**9))
def test_no_fee_is_absurd_and_no_output_is_dust(rate: int, amount: int) -> None:
    chain = Chain()
    wallet = funded(chain)
    try:
        sent = wallet.pay("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", amount, SendOptions(rate=rate))
    except WalletError as e:
        assert e.rule in ("bad-fee", "insufficient-funds")
        assert rate < NET.relay_rate or rate > 50_000_000 // 1_000
        return
    assert sent.fee <= 10_000_000  # Core's -maxtxfee
    assert sent.fee == chain.fee(sent.tx)
    least = sent.tx.vsize * rate // 1000
    dust = scripts.dust_limit(sent.tx.outputs[0].script, NET.dust_rate)
    assert least <= sent.fee <= least + 2 * (dust + 200 * rate // 1000)
    assert all(out.value >= scripts.dust_limit(out.script, NET.dust_rate) for out in sent.tx.outputs)


# -- R30 -------------------------------------------------------------------------------------------------------------

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


@pytest.mark.parametrize("kind", ["legacy", "p2sh-segwit", "bech32", "bech32m"])
def test_no_single_mistake_in_an_address_is_paid(kind: str) -> None:
    wallet = make(Chain())
    address = wallet.new_address(kind=kind)
    letters = BASE58 if kind in ("legacy", "p2sh-segwit") else BECH32
    for at in range(len(address)):
        for letter in letters:
            typo = address[:at] + letter + address[at + 1 :]
            if typo != address:
                with pytest.raises(WalletError, match="bad-address"):
                    wallet.state.script_of(typo)
    for at in range(len(address) - 1):
        swapped = address[:at] + address[at + 1] + address[at] + address[at + 2 :]
        if swapped != address:
            with pytest.raises(WalletError, match="bad-address"):
                wallet.state.script_of(swapped)


@pytest.mark.parametrize(
    "address",
    [
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "PPR9CNQDFZUvPvJcR4LzhBS4FP2yL4w1yT",
        "",
    ],
)
def test_addresses_of_other_networks_are_refused(address: str) -> None:
    with pytest.raises(WalletError, match="bad-address"):
        make(Chain()).pay(address, 10_000)


def test_an_account_with_one_letter_of_the_wrong_case_is_refused() -> None:
    good = account_encode(bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266"))
    for at, letter in enumerate(good):
        if at > 1 and letter in string.ascii_letters:
            with pytest.raises(DecodeError):
                account_decode(good[:at] + letter.swapcase() + good[at + 1 :])
    assert account_decode(good) == account_decode(good.lower())
