"""The secrets of a wallet: plain, or sealed under a random master key that a passphrase opens for a while.

Refuses to know what a secret derives, and where the bytes are kept. Nothing here shows a secret in repr or error.
"""

import threading
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from primitives.errors import DecodeError
from wallet.cipher import Scrypt, seal, unhex, unseal, wrong_passphrase
from wallet.errors import BAD_PARAMETER, LOCKED, WRONG_STATE, WalletError

LONGEST_UNLOCK: Final = 100_000_000
"""Seconds; longer ones are capped (Bitcoin Core, MAX_SLEEP_TIME)."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A secret at rest: what it is, whose it is, and its bytes, sealed or plain."""

    kind: str  # "mnemonic", "xprv", "key"
    name: str  # what it belongs to, public: an origin, or a public key
    data: bytes

    def __repr__(self) -> str:
        return f"Secret({self.kind}, {self.name})"

    @property
    def context(self) -> bytes:
        """What the seal is bound to, so that two secrets cannot be swapped."""
        return f"chainyard wallet secret {self.kind} {self.name}".encode()


@dataclass(frozen=True, slots=True)
class Lock:
    """How the passphrase opens the master key."""

    stretch: Scrypt
    salt: bytes
    master: bytes  # sealed

    def record(self) -> dict[str, Any]:
        """As the wallet file has it."""
        return {"kdf": "scrypt", **self.stretch.record(), "salt": self.salt.hex(), "master": self.master.hex()}

    @classmethod
    def read(cls, data: Any) -> "Lock":
        """From the wallet file. Raises DecodeError, and WalletError for hostile parameters."""
        try:
            if data["kdf"] != "scrypt":
                raise DecodeError("the wallet file uses an unknown key derivation")
            stretch = Scrypt(*(int(data[name]) for name in ("n", "r", "p", "dklen"))).check(allow_weak=True)
            return cls(stretch, unhex(data["salt"], "salt"), unhex(data["master"], "master key"))
        except (KeyError, TypeError, ValueError):
            raise DecodeError("the lock of the wallet file is incomplete") from None


_MASTER: Final = b"chainyard wallet master key"


class Vault:
    """Secrets, their lock, and the time until which they are open."""

    def __init__(self, secrets: list[Secret], lock: Lock | None, random: Random) -> None:
        self.secrets = secrets
        self.lock = lock
        self._random = random
        self._master: bytearray | None = None
        self._until: float = 0.0
        self._guard = threading.RLock()

    def __repr__(self) -> str:
        return f"Vault({len(self.secrets)} secrets, {'plain' if self.lock is None else 'encrypted'})"

    @property
    def is_encrypted(self) -> bool:
        """Whether a passphrase is set."""
        return self.lock is not None

    def is_open(self, now: float) -> bool:
        """Whether secrets can be read at this moment of the monotonic clock. Closes by itself when the time is over."""
        with self._guard:
            if self.lock is None:
                return True
            if self._master is not None and now >= self._until:
                self.close()
            return self._master is not None

    @property
    def open_until(self) -> float:
        """The moment of the monotonic clock at which it closes; 0 while closed."""
        return self._until if self._master is not None else 0.0

    def close(self) -> None:
        """Wipe the master key."""
        with self._guard:
            if self._master is not None:
                for at in range(len(self._master)):
                    self._master[at] = 0
            self._master, self._until = None, 0.0

    def _open_master(self, passphrase: str, lock: Lock) -> bytearray:
        if not passphrase:
            raise wrong_passphrase()
        return bytearray(unseal(lock.stretch.key(passphrase, lock.salt), lock.master, _MASTER))

    def open(self, passphrase: str, now: float, seconds: float) -> None:
        """Open for a number of seconds. Raises WalletError: wrong-passphrase, wrong-encryption-state, bad-parameter."""
        lock = self.lock
        if lock is None:
            raise WalletError(WRONG_STATE, "the wallet is not encrypted, so there is nothing to unlock")
        if seconds < 0:
            raise WalletError(BAD_PARAMETER, "the timeout cannot be negative")
        master = self._open_master(passphrase, lock)  # long: outside of the guard
        with self._guard:
            self._master, self._until = master, now + min(seconds, LONGEST_UNLOCK)

    def encrypt(self, passphrase: str, stretch: Scrypt) -> None:
        """Seal all secrets. Raises WalletError: wrong-encryption-state, bad-parameter for an empty passphrase."""
        if self.lock is not None:
            raise WalletError(WRONG_STATE, "the wallet is encrypted already; change the passphrase instead")
        master = bytearray(self._random.randbytes(32))
        lock = self._sealed_by(master, passphrase, stretch)
        with self._guard:
            sealed = [replace(s, data=seal(master, s.data, s.context, self._random)) for s in self.secrets]
            for plain, closed in zip(self.secrets, sealed, strict=True):
                if unseal(master, closed.data, closed.context) != plain.data:
                    raise RuntimeError("the cipher does not open what it sealed")
            self.secrets, self.lock = sealed, lock
            self._master = master
            self.close()

    def _sealed_by(self, master: bytearray, passphrase: str, stretch: Scrypt) -> Lock:
        if not passphrase:
            raise WalletError(BAD_PARAMETER, "the passphrase cannot be empty")
        salt = self._random.randbytes(32)
        key = stretch.check(allow_weak=True).key(passphrase, salt)
        return Lock(stretch, salt, seal(key, bytes(master), _MASTER, self._random))

    def change_passphrase(self, old: str, new: str) -> None:
        """Put another passphrase on the same master key. Raises WalletError: wrong-passphrase, wrong-encryption-state."""
        lock = self.lock
        if lock is None:
            raise WalletError(WRONG_STATE, "the wallet is not encrypted, so it has no passphrase to change")
        master = self._open_master(old, lock)
        self.lock = self._sealed_by(master, new, lock.stretch)

    def add(self, kind: str, name: str, plain: bytes, now: float) -> Secret:
        """Take in a secret. Raises WalletError("wallet-locked")."""
        with self._guard:
            found = next((s for s in self.secrets if (s.kind, s.name) == (kind, name)), None)
            if found is not None:
                return found
            secret = Secret(kind, name, plain)
            if self.lock is not None:
                if not self.is_open(now) or self._master is None:
                    raise locked()
                secret = replace(secret, data=seal(self._master, plain, secret.context, self._random))
            self.secrets.append(secret)
            return secret

    def reveal(self, secret: Secret, now: float) -> bytes:
        """The plain bytes. Raises WalletError: wallet-locked, wrong-passphrase where the file was changed."""
        with self._guard:
            if self.lock is None:
                return secret.data
            if not self.is_open(now) or self._master is None:
                raise locked()
            return unseal(self._master, secret.data, secret.context)


def locked() -> WalletError:
    """What is said when a secret is wanted and the wallet is locked."""
    return WalletError(LOCKED, "the wallet is locked: unlock it with its passphrase first")
