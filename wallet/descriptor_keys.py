"""Key expressions of output descriptors (BIP380): an origin, a key or extended key, steps and a wildcard.

Refuses to know scripts. Secrets appear only where the caller asks for the private form.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from primitives import secp256k1
from primitives.address import AddressStyle, wif_decode, wif_encode
from primitives.errors import DecodeError
from primitives.hashing import hash160
from wallet import hd
from wallet.hd import HARDENED, Extended, ExtendedPrivate, ExtendedPublic, Path

UNHARDENED: Final = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a key comes from: the fingerprint of a master key, and the steps from there."""

    fingerprint: bytes
    path: Path

    def extend(self, path: Path) -> "Origin":
        """The origin of a descendant."""
        return Origin(self.fingerprint, self.path + path)


@dataclass(frozen=True, slots=True, repr=False)
class DerivedKey:
    """The key of one script: public, with its origin; private too where the descriptor knows it."""

    public: bytes
    origin: Origin
    secret: bytes | None = None

    def __repr__(self) -> str:
        return f"DerivedKey({self.public.hex()})"

    @property
    def xonly(self) -> bytes:
        """The x of the key, as taproot uses it."""
        return self.public if len(self.public) == 32 else self.public[1:33]


@lru_cache(maxsize=1024)
def _base(node: ExtendedPublic, path: Path) -> ExtendedPublic:
    return node.derive(path)


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A key expression. `wildcard` is None, UNHARDENED or HARDENED."""

    base: bytes | Extended
    origin: Origin | None = None
    secret: bytes | None = None
    path: Path = ()
    wildcard: int | None = None
    mark: str = "h"

    def __repr__(self) -> str:
        return f"Key({'private' if self.has_private else 'public'})"

    @property
    def has_private(self) -> bool:
        """Whether it holds a secret."""
        return self.secret is not None or isinstance(self.base, ExtendedPrivate)

    @property
    def compressed(self) -> bool:
        """Whether the public key has 33 (or 32) bytes."""
        return not isinstance(self.base, bytes) or len(self.base) != 65

    def at(self, index: int) -> DerivedKey:
        """The key at an index (which counts only with a wildcard). Raises DecodeError where a hardened step needs a secret,
        and InvalidChild."""
        if isinstance(self.base, bytes):
            origin = self.origin or Origin(hash160(self.base)[:4], ())
            return DerivedKey(self.base, origin, self.secret)
        tail = () if self.wildcard is None else (index | self.wildcard,)
        origin = (self.origin or Origin(self.base.fingerprint, ())).extend(self.path + tail)
        if isinstance(self.base, ExtendedPrivate):
            node = self.base.derive(self.path + tail)
            return DerivedKey(node.public.key, origin, node.key)
        if any(step & HARDENED for step in self.path + tail):
            raise DecodeError("the private key is needed for hardened derivation")
        return DerivedKey(_base(_base(self.base, self.path), tail).key, origin)

    def public_form(self) -> "Key":
        """The same expression without secrets; only xprvs and WIFs change."""
        base = self.base.public if not isinstance(self.base, bytes) else self.base
        return replace(self, base=base, secret=None)

    def normalised(self) -> "Key":
        """The public form in which no hardened step is left: the steps up to the last one move into the origin."""
        if isinstance(self.base, bytes):
            return self.public_form()
        if self.wildcard == HARDENED:
            raise DecodeError("a hardened wildcard has no public form")
        last = max((at + 1 for at, step in enumerate(self.path) if step & HARDENED), default=0)
        origin = self.origin or Origin(self.base.fingerprint, ())
        if last == 0:
            return replace(self.public_form(), origin=self.origin)
        if not isinstance(self.base, ExtendedPrivate):
            raise DecodeError("the private key is needed for hardened derivation")
        node = self.base.derive(self.path[:last]).public
        return Key(node, origin.extend(self.path[:last]), None, self.path[last:], self.wildcard, self.mark)

    def text(self, style: AddressStyle, private: bool = False) -> str:
        """The expression as text, with its secrets only if they are asked for."""
        parts = []
        if self.origin is not None:
            parts.append(f"[{self.origin.fingerprint.hex()}{hd.format_path(self.origin.path, self.mark)}]")
        if isinstance(self.base, bytes):
            if private and self.secret is not None:
                parts.append(wif_encode(self.secret, self.compressed, style))
            else:
                parts.append(self.base.hex())
        else:
            if private or isinstance(self.base, ExtendedPublic):
                version = style.bip32_private if isinstance(self.base, ExtendedPrivate) else style.bip32_public
                parts.append(self.base.encode(version))
            else:
                parts.append(self.base.public.encode(style.bip32_public))
            parts.append(hd.format_path(self.path, self.mark))
            if self.wildcard is not None:
                parts.append(f"/*{self.mark if self.wildcard else ''}")
        return "".join(parts)


def _marks(steps: list[str], mark: str) -> str:
    for step in steps:
        if step[-1:] in ("'", "h", "H"):
            mark = "'" if step[-1] == "'" else "h"
    return mark


def _parse_origin(text: str) -> tuple[Origin, list[str]]:
    fingerprint, *steps = text.split("/")
    if len(fingerprint) != 8:
        raise DecodeError("the fingerprint of a key origin has 8 hexadecimal digits")
    try:
        return Origin(bytes.fromhex(fingerprint), tuple(hd.parse_step(step) for step in steps)), steps
    except ValueError:
        raise DecodeError("the fingerprint of a key origin is not hexadecimal") from None


def _parse_fixed(text: str, style: AddressStyle, xonly: bool) -> tuple[bytes, bytes | None]:
    """A public key and, of a WIF, its secret."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if raw:
        if xonly and len(raw) == 32 and secp256k1.is_xonly(raw):
            return raw, None
        if len(raw) in (33, 65) and raw[0] in (2, 3, 4) and secp256k1.is_public(raw):
            return raw, None
        raise DecodeError("not a valid public key")
    try:
        secret, compressed = wif_decode(text, style)
    except DecodeError:
        raise DecodeError("not a valid key of this network") from None
    return secp256k1.public_key(secret, compressed), secret


def parse_key(text: str, style: AddressStyle, compressed_only: bool = False, xonly: bool = False) -> Key:
    """A key expression. Raises DecodeError, which holds no part of the key.

    Source: BIP380, key expressions; Bitcoin Core, script/descriptor.cpp, ParsePubkey.
    """
    origin, mark = None, "h"
    if text.count("]") > 1:
        raise DecodeError("multiple ] characters found for a single key")
    if "]" in text:
        head, text = text.split("]")
        if not head.startswith("["):
            raise DecodeError("a key origin starts with [")
        origin, steps = _parse_origin(head[1:])
        mark = _marks(steps, mark)
    if not text:
        raise DecodeError("no key provided")
    body, *steps = text.split("/")
    if not steps and not body.startswith(("xp", "tp")):
        public, secret = _parse_fixed(body, style, xonly)
        if compressed_only and len(public) == 65:
            raise DecodeError("uncompressed keys are not allowed here")
        return Key(public, origin, secret, mark=mark)
    node, version = hd.decode(body)
    if version not in (style.bip32_private, style.bip32_public):
        raise DecodeError("the extended key belongs to another network")
    wildcard = None
    if steps and steps[-1] in ("*", "*'", "*h", "*H"):
        wildcard = HARDENED if len(steps[-1]) == 2 else UNHARDENED
        mark = _marks([steps.pop()], mark)
    return Key(node, origin, None, tuple(hd.parse_step(step) for step in steps), wildcard, _marks(steps, mark))
