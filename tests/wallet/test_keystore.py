"""Keystores: round trips, one error for anything wrong, and hostile parameters that cost nothing."""

import json
import random
import tracemalloc

import pytest

from primitives.errors import DecodeError
from wallet import keystore
from wallet.cipher import Pbkdf2, Scrypt
from wallet.errors import UNSAFE_KEYSTORE, WRONG_PASSPHRASE, WalletError

FAST = Scrypt(n=2048, r=8, p=1)
SECRET = bytes(range(1, 33))
TEXT = keystore.encrypt(SECRET, "pässword", random.Random(5), FAST)


def test_round_trip() -> None:
    assert keystore.decrypt(TEXT, "pässword") == SECRET
    assert SECRET.hex() not in TEXT
    text = keystore.encrypt(SECRET, "", random.Random(5), Pbkdf2(rounds=2000))
    assert keystore.decrypt(text, "") == SECRET


def test_a_wrong_password_is_refused() -> None:
    with pytest.raises(WalletError) as caught:
        keystore.decrypt(TEXT, "password")
    assert caught.value.rule == WRONG_PASSPHRASE and "password" not in str(caught.value).replace("passphrase", "")


def _flips() -> list[tuple[str, ...]]:
    return [
        ("address",),
        ("crypto", "ciphertext"),
        ("crypto", "mac"),
        ("crypto", "cipherparams", "iv"),
        ("crypto", "kdfparams", "salt"),
    ]


@pytest.mark.parametrize("path", _flips(), ids="/".join)
@pytest.mark.parametrize("at", [0, 7, -1])
def test_any_flipped_byte_gives_the_same_error(path: tuple[str, ...], at: int) -> None:
    data = json.loads(TEXT)
    place = data
    for name in path[:-1]:
        place = place[name]
    raw = bytearray.fromhex(place[path[-1]])
    raw[at] ^= 0x10
    place[path[-1]] = raw.hex()
    with pytest.raises(WalletError) as caught:
        keystore.decrypt(json.dumps(data), "pässword")
    assert str(caught.value) == str(wrong())


def wrong() -> WalletError:
    try:
        keystore.decrypt(TEXT, "no")
    except WalletError as e:
        return e
    raise AssertionError("a wrong password opened the keystore")


@pytest.mark.parametrize(
    "params",
    [
        {"n": 1 << 30, "r": 8, "p": 1},
        {"n": 1 << 18, "r": 8, "p": 1 << 20},
        {"n": 1 << 14, "r": 1 << 20, "p": 1},
        {"n": 1 << 62, "r": 1, "p": 1},
        {"n": 10**40, "r": 1, "p": 1},
        {"n": 3, "r": 8, "p": 1},
        {"n": 0, "r": 8, "p": 1},
        {"n": -4, "r": 8, "p": 1},
        {"n": 2, "r": 8, "p": 1},
        {"n": 1 << 18, "r": 0, "p": 1},
        {"n": 1 << 14, "r": 8, "p": 1, "dklen": 1 << 30},
    ],
)
def test_hostile_scrypt_parameters_cost_no_memory(params: dict[str, int]) -> None:
    data = json.loads(TEXT)
    data["crypto"]["kdfparams"].update(params)
    tracemalloc.start()
    with pytest.raises(WalletError) as caught:
        keystore.decrypt(json.dumps(data), "pässword")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.rule == UNSAFE_KEYSTORE
    assert peak < 1 << 20


def test_hostile_and_worthless_rounds_are_refused() -> None:
    data = json.loads(keystore.encrypt(SECRET, "x", random.Random(5), Pbkdf2(rounds=2000)))
    for rounds in (0, -1, 1, 999, 10**9, 10**30):
        data["crypto"]["kdfparams"]["c"] = rounds
        with pytest.raises(WalletError) as caught:
            keystore.decrypt(json.dumps(data), "x")
        assert caught.value.rule == UNSAFE_KEYSTORE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        '{"version": 3}',
        '{"version": 2, "crypto": {}}',
        "x" * 20_000,
        '{"version":1e400}',
    ],
)
def test_what_is_no_keystore_is_a_decode_error(text: str) -> None:
    with pytest.raises(DecodeError):
        keystore.decrypt(text, "x")


def test_wrong_types_are_decode_errors() -> None:
    for path, value in [
        (("crypto",), 5),
        (("crypto", "kdf"), "argon"),
        (("crypto", "kdfparams"), []),
        (("crypto", "kdfparams", "n"), "16384"),
        (("crypto", "kdfparams", "n"), True),
        (("crypto", "kdfparams", "dklen"), 16),
        (("crypto", "ciphertext"), "zz"),
        (("crypto", "cipherparams", "iv"), "00"),
        (("crypto", "cipher"), "aes-256-gcm"),
        (("crypto", "mac"), None),
    ]:
        data = json.loads(TEXT)
        place = data
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        with pytest.raises(DecodeError):
            keystore.decrypt(json.dumps(data), "pässword")


def test_default_parameters_are_geths_standard() -> None:
    assert Scrypt().record() == {"dklen": 32, "n": 262144, "r": 8, "p": 1}
