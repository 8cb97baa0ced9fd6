"""Wallet files (SECURITY R18, R21 to R23): a kill at every call to the file system, modes, and what is left on a real disk."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.wallet.killed_save import DIED, NEW, OLD, forked, real_world
from tests.wallet.world import FAST, NET, PHRASE, Chain
from wallet.errors import WalletError
from wallet.wallet import Wallet

FEWEST_CALLS = 6
"""Open, write, fsync, close, replace and fsync of the directory at least, else the calls are not seen."""


def make(folder: Path, passphrase: str) -> Wallet:
    wallet = Wallet.create(
        "w",
        folder,
        real_world(1),
        NET,
        Chain(),
        gap=2,
        stretch=FAST,
        phrase=PHRASE,
        scan_from=None,
        passphrase=passphrase,
    )
    wallet.new_address("first")
    wallet.close()
    return wallet


def opened(folder: Path) -> Wallet:
    return Wallet.open("w", folder, real_world(99), NET, Chain(), FAST)


def is_sealed_by(wallet: Wallet, passphrase: str) -> bool:
    if not wallet.is_encrypted:
        return False
    try:
        wallet.unlock(passphrase, 10)
    except WalletError:
        return False
    return wallet.export_phrase() == PHRASE


@pytest.mark.parametrize("deed", ["address", "encrypt", "passphrase", "checkpoint", "label"])
def test_a_kill_at_every_call_leaves_the_old_wallet_or_the_new(tmp_path: Path, deed: str) -> None:
    start = OLD if deed == "passphrase" else ""
    source = tmp_path / "source"
    make(source, start)
    shutil.copytree(source, tmp_path / "counted")
    calls, _ = forked(tmp_path / "counted", deed, 0, False)
    assert calls >= FEWEST_CALLS
    seen = set()
    for limit in range(1, calls + 1):
        for after in (False, True):
            folder = tmp_path / f"{limit}{after}"
            shutil.copytree(source, folder)
            code, said = forked(folder, deed, limit, after)
            assert code == DIED
            wallet = opened(folder)
            labels = dict(wallet.addresses("killed")) if "killed" in wallet.labels() else {}
            if deed == "address":
                state: object = bool(labels)
                if said:  # R23: an address that anybody saw has its key on disk
                    assert said.decode().strip() in labels
            elif deed == "label":
                state = "renamed" in wallet.labels()
            elif deed == "encrypt":
                state = wallet.is_encrypted
                assert is_sealed_by(wallet, NEW) or wallet.export_phrase() == PHRASE
            elif deed == "passphrase":
                state = is_sealed_by(wallet, NEW)
                assert state or is_sealed_by(wallet, OLD)
            else:
                state = limit
            seen.add(state)
            wallet.close()
    if deed != "checkpoint":
        assert seen == {False, True}


def test_what_a_kill_left_half_written_is_gone_after_the_next_save(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    make(folder, "")
    for limit in range(1, FEWEST_CALLS + 1):
        forked(folder, "label", limit, True)
    wallet = opened(folder)
    wallet.encrypt("sealed now")
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    words = PHRASE.encode()
    assert words not in everything and words.hex().encode() not in everything
    assert sorted(path.name for path in folder.iterdir()) == ["history.bin", "wallet.json"]


def test_files_and_folders_are_closed_to_others_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = tmp_path / "deep" / "wallets" / "w"
        wallet = make(folder, "")
        again = opened(folder)
        again.backup(tmp_path / "backups" / "w.bak")
        again.close()
    finally:
        os.umask(before)
    assert repr(wallet) == "Wallet('w')"
    for path in tmp_path.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_save_that_fails_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "w"
    make(folder, "")
    wallet = opened(folder)
    before = (folder / "wallet.json").read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        wallet.new_address()
    monkeypatch.undo()
    assert (folder / "wallet.json").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["history.bin", "wallet.json"]
    assert wallet.new_address() != ""
