"""Extended keys of BIP32: derivation, their encoding, and the paths of BIP44, 49, 84 and 86.

Refuses to know scripts and addresses. A private key never appears in repr or in an error.
"""

import hmac
from dataclasses import dataclass
from typing import Final, Self

from primitives import base58, secp256k1
from primitives.errors import DecodeError
from primitives.hashing import hash160

HARDENED: Final = 0x80000000
XPRV: Final = bytes.fromhex("0488ade4")
XPUB: Final = bytes.fromhex("0488b21e")
TPRV: Final = bytes.fromhex("04358394")
TPUB: Final = bytes.fromhex("043587cf")
VERSIONS: Final = {
    XPRV: XPUB,
    TPRV: TPUB,
    bytes.fromhex("049d7878"): bytes.fromhex("049d7cb2"),  # yprv, ypub (SLIP-132: BIP49)
    bytes.fromhex("044a4e28"): bytes.fromhex("044a5262"),  # uprv, upub
    bytes.fromhex("04b2430c"): bytes.fromhex("04b24746"),  # zprv, zpub (SLIP-132: BIP84)
    bytes.fromhex("045f18bc"): bytes.fromhex("045f1cf6"),  # vprv, vpub
}
"""Known versions of private keys, and of the public keys that belong to them."""

Path = tuple[int, ...]


class InvalidChild(DecodeError):
    """This index has no key (chance 2^-127); BIP32 has the caller go on with the next one."""


def parse_step(text: str) -> int:
    """One step of a path, such as `44h`. Raises DecodeError."""
    digits = text[:-1] if text[-1:] in ("'", "h", "H") else text
    if not (digits.isascii() and digits.isdigit()):
        raise DecodeError(f"path step {text!r} is not a number")
    number = int(digits) if len(digits) < 12 else HARDENED
    if number >= HARDENED:
        raise DecodeError(f"path step {digits[:12]} is out of range")
    return number + (HARDENED if digits != text else 0)


def parse_path(text: str) -> Path:
    """The steps of `m/84'/0'/0'/0/5`; `h` is as good as an apostrophe and `m/` may be missing. Raises DecodeError."""
    steps = text.strip().split("/")
    if steps[0] in ("m", "M", ""):
        steps = steps[1:]
    return tuple(parse_step(step) for step in steps)


def format_path(path: Path, mark: str = "'") -> str:
    """The steps as text, each after a slash; empty for no steps."""
    return "".join(f"/{step & ~HARDENED}{mark if step & HARDENED else ''}" for step in path)


def _expand(chain_code: bytes, data: bytes) -> tuple[bytes, bytes]:
    digest = hmac.digest(chain_code, data, "sha512")
    return digest[:32], digest[32:]


@dataclass(frozen=True, slots=True)
class ExtendedPublic:
    """A public key that has children, though no hardened ones."""

    key: bytes
    chain_code: bytes
    depth: int = 0
    parent: bytes = bytes(4)
    index: int = 0

    @property
    def public(self) -> Self:
        """Itself, so that both kinds of key can be asked."""
        return self

    @property
    def fingerprint(self) -> bytes:
        """The first four bytes of the key's hash160."""
        return hash160(self.key)[:4]

    def child(self, index: int) -> "ExtendedPublic":
        """The child at an index. Raises InvalidChild, and DecodeError for a hardened one."""
        if index & HARDENED:
            raise DecodeError("a hardened child needs the private key")
        left, code = _expand(self.chain_code, self.key + index.to_bytes(4, "big"))
        try:
            key = secp256k1.tweak_public(self.key, left)
        except DecodeError:
            raise InvalidChild(f"index {index} has no key") from None
        return ExtendedPublic(key, code, _deeper(self.depth), self.fingerprint, index)

    def derive(self, path: Path) -> "ExtendedPublic":
        """The descendant at a path."""
        node = self
        for step in path:
            node = node.child(step)
        return node

    def encode(self, version: bytes = XPUB) -> str:
        """The key as text: xpub, tpub, zpub, as the version says."""
        return base58.check_encode(version + _fields(self) + self.key)


