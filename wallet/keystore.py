"""Web3 keystores: one private key in a JSON file under a password. Reads versions 1 and 3, writes version 3.

Refuses to know wallets. A wrong password and a changed byte give the same error; hostile parameters are refused unspent.
Source: Web3 Secret Storage Definition; go-ethereum, accounts/keystore.
"""

import hmac
import json
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from uuid import UUID

from primitives import secp256k1
from primitives.errors import DecodeError
from primitives.hashing import keccak256
from wallet.cipher import Pbkdf2, Scrypt, Stretch, unhex, wrong_passphrase

SIZE_LIMIT: Final = 16_384


@dataclass(frozen=True, slots=True)
class _Parsed:
    version: int
    stretch: Scrypt | Pbkdf2
    salt: bytes
    iv: bytes
    ciphertext: bytes
    mac: bytes
    address: bytes | None


def _get(data: Any, *names: str) -> Any:
    for name in names:
        if not isinstance(data, dict) or name not in data:
            raise DecodeError(f"the keystore has no {name}")
        data = data[name]
    return data


def _int(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise DecodeError(f"{name} of the keystore is not a number")
    return value


def _stretch(crypto: Any) -> tuple[Scrypt | Pbkdf2, bytes]:
    kdf, params = _get(crypto, "kdf"), _get(crypto, "kdfparams")
    salt = unhex(_get(params, "salt"), "salt")
    size = _int(_get(params, "dklen"), "dklen")
    if size < 32:
        raise DecodeError("a keystore key of less than 32 bytes")
    if kdf == "scrypt":
        n, r, p = (_int(_get(params, name), name) for name in "nrp")
        return Scrypt(n, r, p, size), salt
    if kdf == "pbkdf2":
        if _get(params, "prf") != "hmac-sha256":
            raise DecodeError("a pbkdf2 keystore uses hmac-sha256")
        return Pbkdf2(_int(_get(params, "c"), "c"), size), salt
    raise DecodeError("the keystore uses neither scrypt nor pbkdf2")


def _parse(data: Any) -> _Parsed:
    if not isinstance(data, dict):
        raise DecodeError("a keystore is a JSON object")
    lower = {str(key).lower(): value for key, value in data.items()}
    version = _get(lower, "version")
    if version not in (3, "3", 1, "1"):
        raise DecodeError("a keystore of a version other than 1 and 3")
    crypto = _get(lower, "crypto")
    cipher = "aes-128-ctr" if int(version) == 3 else "aes-128-cbc"
    if _get(crypto, "cipher") != cipher:
        raise DecodeError(f"a keystore of version {int(version)} uses {cipher}")
    stretch, salt = _stretch(crypto)
    iv = unhex(_get(crypto, "cipherparams", "iv"), "iv")
    if len(iv) != 16:
        raise DecodeError("the iv of the keystore does not have 16 bytes")
    address = unhex(lower["address"], "address") if lower.get("address") else None
    ciphertext = unhex(_get(crypto, "ciphertext"), "ciphertext")
    return _Parsed(int(version), stretch, salt, iv, ciphertext, unhex(_get(crypto, "mac"), "mac"), address)


def _ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    from Crypto.Cipher import AES  # heavy: loaded with the first secret

    return bytes(AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=iv).encrypt(data))


def _cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    from Crypto.Cipher import AES

    if not data or len(data) % 16:
        raise wrong_passphrase()
    plain = bytes(AES.new(key, AES.MODE_CBC, iv).decrypt(data))
    pad = plain[-1]
    if not 1 <= pad <= 16 or plain[-pad:] != bytes([pad]) * pad:
        raise wrong_passphrase()
    return plain[:-pad]


def address_of(secret: bytes) -> bytes:
    """The 20-byte Ethereum address of a private key."""
    return keccak256(secp256k1.public_key(secret, compressed=False)[1:])[-20:]


def decrypt(text: str | bytes, password: str, allow_weak: bool = False) -> bytes:
    """The private key of a keystore, as long as it was when it was stored (32 bytes, but for curiosities).

    Raises DecodeError for what is no keystore, WalletError("unsafe-keystore") for costly or worthless parameters, and
    WalletError("wrong-passphrase") for a wrong password or any changed byte: also where the key does not own the address.
    """
    if len(text) > SIZE_LIMIT:
        raise DecodeError("too long for a keystore")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise DecodeError("the keystore is not JSON") from None
    parsed = _parse(data)
    key = parsed.stretch.check(allow_weak).key(password, parsed.salt)
    if not hmac.compare_digest(keccak256(key[16:32] + parsed.ciphertext), parsed.mac):
        raise wrong_passphrase()
    if parsed.version == 3:
        secret = _ctr(key[:16], parsed.iv, parsed.ciphertext)
    else:
        secret = _cbc(keccak256(key[:16])[:16], parsed.iv, parsed.ciphertext)
    if not 0 < len(secret) <= 32 or not secp256k1.is_secret(secret.rjust(32, b"\x00")):
        raise wrong_passphrase()
    if parsed.address is not None and parsed.address != address_of(secret.rjust(32, b"\x00")):
        raise wrong_passphrase()
    return secret


def encrypt(secret: bytes, password: str, random: Random, stretch: Stretch | None = None) -> str:
    """A keystore of version 3 for a private key, checked before it is given out. Raises DecodeError for no lawful key."""
    stretch = stretch or Scrypt()
    salt, iv = random.randbytes(32), random.randbytes(16)
    address = address_of(secret)
    key = stretch.key(password, salt)
    ciphertext = _ctr(key[:16], iv, secret)
    mac = keccak256(key[16:32] + ciphertext)
    if _ctr(key[:16], iv, ciphertext) != secret:
        raise RuntimeError("the cipher does not open what it sealed")
    kdf = "pbkdf2" if isinstance(stretch, Pbkdf2) else "scrypt"
    return json.dumps(
        {
            "address": address.hex(),
            "crypto": {
                "cipher": "aes-128-ctr",
                "cipherparams": {"iv": iv.hex()},
                "ciphertext": ciphertext.hex(),
                "kdf": kdf,
                "kdfparams": {**stretch.record(), "salt": salt.hex()},
                "mac": mac.hex(),
            },
            "id": str(UUID(bytes=random.randbytes(16), version=4)),
            "version": 3,
        }
    )
