"""Output descriptors (BIP380 to 387, without miniscript): text to scripts, with all that is needed to spend them.

Refuses to know coins and wallets. The private form of a descriptor appears only where it is asked for by name.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from primitives import address as addresses
from primitives.address import AddressStyle
from primitives.errors import DecodeError
from primitives.hashing import hash160
from wallet import checksum, scripts, taproot
from wallet.descriptor_keys import DerivedKey, Key, parse_key
from wallet.taproot import LeafSpend

MAX_P2SH_SCRIPT: Final = 520
SINGLE: Final = ("pk", "pkh", "wpkh", "combo", "rawtr")
MULTI: Final = ("multi", "sortedmulti")
MULTI_TAP: Final = ("multi_a", "sortedmulti_a")
_ALLOWED: Final = {
    "top": (*SINGLE, *MULTI, "sh", "wsh", "tr", "raw", "addr"),
    "sh": ("pk", "pkh", "wpkh", "wsh", *MULTI),
    "wsh": ("pk", "pkh", *MULTI),
    "tr": ("pk", *MULTI_TAP),
}


@dataclass(frozen=True, slots=True)
class Expansion:
    """One script of a descriptor at an index, and what spends it."""

    script: bytes
    keys: tuple[DerivedKey, ...] = ()
    redeem: bytes | None = None
    witness_script: bytes | None = None
    internal: DerivedKey | None = None
    merkle_root: bytes = b""
    leaves: tuple[LeafSpend, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Descriptor:
    """A descriptor as a tree: keys or an inner descriptor, a threshold, leaves of a taproot tree, or fixed bytes."""

    kind: str
    keys: tuple[Key, ...] = ()
    threshold: int = 0
    inner: "Descriptor | None" = None
    tree: "Leaves | None" = None
    payload: bytes = b""
    address: str = ""

    def __repr__(self) -> str:
        return f"Descriptor({self.kind})"

    def all_keys(self) -> Iterator[Key]:
        """Every key expression, from left to right."""
        yield from self.keys
        if self.inner is not None:
            yield from self.inner.all_keys()
        for leaf in _flat(self.tree):
            yield from leaf.all_keys()

    @property
    def is_range(self) -> bool:
        """Whether it has a wildcard, so that the index matters."""
        return any(key.wildcard is not None for key in self.all_keys())

    @property
    def is_solvable(self) -> bool:
        """Whether it says how to spend, not only what is paid to."""
        return self.kind not in ("raw", "addr")

    @property
    def has_private(self) -> bool:
        """Whether any key of it is private."""
        return any(key.has_private for key in self.all_keys())

    def map_keys(self, change: Callable[[Key], Key]) -> "Descriptor":
        """The same descriptor with each key changed."""
        return replace(
            self,
            keys=tuple(change(key) for key in self.keys),
            inner=self.inner and self.inner.map_keys(change),
            tree=_map_tree(self.tree, change),
        )

    def public_form(self) -> "Descriptor":
        """The descriptor without secrets."""
        return self.map_keys(Key.public_form)

    def normalised(self) -> "Descriptor":
        """The public form in which every hardened step lies in a key's origin, so that it derives without secrets."""
        return self.map_keys(Key.normalised)

    def text(self, style: AddressStyle, private: bool = False) -> str:
        """The descriptor with its checksum; without secrets unless they are asked for."""
        return checksum.add(_write(self, style, private))

    def expand(self, index: int = 0) -> tuple[Expansion, ...]:
        """The scripts at an index: one, but for combo. Raises DecodeError where a secret is needed that is not there."""
        return tuple(_expand(self, index))

    def addresses(self, style: AddressStyle, index: int = 0) -> list[str]:
        """The addresses at an index; P2PK counts as the address of its key's hash. Raises DecodeError where there is none."""
        return [_address(expansion, style) for expansion in self.expand(index)]


Leaves = Descriptor | tuple["Leaves", "Leaves"]


def _flat(tree: Leaves | None) -> Iterator[Descriptor]:
    if isinstance(tree, Descriptor):
        yield tree
    elif tree is not None:
        yield from _flat(tree[0])
        yield from _flat(tree[1])


def _map_tree(tree: Leaves | None, change: Callable[[Key], Key]) -> Leaves | None:
    if tree is None or isinstance(tree, Descriptor):
        return tree and tree.map_keys(change)
    left, right = _map_tree(tree[0], change), _map_tree(tree[1], change)
    assert left is not None and right is not None
    return left, right


def _write_tree(tree: Leaves, style: AddressStyle, private: bool) -> str:
    if isinstance(tree, Descriptor):
        return _write(tree, style, private)
    return "{" + ",".join(_write_tree(part, style, private) for part in tree) + "}"


