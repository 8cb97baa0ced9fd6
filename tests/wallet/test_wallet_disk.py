"""What a wallet keeps on disk: keys before their addresses, failed writes, locks, damage, a hundred sends at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.wallet.world import FAST, NET, REWARD, Chain, World, funded, make, picture, reopen, rule
from wallet import file
from wallet.errors import WalletError
from wallet.wallet import Wallet

COIN = 100_000_000


def test_the_key_is_on_disk_before_its_address_is_given_out() -> None:
    chain = Chain()
    for fail_after in range(1, 6):
        world = World(3)
        wallet = make(chain, world, name=f"k{fail_after}", folder=f"/k{fail_after}", gap=3)
        world.disk.fail_at = world.disk.writes + fail_after
        given: list[str] = []
        with pytest.raises(OSError):
            for _ in range(200):
                given.append(wallet.new_address())
        world.disk.fail_at = None
        chain.wallets.remove(wallet)
        again = Wallet.open("k", wallet.state.folder, world, NET, chain, FAST)
        assert all(again.address_info(address).is_mine for address in given)
        assert again.new_address() not in given


def test_every_failed_write_leaves_a_wallet_that_opens() -> None:
    chain = Chain()
    for fail_at in range(1, 12):
        world = World(4)
        folder = Path(f"/crash{fail_at}")
        world.disk.fail_at = fail_at
        try:
            wallet = Wallet.create("c", folder, world, NET, chain, stretch=FAST, gap=3)
            wallet.new_address("label")
            wallet.encrypt("secret")
            wallet.change_passphrase("secret", "other")
            wallet.set_label(wallet.new_address(), "x")
            wallet.close()
        except OSError:
            pass
        world.disk.fail_at = None
        if world.disk.read(folder / file.WALLET_FILE) is None:
            assert fail_at == 1
            continue
        again = Wallet.open("c", folder, world, NET, chain, FAST)
        if again.is_encrypted:
            for passphrase in ("secret", "other"):
                try:
                    again.unlock(passphrase, 10)
                except WalletError as e:
                    assert e.rule == "wrong-passphrase"
        assert len(again.export_phrase().split()) == 12


def test_a_hundred_concurrent_sends_use_no_coin_twice() -> None:
    chain = Chain()
    alice, bob = funded(chain, 30), make(chain, name="bob", folder="/b", gap=150)
    addresses = [bob.new_address() for _ in range(100)]
    lock = threading.Lock()
    submit = chain.submit

    def guarded(tx: object) -> None:
        with lock:
            submit(tx)  # type: ignore[arg-type]

    chain.submit = guarded  # type: ignore[method-assign]
    errors: list[Exception] = []

    def pay(address: str) -> None:
        try:
            alice.pay(address, COIN)
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=pay, args=(address,)) for address in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    points = [i.outpoint for tx in chain.pool.values() for i in tx.inputs]
    assert len(chain.pool) == 100 and len(points) == len(set(points))
    fees = sum(chain.fee(tx) for tx in chain.pool.values())
    assert alice.balances().trusted + bob.balances().pending + fees == 30 * REWARD
    chain.mine()
    assert bob.balances().trusted == 100 * COIN


def test_locked_and_unlocked() -> None:
    chain = Chain()
    world = World(2)
    wallet = funded(chain, world=world, passphrase="correct horse")
    address = wallet.new_address()
    assert wallet.is_locked and rule(lambda: wallet.pay(address, COIN)) == "wallet-locked"
    assert rule(lambda: wallet.unlock("wrong", 10)) == "wrong-passphrase"
    assert rule(lambda: wallet.unlock("", 10)) == "wrong-passphrase"
    wallet.unlock("correct horse", 10)
    wallet.pay(address, COIN)
    world.clock += 9.9
    assert not wallet.is_locked
    world.clock += 0.2
    assert wallet.is_locked and rule(lambda: wallet.pay(address, COIN)) == "wallet-locked"
    wallet.unlock("correct horse", 1e18)
    assert wallet.info().unlocked_for == pytest.approx(100_000_000)
    wallet.lock()
    assert wallet.is_locked and wallet.info().unlocked_for == 0
    wallet.change_passphrase("correct horse", "battery staple")
    assert rule(lambda: wallet.unlock("correct horse", 10)) == "wrong-passphrase"
    wallet.unlock("battery staple", 10)


def test_encryption_leaves_no_secret_in_any_file() -> None:
    chain = Chain()
    world = World(8)
    wallet = funded(chain, world=world)
    phrase, address = wallet.export_phrase(), wallet.new_address()
    secret = wallet.secret_of(address)[0]
    private = [wallet.export_descriptor(s) for s in wallet.descriptors()]
    assert rule(lambda: wallet.unlock("x", 1)) == "wrong-encryption-state"
    wallet.encrypt("pass phrase")
    assert rule(lambda: wallet.encrypt("again")) == "wrong-encryption-state"
    everything = b"".join(world.disk.files.values())
    for needle in (phrase, secret.hex(), "pass phrase", *private):
        assert needle.encode() not in everything and needle.encode().hex().encode() not in everything
    assert secret not in everything
    assert rule(wallet.export_phrase) == "wallet-locked"
    for thing in (wallet, wallet.state, wallet.state.vault, *wallet.state.vault.secrets):
        assert phrase not in repr(thing) and secret.hex() not in repr(thing)
    wallet.unlock("pass phrase", 10)
    assert wallet.export_phrase() == phrase and wallet.secret_of(address)[0] == secret
    assert all(mode == 0o600 for mode in world.disk.modes.values())


def test_any_flipped_byte_of_the_wallet_file_is_noticed() -> None:
    chain = Chain()
    world = World(8)
    wallet = make(chain, world, passphrase="secret", gap=2)
    path = wallet.state.folder / file.WALLET_FILE
    data = world.disk.files[path]
    for at in range(0, len(data), 37):
        world.disk.files[path] = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            Wallet.open("w", wallet.state.folder, world, NET, chain, FAST)
        except WalletError as e:
            assert e.rule in ("wallet-corrupt", "wallet-too-new")
        else:
            assert bytes([data[at]]).isspace()  # white space says nothing
    world.disk.files[path] = data.replace(b'"schema":1', b'"schema":9')
    assert rule(lambda: Wallet.open("w", wallet.state.folder, world, NET, chain)) == "wallet-too-new"


def test_a_damaged_history_is_scanned_anew() -> None:
    chain = Chain()
    wallet = funded(chain, scan_from=0)
    wallet.resume()
    wallet.close()
    alive = picture(wallet)
    path = wallet.state.folder / file.HISTORY_FILE
    disk = wallet.state.env.disk
    data = disk.read(path)
    assert data is not None
    disk.write(path, data[:50] + bytes([data[50] ^ 1]) + data[51:])
    assert picture(reopen(wallet, chain)) == alive
    disk.remove(path)
    assert picture(reopen(chain.wallets[-1], chain)) == alive