@dataclass(frozen=True, slots=True, repr=False)
class ExtendedPrivate:
    """A private key that has children."""

    key: bytes
    chain_code: bytes
    depth: int = 0
    parent: bytes = bytes(4)
    index: int = 0

    def __repr__(self) -> str:
        return f"ExtendedPrivate(depth={self.depth}, fingerprint={self.fingerprint.hex()})"

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The master key of a seed of 16 to 64 bytes. Raises DecodeError."""
        if not 16 <= len(seed) <= 64:
            raise DecodeError(f"a seed has 16 to 64 bytes, not {len(seed)}")
        left, code = _expand(b"Bitcoin seed", seed)
        if not secp256k1.is_secret(left):
            raise DecodeError("this seed has no master key")
        return cls(left, code)

    @property
    def public(self) -> ExtendedPublic:
        """The same node without the private key."""
        return ExtendedPublic(secp256k1.public_key(self.key), self.chain_code, self.depth, self.parent, self.index)

    @property
    def fingerprint(self) -> bytes:
        """The first four bytes of the public key's hash160."""
        return hash160(secp256k1.public_key(self.key))[:4]

    def child(self, index: int) -> "ExtendedPrivate":
        """The child at an index, hardened from 2^31 on. Raises InvalidChild."""
        public = secp256k1.public_key(self.key)
        data = b"\x00" + self.key if index & HARDENED else public
        left, code = _expand(self.chain_code, data + index.to_bytes(4, "big"))
        try:
            key = secp256k1.tweak_secret(self.key, left)
        except DecodeError:
            raise InvalidChild(f"index {index & ~HARDENED} has no key") from None
        return ExtendedPrivate(key, code, _deeper(self.depth), hash160(public)[:4], index)

    def derive(self, path: Path) -> "ExtendedPrivate":
        """The descendant at a path."""
        node = self
        for step in path:
            node = node.child(step)
        return node

    def encode(self, version: bytes = XPRV) -> str:
        """The key as text: xprv, tprv, zprv, as the version says. This text is the secret."""
        return base58.check_encode(version + _fields(self) + b"\x00" + self.key)


Extended = ExtendedPrivate | ExtendedPublic


def _deeper(depth: int) -> int:
    if depth == 255:
        raise DecodeError("a key at depth 255 has no children")
    return depth + 1


def _fields(node: Extended) -> bytes:
    return bytes([node.depth]) + node.parent + node.index.to_bytes(4, "big") + node.chain_code


def decode(text: str) -> tuple[Extended, bytes]:
    """An extended key and the version it was written with. Raises DecodeError, which never holds the text.

    Source: BIP32, serialization format and test vector 5.
    """
    try:
        data = base58.check_decode(text)
    except DecodeError:
        raise DecodeError("not an extended key: bad characters or checksum") from None
    if len(data) != 78:
        raise DecodeError(f"an extended key has 78 bytes, not {len(data)}")
    version, key = data[:4], data[45:]
    depth, parent, index, code = data[4], data[5:9], int.from_bytes(data[9:13], "big"), data[13:45]
    if depth == 0 and (parent != bytes(4) or index != 0):
        raise DecodeError("a master key with a parent or an index")
    if version in VERSIONS:
        if key[0] != 0 or not secp256k1.is_secret(key[1:]):
            raise DecodeError("the private key is out of range or of a wrong kind")
        return ExtendedPrivate(key[1:], code, depth, parent, index), version
    if version in VERSIONS.values():
        if key[0] not in (2, 3) or not secp256k1.is_public(key):
            raise DecodeError("the public key is no point or of a wrong kind")
        return ExtendedPublic(key, code, depth, parent, index), version
    raise DecodeError("unknown version of an extended key")


def account_path(purpose: int, coin_type: int, account: int = 0) -> Path:
    """The path of an account: purpose 44 (legacy and Ethereum), 49, 84 or 86; coin types are SLIP-44's."""
    return purpose | HARDENED, coin_type | HARDENED, account | HARDENED