def _write(d: Descriptor, style: AddressStyle, private: bool) -> str:
    arguments = [key.text(style, private) for key in d.keys]
    if d.kind in MULTI + MULTI_TAP:
        arguments.insert(0, str(d.threshold))
    if d.inner is not None:
        arguments.append(_write(d.inner, style, private))
    if d.tree is not None:
        arguments.append(_write_tree(d.tree, style, private))
    if d.kind == "raw":
        arguments.append(d.payload.hex())
    if d.kind == "addr":
        arguments.append(d.address)
    return f"{d.kind}({','.join(arguments)})"


def _multi_keys(d: Descriptor, index: int) -> tuple[list[DerivedKey], list[bytes]]:
    keys = [key.at(index) for key in d.keys]
    shown = [key.xonly if d.kind in MULTI_TAP else key.public for key in keys]
    return keys, sorted(shown) if d.kind.startswith("sorted") else shown


def _script(d: Descriptor, index: int) -> tuple[bytes, list[DerivedKey]]:
    """The script of a descriptor that may be nested, and its keys."""
    if d.kind in MULTI:
        keys, shown = _multi_keys(d, index)
        return scripts.multisig(d.threshold, shown), keys
    if d.kind in MULTI_TAP:
        keys, shown = _multi_keys(d, index)
        return scripts.multisig_tapscript(d.threshold, shown), keys
    key = d.keys[0].at(index)
    if d.kind == "pk":
        return scripts.p2pk(key.public), [key]
    make = scripts.p2pkh if d.kind == "pkh" else scripts.p2wpkh
    return make(hash160(key.public)), [key]


def _tree_scripts(tree: Leaves, index: int, keys: list[DerivedKey]) -> taproot.Tree:
    if not isinstance(tree, Descriptor):
        return _tree_scripts(tree[0], index, keys), _tree_scripts(tree[1], index, keys)
    if tree.kind == "pk":
        key = tree.keys[0].at(index)
        keys.append(key)
        return scripts.p2pk(key.xonly)
    script, found = _script(tree, index)
    keys.extend(found)
    return script


def _expand(d: Descriptor, index: int) -> Iterator[Expansion]:
    if d.kind in ("raw", "addr"):
        yield Expansion(d.payload)
    elif d.kind == "combo":
        key = d.keys[0].at(index)
        yield Expansion(scripts.p2pk(key.public), (key,))
        yield Expansion(scripts.p2pkh(hash160(key.public)), (key,))
        if d.keys[0].compressed:
            inner = scripts.p2wpkh(hash160(key.public))
            yield Expansion(inner, (key,))
            yield Expansion(scripts.p2sh(inner), (key,), inner)
    elif d.kind == "rawtr":
        key = d.keys[0].at(index)
        yield Expansion(scripts.p2tr(key.xonly), (key,), internal=None)
    elif d.kind == "tr":
        internal = d.keys[0].at(index)
        keys: list[DerivedKey] = []
        output = taproot.output(internal.xonly, None if d.tree is None else _tree_scripts(d.tree, index, keys))
        yield Expansion(
            output.script, tuple(keys), internal=internal, merkle_root=output.merkle_root, leaves=output.leaves
        )
    elif d.kind == "wsh" and d.inner is not None:
        script, found = _script(d.inner, index)
        yield Expansion(scripts.p2wsh(script), tuple(found), witness_script=script)
    elif d.kind == "sh" and d.inner is not None:
        if d.inner.kind == "wsh" and d.inner.inner is not None:
            script, found = _script(d.inner.inner, index)
            redeem = scripts.p2wsh(script)
            yield Expansion(scripts.p2sh(redeem), tuple(found), redeem, script)
        else:
            redeem, found = _script(d.inner, index)
            yield Expansion(scripts.p2sh(redeem), tuple(found), redeem)
    else:
        script, found = _script(d, index)
        yield Expansion(script, tuple(found))


def _address(expansion: Expansion, style: AddressStyle) -> str:
    key = scripts.pk_in(expansion.script)
    script = scripts.p2pkh(hash160(key)) if key is not None else expansion.script
    address = addresses.encode(script, style)
    if address is None:
        raise DecodeError("descriptor does not have a corresponding address")
    return address


