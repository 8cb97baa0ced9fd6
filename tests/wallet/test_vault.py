"""Secrets at rest: nothing opens with a wrong passphrase or changed bytes, and time closes what was opened."""

import random

import pytest

from wallet import cipher
from wallet.cipher import Scrypt
from wallet.errors import WalletError
from wallet.vault import Lock, Vault

FAST = Scrypt(n=64, r=8, p=1)


def vault() -> Vault:
    found = Vault([], None, random.Random(1))
    found.add("key", "02aa", b"first secret", 0)
    found.add("key", "02bb", b"second secret", 0)
    return found


def test_seals_open_only_as_they_were_made() -> None:
    key, r = bytes(range(32)), random.Random(2)
    sealed = cipher.seal(key, b"secret", b"context", r)
    assert cipher.unseal(key, sealed, b"context") == b"secret"
    assert cipher.seal(key, b"secret", b"context", r) != sealed
    bad = [(key[:-1] + b"\0", sealed, b"context"), (key, sealed, b"other"), (key, b"", b"context")]
    bad += [(key, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], b"context") for at in range(len(sealed))]
    for k, data, context in bad:
        with pytest.raises(WalletError) as caught:
            cipher.unseal(k, data, context)
        assert caught.value.rule == "wrong-passphrase"


def test_secrets_cannot_be_swapped() -> None:
    found = vault()
    found.encrypt("pass", FAST)
    found.open("pass", 0, 10)
    first, second = found.secrets
    swapped = type(first)(first.kind, first.name, second.data)
    with pytest.raises(WalletError):
        found.reveal(swapped, 1)
    assert found.reveal(first, 1) == b"first secret"


def test_the_master_key_is_wiped() -> None:
    found = vault()
    found.encrypt("pass", FAST)
    found.open("pass", 0, 10)
    master = found._master
    assert master is not None and any(master)
    assert not found.is_open(10) and not any(master)
    with pytest.raises(WalletError) as caught:
        found.add("key", "02cc", b"third", 10)
    assert caught.value.rule == "wallet-locked"


def test_empty_passphrases_and_negative_timeouts_are_refused() -> None:
    found = vault()
    with pytest.raises(WalletError):
        found.encrypt("", FAST)
    with pytest.raises(WalletError):
        found.open("x", 0, 5)
    found.encrypt("pass", FAST)
    with pytest.raises(WalletError):
        found.open("pass", 0, -1)
    with pytest.raises(WalletError):
        found.change_passphrase("pass", "")
    found.open("pass", 0, 0)
    assert not found.is_open(0)


def test_a_lock_with_hostile_parameters_is_refused() -> None:
    found = vault()
    found.encrypt("pass", FAST)
    assert found.lock is not None
    record = found.lock.record()
    assert Lock.read(record) == found.lock
    with pytest.raises(WalletError) as caught:
        Lock.read({**record, "n": 1 << 40})
    assert caught.value.rule == "unsafe-keystore"
