"""Secrets in memory and on disk (SECURITY R16, R19, R20, R26, R27): one error for all that does not open, bounded costs, silence.

Keystore files have tests of their own (test_keystore.py), as have the vault's seals (test_vault.py).
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import logging
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from primitives import secp256k1
from primitives.errors import ChainError, DecodeError
from tests.wallet.world import FAST, NET, PHRASE, Chain, World, make
from wallet import cipher, file, hd, keystore, messages, mnemonic
from wallet.accounts import Accounts
from wallet.cipher import LIGHT, Scrypt
from wallet.errors import WalletError
from wallet.wallet import Wallet

PASSPHRASE = "a passphrase that is nowhere else"


def sealed(world: World) -> Wallet:
    return make(Chain(), world, passphrase=PASSPHRASE, phrase=PHRASE, gap=2)


def rewritten(world: World, change: Callable[[dict[str, Any]], None]) -> Wallet:
    """The wallet after somebody changed its file, and its checksum too."""
    path = Path("/wallets/w/wallet.json")
    body = json.loads(world.disk.files[path])
    body.pop("checksum")
    change(body)
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    total = hashlib.sha256(text.encode()).hexdigest()
    world.disk.files[path] = f'{text[:-1]},"checksum":"{total}"}}\n'.encode()
    return Wallet.open("w", path.parent, world, NET, Chain(), FAST)


# -- R16 -------------------------------------------------------------------------------------------------------------


def flips(data: str) -> Iterator[str]:
    raw = bytes.fromhex(data)
    for at in range(len(raw)):
        yield (raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :]).hex()


def test_a_changed_byte_of_a_sealed_wallet_never_gives_a_key() -> None:
    """Also where the checksum was made anew: of the salt, the sealed master key and the sealed secret, each byte."""
    world = World(1)
    sealed(world)
    whole = dict(world.disk.files)
    body = json.loads(whole[Path("/wallets/w/wallet.json")])
    said = set()
    fields: list[tuple[str, Callable[[dict[str, Any], str], None]]] = [
        (body["lock"]["salt"], lambda b, v: b["lock"].__setitem__("salt", v)),
        (body["lock"]["master"], lambda b, v: b["lock"].__setitem__("master", v)),
        (body["secrets"][0]["data"], lambda b, v: b["secrets"][0].__setitem__("data", v)),
    ]
    for value, put in fields:
        for changed in flips(value):
            world.disk.files = dict(whole)
            wallet = rewritten(world, lambda b, v=changed, put=put: put(b, v))  # type: ignore[misc]
            with pytest.raises(WalletError) as refused:
                wallet.unlock(PASSPHRASE, 10)
                wallet.export_phrase()
            said.add(str(refused.value))
    with pytest.raises(WalletError) as wrong:
        sealed(World(2)).unlock("wrong", 10)
    assert said == {str(wrong.value)}


def test_a_secret_under_another_name_does_not_open() -> None:
    world = World(1)
    sealed(world)
    wallet = rewritten(world, lambda b: b["secrets"][0].__setitem__("name", "00000000"))
    wallet.unlock(PASSPHRASE, 10)
    with pytest.raises(WalletError) as refused:
        wallet.export_phrase()
    assert refused.value.rule == "wrong-passphrase"


@pytest.mark.parametrize(
    ("n", "r", "p"), [(1 << 30, 8, 1), (1 << 18, 1 << 20, 1), (2, 8, 1 << 30), (1 << 62, 1, 1), (3, 8, 1)]
)
def test_a_wallet_file_with_hostile_parameters_costs_nothing(n: int, r: int, p: int) -> None:
    world = World(1)
    sealed(world)
    tracemalloc.start()
    try:
        with pytest.raises(WalletError) as refused:
            rewritten(world, lambda b: b["lock"].update(n=n, r=r, p=p))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert refused.value.rule == "unsafe-keystore"


def test_a_wrong_password_and_a_changed_byte_take_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """One derivation and one comparison in constant time each, so that the time tells nothing."""
    text = keystore.encrypt(bytes([7]) * 32, "password", Random(1), LIGHT)
    counted: list[str] = []
    derive, compare = Scrypt.key, keystore.hmac.compare_digest
    monkeypatch.setattr(Scrypt, "key", lambda self, *given: counted.append("derive") or derive(self, *given))
    monkeypatch.setattr(keystore.hmac, "compare_digest", lambda a, b: counted.append("compare") or compare(a, b))
    data = json.loads(text)
    changed = {**data, "crypto": {**data["crypto"], "ciphertext": next(flips(data["crypto"]["ciphertext"]))}}
    traces = []
    for candidate, password in ((text, "passwore"), (json.dumps(changed), "password")):
        counted.clear()
        with pytest.raises(WalletError):
            keystore.decrypt(candidate, password, allow_weak=True)
        traces.append(tuple(counted))
    assert traces == [("derive", "compare")] * 2


# -- R19 -------------------------------------------------------------------------------------------------------------


def test_the_timeout_runs_on_the_monotonic_clock() -> None:
    world = World(3)
    wallet = sealed(world)
    wallet.unlock(PASSPHRASE, 60)
    world.second += 1_000_000  # somebody sets the wall clock
    world.clock = 59.9
    assert not wallet.is_locked and wallet.export_phrase() == PHRASE
    master = wallet.state.vault._master
    world.clock = 60.0
    assert wallet.is_locked and master is not None and not any(master)
    with pytest.raises(WalletError) as refused:
        wallet.export_phrase()
    assert refused.value.rule == "wallet-locked"
    wallet.unlock(PASSPHRASE, 10**12)
    assert wallet.state.vault.open_until - world.clock == 100_000_000
    wallet.unlock(PASSPHRASE, 5)
    world.clock += 5
    assert wallet.is_locked


# -- R20 -------------------------------------------------------------------------------------------------------------


def secrets_of(wallet: Wallet) -> list[bytes]:
    """Everything secret of a wallet, in every form in which it might slip out."""
    phrase = wallet.export_phrase()
    found = [phrase.encode(), PASSPHRASE.encode(), mnemonic.seed(phrase), mnemonic.to_entropy(phrase)]
    for source in wallet.descriptors()[:4]:
        found.append(wallet.export_descriptor(source).encode())
    secret, _ = wallet.secret_of(wallet.new_address())
    found += [secret, Accounts(wallet.state, None).secret_of(account(wallet))]  # type: ignore[arg-type]
    return [form for one in found for form in (one, one.hex().encode())]


def account(wallet: Wallet) -> bytes:
    return Accounts(wallet.state, None).new().address  # type: ignore[arg-type]


def test_no_secret_in_logs_errors_tracebacks_and_reprs() -> None:
    world, heard = World(4), io.StringIO()
    handler = logging.StreamHandler(heard)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        wallet = sealed(world)
        wallet.unlock(PASSPHRASE, 100)
        needles = secrets_of(wallet)
        shown: list[object] = [
            wallet,
            wallet.state,
            wallet.state.vault,
            wallet.state.signer(),
            *wallet.state.vault.secrets,
        ]
        shown += [s.descriptor for s in wallet.descriptors()] + [s.descriptor.keys for s in wallet.descriptors()]
        xprv = hd.ExtendedPrivate.from_seed(mnemonic.seed(PHRASE)).encode(NET.addresses.bip32_private)
        deeds: list[Callable[[], object]] = [
            lambda: wallet.unlock(PASSPHRASE + "x", 5),
            lambda: wallet.import_descriptor(f"wpkh({xprv}/0/*)"),
            lambda: wallet.import_descriptor(f"wpkh({xprv}x/0/*)#aaaaaaaa"),
            lambda: wallet.import_seed(PHRASE.replace("about", "abandon")),
            lambda: wallet.import_seed(PHRASE + " zzz"),
            lambda: wallet.encrypt(PASSPHRASE),
            lambda: wallet.change_passphrase(PASSPHRASE + "x", "y"),
            lambda: keystore.decrypt(PHRASE, PASSPHRASE),
            lambda: messages.sign_legacy("x", bytes(32)),
            lambda: wallet.pay(xprv, 5),
        ]
        for deed in deeds:
            try:
                deed()
            except (ChainError, WalletError, ValueError) as e:
                shown += [str(e), repr(e), "".join(traceback.format_exception(e))]
            else:
                raise AssertionError("it was to be refused")
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
    text = (heard.getvalue() + "\n".join(repr(one) + str(one) for one in shown)).encode()
    for needle in [*needles, xprv.encode()]:
        assert needle not in text


# -- R26, R27 --------------------------------------------------------------------------------------------------------


def test_words_with_a_wrong_checksum_are_refused_without_being_shown() -> None:
    words = PHRASE.split()
    with pytest.raises(DecodeError) as refused:
        mnemonic.to_entropy(" ".join([*words[:-1], "abandon"]))
    assert "abandon" not in str(refused.value)


def rfc6979(secret: bytes, digest: bytes) -> Iterator[int]:
    """The nonces that RFC 6979, section 3.2, draws for a key and a hash, in order."""
    order = secp256k1.N
    seed = secret + (int.from_bytes(digest, "big") % order).to_bytes(32, "big")
    key, v = b"\x00" * 32, b"\x01" * 32
    for mark in (b"\x00", b"\x01"):
        key = hmac.digest(key, v + mark + seed, "sha256")
        v = hmac.digest(key, v, "sha256")
    while True:
        v = hmac.digest(key, v, "sha256")
        yield int.from_bytes(v, "big")
        key = hmac.digest(key, v + b"\x00", "sha256")
        v = hmac.digest(key, v, "sha256")


def test_nonces_are_those_of_rfc6979() -> None:
    """The first r of a signature without grinding is the x of the point of RFC 6979's nonce."""
    random = Random(5)
    for _ in range(20):
        secret, digest = random.randbytes(32), random.randbytes(32)
        signature, _ = secp256k1.sign_recoverable(secret, digest)
        nonce = next(n for n in rfc6979(secret, digest) if 0 < n < secp256k1.N)
        assert signature[:32] == secp256k1.public_key(nonce.to_bytes(32, "big"))[1:]
    known = hashlib.sha256(b"Satoshi Nakamoto").digest()
    assert next(rfc6979((1).to_bytes(32, "big"), known)).to_bytes(32, "big").hex() == (
        "8f8a276c19f4149656b280621e358cce24f5f52542772691ee69063b74f15d15"
    )


def _no_nonce_twice(count: int) -> None:
    random, seen = Random(6), set()
    keys = [random.randbytes(32) for _ in range(10)]
    for number in range(count):
        digest = hashlib.sha256(number.to_bytes(8, "big")).digest()
        signature, _ = secp256k1.sign_recoverable(keys[number % 10], digest)
        assert int.from_bytes(signature[32:], "big") <= secp256k1.HALF_N
        seen.add(signature[:32])
    assert len(seen) == count


def test_no_nonce_comes_twice() -> None:
    _no_nonce_twice(2_000)


@pytest.mark.slow
def test_no_nonce_comes_twice_in_a_hundred_thousand() -> None:
    _no_nonce_twice(100_000)


def test_the_cipher_and_the_file_name_their_schema() -> None:
    world = World(7)
    sealed(world)
    assert json.loads(world.disk.files[Path("/wallets/w/wallet.json")])["schema"] == file.SCHEMA
    with pytest.raises(WalletError) as refused:
        rewritten(world, lambda b: b.__setitem__("schema", file.SCHEMA + 1))
    assert refused.value.rule == "wallet-too-new" and cipher.MEMORY_LIMIT == 320 << 20
