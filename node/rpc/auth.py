"""Who may call the Bitcoin-style RPC: a cookie that is fresh at each start, and a user with a password. It knows no HTTP."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from primitives.env import Env

COOKIE_USER = "__cookie__"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and what checks a password: the password itself, or Core's `rpcauth` salt and HMAC."""

    user: str
    secret: str
    salt: str = ""

    def matches(self, user: str, password: str) -> bool:
        """Whether both are right; takes the same time for any wrong password."""
        if self.salt:
            given = hmac.new(self.salt.encode(), password.encode(), hashlib.sha256).hexdigest()
        else:
            given = password
        same_secret = hmac.compare_digest(given.encode(), self.secret.encode())
        return hmac.compare_digest(user.encode(), self.user.encode()) and same_secret

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"


def parse_rpcauth(line: str) -> Credentials:
    """Core's `user:salt$hmac`. Raises ValueError."""
    user, _, rest = line.partition(":")
    salt, _, digest = rest.partition("$")
    if not (user and salt and digest):
        raise ValueError(f"rpcauth must be user:salt$hmac, not {line[:40]!r}")
    return Credentials(user, digest, salt)


def write_cookie(env: Env, path: Path) -> Credentials:
    """Make this start's cookie, readable by the owner only."""
    password = env.random.randbytes(32).hex()
    env.disk.write(path, f"{COOKIE_USER}:{password}".encode(), 0o600)
    return Credentials(COOKIE_USER, password)


def user_of(header: str | None, known: tuple[Credentials, ...]) -> str | None:
    """The user that an Authorization header proves, None where it proves nobody."""
    if header is None or not header.startswith("Basic "):
        return None
    try:
        user, colon, password = base64.b64decode(header[6:].strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    if not colon:
        return None
    matches = [c.user for c in known if c.matches(user, password)]
    return matches[0] if matches else None