def _split(text: str) -> list[str]:
    """Cut at the commas that lie in no bracket. Raises DecodeError for brackets that do not close."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        if character in "({":
            depth += 1
        elif character in ")}":
            depth -= 1
            if depth < 0:
                raise DecodeError("a bracket closes that was not opened")
        elif character == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    if depth:
        raise DecodeError("a bracket is not closed")
    return [*parts, text[start:]]


def _threshold(text: str, count: int, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 4 or int(text) < 1:
        raise DecodeError("the threshold of a multisig is not a number above zero")
    if count > most:
        raise DecodeError(f"at most {most} keys are allowed here, not {count}")
    if int(text) > count:
        raise DecodeError(f"threshold greater than number of keys ({text} > {count})")
    return int(text)


def _parse_multi(kind: str, arguments: list[str], context: str, style: AddressStyle, compressed: bool) -> Descriptor:
    most = {"top": 3, "tr": 999}.get(context, 20)
    threshold = _threshold(arguments[0], len(arguments) - 1, most)
    tap = kind in MULTI_TAP
    keys = tuple(parse_key(part, style, compressed or tap, tap) for part in arguments[1:])
    return Descriptor(kind, keys, threshold)


def _parse_tree(text: str, style: AddressStyle, depth: int = 0) -> Leaves:
    if depth > taproot.MAX_DEPTH:
        raise DecodeError("a taproot tree is at most 128 levels deep")
    if not text.startswith("{"):
        return _parse(text, "tr", style, True)
    parts = _split(text[1:-1]) if text.endswith("}") else []
    if len(parts) != 2:
        raise DecodeError("a branch of a taproot tree has two parts")
    return _parse_tree(parts[0], style, depth + 1), _parse_tree(parts[1], style, depth + 1)


def _script_size(d: Descriptor) -> int:
    if d.kind in MULTI:
        return 3 + sum(34 if key.compressed else 66 for key in d.keys)
    return 0


def _parse(text: str, context: str, style: AddressStyle, compressed: bool = False) -> Descriptor:
    match = re.fullmatch(r"([a-z_]+)\((.*)\)", text, re.DOTALL)
    kind = match[1] if match else ""
    if match is None or kind not in _ALLOWED["top"] + MULTI_TAP:
        raise DecodeError(f"a valid descriptor function is needed{'' if context == 'top' else f' inside {context}()'}")
    if kind not in _ALLOWED[context]:
        raise DecodeError(f"can not have {kind}() {'here' if context == 'top' else f'inside {context}()'}")
    arguments = _split(match[2])
    if kind in MULTI + MULTI_TAP:
        return _parse_multi(kind, arguments, context, style, compressed)
    if kind == "tr":
        if len(arguments) > 2:
            raise DecodeError("tr() has an internal key and at most one tree")
        tree = _parse_tree(arguments[1], style) if len(arguments) == 2 else None
        return Descriptor("tr", (parse_key(arguments[0], style, True, True),), tree=tree)
    if len(arguments) != 1:
        raise DecodeError(f"{kind}() takes one argument")
    only = arguments[0]
    if kind in SINGLE:
        strict = compressed or kind in ("wpkh", "rawtr")
        return Descriptor(kind, (parse_key(only, style, strict, context == "tr" or kind == "rawtr"),))
    if kind == "raw":
        try:
            return Descriptor("raw", payload=bytes.fromhex(only))
        except ValueError:
            raise DecodeError("raw script is not hex") from None
    if kind == "addr":
        return Descriptor("addr", payload=addresses.decode(only, style), address=only)
    inner = _parse(only, kind, style, compressed or kind == "wsh")
    if kind == "sh" and _script_size(inner) > MAX_P2SH_SCRIPT:
        raise DecodeError(
            f"P2SH script is too large, {_script_size(inner)} bytes are larger than {MAX_P2SH_SCRIPT} bytes"
        )
    return Descriptor(kind, inner=inner)


def parse(text: str, style: AddressStyle, checksum_required: bool = False) -> Descriptor:
    """The descriptor that a text is, on a network. Raises DecodeError, which holds no secret of it."""
    return _parse(checksum.strip(text, checksum_required), "top", style)


def expand_multipath(text: str) -> list[str]:
    """One text for each value of `<0;1>` steps, which must all have as many (BIP389); their checksums are made anew.

    A text without such a step comes back alone, as it is. Raises DecodeError.
    """
    if "<" not in text:
        return [text]
    body = checksum.strip(text)
    steps = [group[1:-1].split(";") for group in re.findall(r"<[^<>]*>", body)]
    if not steps or len({len(step) for step in steps}) != 1 or len(steps[0]) < 2:
        raise DecodeError("multipath steps must all have the same number of values, at least two")
    if any(len(set(step)) != len(step) for step in steps):
        raise DecodeError("a multipath step names a value twice")
    parts = re.split(r"<[^<>]*>", body)
    return [
        checksum.add(parts[0] + "".join(step[at] + part for step, part in zip(steps, parts[1:], strict=True)))
        for at in range(len(steps[0]))
    ]
