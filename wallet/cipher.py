"""Secrets at rest: a passphrase stretched within bounds, and AES-256-GCM. One error for whatever does not open.

Refuses to know what is locked away. Parameters of others are judged before a byte of memory is spent on them.
"""

import hashlib
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol, Self

from primitives.errors import DecodeError
from wallet.errors import UNSAFE_KEYSTORE, WRONG_PASSPHRASE, WalletError
from wallet.mnemonic import secret_bytes

MEMORY_LIMIT: Final = 320 << 20
"""No derivation may take more: geth's standard parameters take 256 MiB."""
WORK_LIMIT: Final = 1 << 23
"""Largest N * r * p: four times geth's standard."""
ROUNDS_LIMIT: Final = 10_000_000
WORK_FLOOR: Final = 1 << 14
"""Least N * r * p that is no toy; geth's light parameters have 2^17 and more."""
ROUNDS_FLOOR: Final = 1_000


def wrong_passphrase() -> WalletError:
    """The one error of all that does not open: nobody learns whether the passphrase or the data are at fault."""
    return WalletError(WRONG_PASSPHRASE, "could not decrypt: wrong passphrase, or the data were changed")


class Stretch(Protocol):
    """A way from a passphrase to a key."""

    def key(self, passphrase: str, salt: bytes) -> bytes: ...
    def record(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Scrypt:
    """RFC 7914 with bounded parameters. The default is geth's standard: about a second and 256 MiB."""

    n: int = 1 << 18
    r: int = 8
    p: int = 1
    size: int = 32

    def check(self, allow_weak: bool = False) -> Self:
        """Raise WalletError("unsafe-keystore") for parameters that cost too much, or protect nothing."""
        n, r, p = self.n, self.r, self.p
        if n < 2 or n & (n - 1) or r < 1 or p < 1 or n >= 1 << 64 or not 16 <= self.size <= 64:
            raise WalletError(UNSAFE_KEYSTORE, "the scrypt parameters are not lawful")
        if 128 * r * (n + p + 2) > MEMORY_LIMIT or n * r * p > WORK_LIMIT:
            raise WalletError(UNSAFE_KEYSTORE, f"scrypt with n={n}, r={r}, p={p} would take too much memory or time")
        if n * r * p < WORK_FLOOR and not allow_weak:
            raise WalletError(UNSAFE_KEYSTORE, f"scrypt with n={n}, r={r}, p={p} protects nothing")
        return self

    def key(self, passphrase: str, salt: bytes) -> bytes:
        """The stretched key."""
        self.check(allow_weak=True)
        n, r, p, secret = self.n, self.r, self.p, secret_bytes(passphrase)
        if n.bit_length() > 16 * r:  # outside RFC 7914, which OpenSSL enforces; the Web3 definition has such a vector
            from Crypto.Protocol.KDF import scrypt

            return bytes(scrypt(secret, salt, self.size, n, r, p))
        return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, dklen=self.size, maxmem=MEMORY_LIMIT + (1 << 20))

    def record(self) -> dict[str, Any]:
        """The parameters as a keystore writes them."""
        return {"dklen": self.size, "n": self.n, "r": self.r, "p": self.p}


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """PBKDF2-HMAC-SHA256 with bounded rounds."""

    rounds: int = 262_144
    size: int = 32

    def check(self, allow_weak: bool = False) -> Self:
        """Raise WalletError("unsafe-keystore") for too many rounds, or too few."""
        if not 0 < self.rounds <= ROUNDS_LIMIT or not 16 <= self.size <= 64:
            raise WalletError(UNSAFE_KEYSTORE, f"pbkdf2 with {self.rounds} rounds is out of bounds")
        if self.rounds < ROUNDS_FLOOR and not allow_weak:
            raise WalletError(UNSAFE_KEYSTORE, f"pbkdf2 with {self.rounds} rounds protects nothing")
        return self

    def key(self, passphrase: str, salt: bytes) -> bytes:
        """The stretched key."""
        self.check(allow_weak=True)
        return hashlib.pbkdf2_hmac("sha256", secret_bytes(passphrase), salt, self.rounds, self.size)

    def record(self) -> dict[str, Any]:
        """The parameters as a keystore writes them."""
        return {"dklen": self.size, "c": self.rounds, "prf": "hmac-sha256"}


LIGHT: Final = Scrypt(n=1 << 12, r=8, p=6)
"""geth's light parameters, for keys that matter little: 4 MiB."""


def _gcm(key: bytes | bytearray, nonce: bytes, context: bytes) -> Any:
    from Crypto.Cipher import AES  # heavy: loaded with the first secret

    cipher = AES.new(bytes(key), AES.MODE_GCM, nonce=nonce)
    cipher.update(context)
    return cipher


def seal(key: bytes | bytearray, plain: bytes, context: bytes, random: Random) -> bytes:
    """Nonce, ciphertext and tag under a 32-byte key. The context is not stored, but must be the same to open."""
    nonce = random.randbytes(12)
    ciphertext, tag = _gcm(key, nonce, context).encrypt_and_digest(plain)
    return nonce + bytes(ciphertext) + bytes(tag)


def unseal(key: bytes | bytearray, sealed: bytes, context: bytes) -> bytes:
    """What was sealed. Raises WalletError("wrong-passphrase") if the key, the context or any byte is another one."""
    if len(sealed) < 28:
        raise wrong_passphrase()
    try:
        return bytes(_gcm(key, sealed[:12], context).decrypt_and_verify(sealed[12:-16], sealed[-16:]))
    except ValueError:
        raise wrong_passphrase() from None


def unhex(text: object, name: str, limit: int = 4096) -> bytes:
    """Hexadecimal text of bounded length, with or without 0x. Raises DecodeError."""
    if not isinstance(text, str) or len(text) > 2 * limit + 2:
        raise DecodeError(f"{name} is not hexadecimal text, or too long")
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise DecodeError(f"{name} is not hexadecimal text") from None
