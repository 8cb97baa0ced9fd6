"""Descriptors as methods use them: parsed with RPC errors, ranges, the scripts of a scan object, what Core would infer of each script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from node.rpc.bitcoin_json import descriptor_of
from node.rpc.errors import INVALID_ADDRESS_OR_KEY, INVALID_PARAMETER, TYPE_ERROR, RpcError
from node.rpc.params import coerce
from primitives.address import AddressStyle
from primitives.errors import DecodeError
from primitives.hashing import hash160
from wallet import checksum, descriptors
from wallet.descriptor_keys import Key, Origin
from wallet.descriptors import Descriptor

DEFAULT_END = 1_000
MOST = 1_000_000


def parse_all(text: str, style: AddressStyle, checksum_required: bool = False) -> list[Descriptor]:
    """The descriptors that a text is, more than one for a multipath. Raises RpcError."""
    try:
        if checksum_required:
            checksum.strip(text, True)
        return [descriptors.parse(one, style) for one in descriptors.expand_multipath(text)]
    except DecodeError as e:
        raise RpcError(INVALID_ADDRESS_OR_KEY, _sentence(e)) from None


def _sentence(error: DecodeError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def parse_range(value: Any) -> tuple[int, int]:
    """First and last index. Raises RpcError as Core's ParseDescriptorRange."""
    if isinstance(value, list):
        if len(value) != 2 or any(isinstance(v, bool) or not isinstance(v, int | float) for v in value):
            raise RpcError(INVALID_PARAMETER, "Range must be specified as end or as [begin,end]")
        low, high = coerce(value[0], int, "range"), coerce(value[1], int, "range")
        if low > high:
            raise RpcError(INVALID_PARAMETER, "Range specified as [begin,end] must not have begin after end")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        low, high = 0, coerce(value, int, "range")
    else:
        raise RpcError(INVALID_PARAMETER, "Range must be specified as end or as [begin,end]")
    if low < 0:
        raise RpcError(INVALID_PARAMETER, "Range should be greater or equal than 0")
    if high >> 31:
        raise RpcError(INVALID_PARAMETER, "End of range is too high")
    if high >= low + MOST:
        raise RpcError(INVALID_PARAMETER, "Range is too large")
    return low, high


def scan_scripts(value: Any, style: AddressStyle) -> Iterator[tuple[bytes, str]]:
    """The scripts of a scan object, each with its own descriptor. Raises RpcError as Core's EvalDescriptorStringOrObject."""
    low, high = 0, DEFAULT_END
    if isinstance(value, dict):
        text = value.get("desc")
        if text is None:
            raise RpcError(INVALID_PARAMETER, "Descriptor needs to be provided in scan object")
        if value.get("range") is not None:
            low, high = parse_range(value["range"])
    elif isinstance(value, str):
        text = value
    else:
        raise RpcError(INVALID_PARAMETER, "Scan object needs to be either a string or an object")
    if not isinstance(text, str):
        raise RpcError(TYPE_ERROR, "JSON value of type number is not of expected type string")
    for found in parse_all(text, style):
        for index in range(low, high + 1) if found.is_range else (0,):
            try:
                expansions = found.expand(index)
            except DecodeError:
                public = found.public_form().text(style).partition("#")[0]
                raise RpcError(
                    INVALID_ADDRESS_OR_KEY, f"Cannot derive script without private keys: '{public}'"
                ) from None
            for place, expansion in enumerate(expansions):
                yield expansion.script, inferred(found, place, index, expansion.script, style)


_COMBO = ("pk", "pkh", "wpkh", "sh")


def inferred(found: Descriptor, place: int, index: int, script: bytes, style: AddressStyle) -> str:
    """The descriptor of one script, with its keys and where they come from (Bitcoin Core, InferDescriptor)."""
    if found.kind in ("raw", "addr", "rawtr"):
        return descriptor_of(script, style)
    fixed = found.map_keys(lambda key: _fixed(key, index))
    if fixed.kind == "combo":
        kind = _COMBO[place]
        single = Descriptor("wpkh" if kind == "sh" else kind, fixed.keys)
        fixed = Descriptor("sh", inner=single) if kind == "sh" else single
    return _in_order(fixed).text(style)


def _fixed(key: Key, index: int) -> Key:
    found = key.at(index)
    origin = found.origin if len(found.public) != 32 else found.origin or Origin(hash160(found.public)[:4], ())
    return Key(found.public, origin)


def _in_order(found: Descriptor) -> Descriptor:
    """Sorted multisigs with their keys in the order in which the script has them."""
    if found.kind in ("sortedmulti", "sortedmulti_a"):
        keys = tuple(sorted(found.keys, key=lambda k: bytes(k.at(0).public)))
        return replace(found, kind=found.kind.removeprefix("sorted"), keys=keys)
    return found if found.inner is None else replace(found, inner=_in_order(found.inner))
