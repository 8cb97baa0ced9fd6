"""Secrets for one partially signed transaction without a wallet: from words, extended keys, single keys or descriptors, as text.

Refuses to know where the text came from. No error and no repr holds a part of it.
"""

from collections.abc import Iterable

from primitives import secp256k1
from primitives.address import AddressStyle
from primitives.errors import DecodeError
from primitives.hashing import hash160
from wallet import descriptors, hd, mnemonic, psbt_updating
from wallet.descriptor_keys import DerivedKey, Origin, parse_key
from wallet.descriptors import Descriptor
from wallet.hd import ExtendedPrivate
from wallet.psbt import Psbt
from wallet.psbt_updating import Provider

SPAN = 1000
"""How many scripts of a descriptor with a wildcard are tried (Bitcoin Core's default range)."""
_SINGLE = ("combo({})", "tr({})")
"""The descriptors that a single key may stand behind."""


class LooseKeys:
    """The secrets that some texts hold, for the keys that a PSBT names."""

    def __init__(self, psbt: Psbt, style: AddressStyle) -> None:
        self._psbt = psbt
        self._style = style
        self._roots: list[tuple[Origin, ExtendedPrivate]] = []
        self._descriptors: list[tuple[Descriptor, range]] = []
        self._provider = Provider(())
        self._named: dict[bytes, DerivedKey] = {}
        for i in psbt.inputs:
            for key, origin in i.origins.items():
                self._learn(key, origin)
            for key, (_, origin) in i.tap_origins.items():
                self._learn(key, origin)
        self._hashes = {hash160(key): key for key in self._named}

    def __repr__(self) -> str:
        return f"LooseKeys({len(self._named)} keys named)"

    def _learn(self, key: bytes, origin: Origin) -> None:
        self._named[key] = DerivedKey(key, origin)

    def add(self, text: str, passphrase: str = "") -> None:
        """Take in words of a mnemonic, an extended private key, a WIF, or a descriptor with private keys. Raises DecodeError."""
        text = text.strip()
        if "(" in text:
            self._add_descriptors(descriptors.expand_multipath(text))
        elif " " in text:
            mnemonic.to_entropy(text)
            root = ExtendedPrivate.from_seed(mnemonic.seed(text, passphrase))
            self._roots.append((Origin(root.fingerprint, ()), root))
        else:
            key = parse_key(text, self._style)
            if isinstance(key.base, ExtendedPrivate) and not key.path and key.wildcard is None:
                self._roots.append((key.origin or Origin(key.base.fingerprint, ()), key.base))
            elif key.secret is not None:
                self._add_descriptors(form.format(text) for form in _SINGLE if key.compressed or form != "tr({})")
            else:
                raise DecodeError("this is not a private key")

    def _add_descriptors(self, texts: Iterable[str]) -> None:
        for text in texts:
            parsed = descriptors.parse(text, self._style)
            self._descriptors.append((parsed, range(SPAN)))
        self._provider = Provider(self._descriptors)
        psbt_updating.update(self._psbt, {}, {}, self._provider.expansion_of)

    def secret_of(self, public: bytes) -> bytes | None:
        """The secret of a public or x-only key."""
        found = self._provider.secret_of(public)
        if found is not None:
            return found
        key = self._named.get(public)
        for root, node in self._roots if key is not None else ():
            assert key is not None
            depth = len(root.path)
            if root.fingerprint == key.origin.fingerprint and key.origin.path[:depth] == root.path:
                leaf = node.derive(key.origin.path[depth:])
                whole = leaf.public.key
                if public in (whole, whole[1:]) or secp256k1.serialize(whole, False) == public:
                    return leaf.key
        return None

    def key_of_hash(self, key_hash: bytes) -> bytes | None:
        """The public key of a hash160, among those that the PSBT or a descriptor names."""
        return self._hashes.get(key_hash) or self._provider.key_of_hash(key_hash)


def check_strong(real: bool) -> None:
    """Raise DecodeError where real money would be signed for by the slow twin of the curve library."""
    if real and not secp256k1.CONSTANT_TIME:
        raise DecodeError("keys of a real network need libsecp256k1 (coincurve), which is not installed")


def is_real(style: AddressStyle) -> bool:
    """Whether a network's keys are money's: test networks write theirs as tprv."""
    return style.bip32_private != hd.TPRV
