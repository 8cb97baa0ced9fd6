"""The descriptors that a wallet watches: which scripts they stand for, how far they are used, who owns a script.

Refuses to know coins and secrets: every descriptor here is in its public form.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from primitives.address import AddressStyle
from wallet import descriptors, hd
from wallet.descriptor_keys import Key
from wallet.descriptors import Descriptor, Expansion
from wallet.errors import BAD_PARAMETER, NOT_FOUND, WalletError

GAP: Final = 100
"""How many addresses beyond the last one used are watched."""
KINDS: Final = {"legacy": 44, "p2sh-segwit": 49, "bech32": 84, "bech32m": 86}
"""Kinds of addresses by Bitcoin Core's names, and the purpose of their account path."""
_FORMS: Final = {"legacy": "pkh({})", "p2sh-segwit": "sh(wpkh({}))", "bech32": "wpkh({})", "bech32m": "tr({})"}


@dataclass(slots=True, eq=False)
class Source:
    """A descriptor and how far it is used. `next` is the first index not given out, `end` the first one not watched."""

    descriptor: Descriptor
    text: str
    internal: bool = False
    active: bool = False
    next: int = 0
    end: int = 0
    born: int = 0
    label: str | None = None
    seen: int = 0  # first index above all that were seen on chain
    scripts: dict[int, tuple[bytes, ...]] = field(default_factory=dict)

    @property
    def kind(self) -> str | None:
        """The kind of address that it makes, by Core's name."""
        d = self.descriptor
        if d.kind in ("pkh", "pk", "combo"):
            return "legacy"
        if d.kind == "sh":
            return "p2sh-segwit" if d.inner is not None and d.inner.kind in ("wpkh", "wsh") else "legacy"
        return {"wpkh": "bech32", "wsh": "bech32", "tr": "bech32m", "rawtr": "bech32m"}.get(d.kind)

    @property
    def is_range(self) -> bool:
        """Whether it stands for many scripts."""
        return self.descriptor.is_range


class Owner(NamedTuple):
    """Which script of which descriptor a script is."""

    source: Source
    number: int
    variant: int = 0


class Sources:
    """All sources of a wallet and the scripts that they stand for."""

    def __init__(self, style: AddressStyle, gap: int = GAP) -> None:
        self.style = style
        self.gap = gap
        self.all: list[Source] = []
        self._owners: dict[bytes, Owner] = {}
        self._concrete: dict[tuple[str, int], str] = {}

    def owner_of(self, script: bytes) -> Owner | None:
        """Whose a script is."""
        return self._owners.get(script)

    def scripts(self) -> Iterable[bytes]:
        """All scripts that are watched."""
        return self._owners.keys()

    def add(self, source: Source, scripts: dict[int, tuple[bytes, ...]] | None = None) -> Source:
        """Watch another descriptor; one that is watched already takes over what is new. `scripts`: known from before."""
        known = next((s for s in self.all if s.text == source.text), None)
        if known is not None:
            known.internal, known.active = source.internal, source.active
            known.next, known.end = max(known.next, source.next), known.end
            known.label = source.label if source.label is not None else known.label
            known.born = min(known.born, source.born)
            self.top_up(known, source.end)
            return known
        wanted, source.end = source.end, 0
        self.all.append(source)
        self.top_up(source, wanted, scripts or {})
        return source

    def top_up(self, source: Source, least: int = 0, known: dict[int, tuple[bytes, ...]] | None = None) -> bool:
        """Watch as far as the gap beyond what is used, and up to an index at least; whether that was news."""
        end = max(source.next + self.gap, source.seen + self.gap, least) if source.is_range else 1
        if end <= source.end:
            return False
        for index in range(source.end, end):
            found = (known or {}).get(index)
            if found is None:
                try:
                    found = tuple(expansion.script for expansion in source.descriptor.expand(index))
                except hd.InvalidChild:
                    found = ()
            source.scripts[index] = found
            for variant, script in enumerate(found):
                self._owners.setdefault(script, Owner(source, index, variant))
        source.end = end
        return True

    def mark_seen(self, owner: Owner) -> bool:
        """A script was paid to; whether more is watched now than before."""
        source = owner.source
        if owner.number < source.seen:
            return False
        source.seen = owner.number + 1
        source.next = max(source.next, source.seen)
        return self.top_up(source)

    def active(self, kind: str, internal: bool) -> Source:
        """The source that new addresses of a kind come from. Raises WalletError: bad-parameter, not-found."""
        if kind not in KINDS:
            raise WalletError(BAD_PARAMETER, f"unknown address type {kind!r}; there are {', '.join(KINDS)}")
        for source in self.all:
            if source.active and source.internal == internal and source.kind == kind:
                return source
        raise WalletError(
            NOT_FOUND, f"the wallet has no keys for {'change' if internal else 'addresses'} of type {kind}"
        )

    def peek(self, source: Source) -> tuple[Owner, bytes]:
        """The next script not given out yet. A source without a wildcard has one script for all times."""
        index = source.next if source.is_range else 0
        self.top_up(source, index + 1)
        while not source.scripts[index]:  # an index without a key
            index += 1
            self.top_up(source, index + 1)
        return Owner(source, index), source.scripts[index][0]

    def take(self, source: Source) -> tuple[Owner, bytes]:
        """The next script, which counts as given out from now on."""
        owner, script = self.peek(source)
        source.next = max(source.next, owner.number + 1)
        self.top_up(source)
        return owner, script

    def expansion(self, owner: Owner) -> Expansion:
        """All that is needed to spend an owner's script, except secrets."""
        return owner.source.descriptor.expand(owner.number)[owner.variant]

    def concrete(self, owner: Owner) -> str:
        """The descriptor of an owner's script alone: each key with its origin, no wildcard, nothing to derive."""
        found = self._concrete.get((owner.source.text, owner.number))
        if found is None:
            found = owner.source.descriptor.map_keys(lambda key: _fixed(key, owner.number)).text(self.style)
            self._concrete[owner.source.text, owner.number] = found
        return found

    def __iter__(self) -> Iterator[Source]:
        return iter(self.all)


def _fixed(key: Key, index: int) -> Key:
    derived = key.at(index)
    return Key(derived.public, derived.origin, mark=key.mark)


def standard(
    master: hd.ExtendedPrivate, style: AddressStyle, coin_type: int, born: int, account: int = 0
) -> list[Source]:
    """The eight sources of a seed: each kind of address, for receiving and for change (BIP44, 49, 84, 86)."""
    sources = []
    fingerprint = master.fingerprint.hex()
    for kind, purpose in KINDS.items():
        path = hd.account_path(purpose, coin_type, account)
        xpub = master.derive(path).public.encode(style.bip32_public)
        for internal in (False, True):
            key = f"[{fingerprint}{hd.format_path(path, 'h')}]{xpub}/{int(internal)}/*"
            descriptor = descriptors.parse(_FORMS[kind].format(key), style)
            sources.append(Source(descriptor, descriptor.text(style), internal, active=True, born=born))
    return sources
