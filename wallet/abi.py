"""Contract calls: signatures and ABI files, arguments from text, encoded calls, decoded results, reverts and events.

Refuses to send. The encoding itself is eth-abi's, loaded on first use. Source: Solidity, Contract ABI Specification.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from primitives.address import account_decode, account_encode
from primitives.errors import DecodeError
from primitives.hashing import keccak256

ERROR: Final = bytes.fromhex("08c379a0")
PANIC: Final = bytes.fromhex("4e487b71")
PANICS: Final = {
    0x00: "generic panic",
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division or modulo by zero",
    0x21: "conversion to an enum that has no such value",
    0x22: "incorrectly encoded storage byte array",
    0x31: "pop from an empty array",
    0x32: "array index out of bounds",
    0x41: "too much memory was allocated",
    0x51: "call of an uninitialised internal function",
}
MAX_ABI: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its type as the signature has it, its name, whether an event indexes it."""

    type: str
    name: str = ""
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A function, event, error or constructor."""

    kind: str
    name: str
    inputs: tuple[Parameter, ...] = ()
    outputs: tuple[Parameter, ...] = ()
    mutability: str = "nonpayable"
    anonymous: bool = False

    @property
    def signature(self) -> str:
        """Name and types, as they are hashed."""
        return f"{self.name}({','.join(p.type for p in self.inputs)})"

    @property
    def topic(self) -> bytes:
        """The hash of the signature: an event's first topic."""
        return keccak256(self.signature.encode())

    @property
    def selector(self) -> bytes:
        """The four bytes that begin a call, or an error."""
        return self.topic[:4]

    def encode(self, arguments: Sequence[Any]) -> bytes:
        """The data of a call. Raises DecodeError for arguments that do not fit."""
        head = self.selector if self.kind in ("function", "error") else b""
        return head + encode([p.type for p in self.inputs], arguments)

    def decode_result(self, data: bytes) -> tuple[Any, ...]:
        """What a call returned. Raises DecodeError."""
        return decode([p.type for p in self.outputs], data)


def split_types(text: str) -> list[str]:
    """Cut at the commas that lie in no bracket. Raises DecodeError."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if depth < 0:
            raise DecodeError("a bracket closes that was not opened")
        if character == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    if depth:
        raise DecodeError("a bracket is not closed")
    last = text[start:].strip()
    return [*parts, last] if parts or last else []


def _canonical(kind: str) -> str:
    """`uint` is short for `uint256`; a tuple's own parameters may be named."""
    if kind.startswith("("):
        close = kind.rindex(")")
        inner = ",".join(_parameter(part).type for part in split_types(kind[1:close]))
        return f"({inner}){kind[close + 1 :]}"
    return re.sub(r"^(u?int|u?fixed|byte)(?![0-9a-z])", lambda m: _ALIASES[m[1]], kind)


_ALIASES: Final = {
    "uint": "uint256",
    "int": "int256",
    "fixed": "fixed128x18",
    "ufixed": "ufixed128x18",
    "byte": "bytes1",
}


def _parameter(text: str) -> Parameter:
    """A type, and maybe `indexed`, a data location and a name behind it."""
    text = text.strip().removeprefix("tuple") if text.strip().startswith("tuple(") else text.strip()
    close = text.rfind(")") + 1
    tail = re.match(r"[\[\]0-9]*", text[close:])
    end = close + (tail.end() if tail else 0) if close else len(text.split(" ")[0])
    kind, words = text[:end], text[end:].split()
    indexed = "indexed" in words
    names = [word for word in words if word not in ("indexed", "memory", "calldata", "storage", "payable")]
    if not kind or len(names) > 1:
        raise DecodeError(f"{text!r} is not a parameter")
    return Parameter(_canonical(kind), names[0] if names else "", indexed)


def parse_signature(text: str) -> Entry:
    """A function from `name(types)` or `name(types)(types)`, `returns` and names allowed; `event` and `error` before it.

    Raises DecodeError.
    """
    match = re.fullmatch(r"\s*(?:(function|event|error)\s+)?([A-Za-z_$][\w$]*)?\s*\((.*)\)\s*", text, re.DOTALL)
    if match is None:
        raise DecodeError(f"{text[:80]!r} is not a signature such as 'transfer(address,uint256)'")
    kind, name, rest = match[1] or "function", match[2] or "", match[3]
    depth, end = 1, 0
    for end, character in enumerate(rest + ")"):  # noqa: B007 - where the inputs close
        depth += (character == "(") - (character == ")")
        if depth == 0:
            break
    inputs, after = rest[:end], rest[end + 1 :]
    outputs = ""
    words = after.split("(", 1)
    if len(words) == 2:
        outputs = words[1]
    elif end != len(rest):
        raise DecodeError(f"{text[:80]!r} has a bracket too many")
    known = ("view", "pure", "payable")
    mutability = next((word for word in words[0].split() if word in known), "nonpayable")
    return Entry(
        kind,
        name,
        tuple(_parameter(part) for part in split_types(inputs)),
        tuple(_parameter(part) for part in split_types(outputs)),
        mutability,
    )


def _json_type(data: Any, depth: int = 0) -> str:
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str) or depth > 32:
        raise DecodeError("a parameter of the ABI has no type, or is nested too deeply")
    if not kind.startswith("tuple"):
        return _canonical(kind)
    inner = ",".join(_json_type(part, depth + 1) for part in data.get("components") or [])
    return f"({inner}){kind[5:]}"


def _json_parameters(data: Any) -> tuple[Parameter, ...]:
    if not isinstance(data, list):
        return ()
    return tuple(Parameter(_json_type(p), str(p.get("name") or ""), bool(p.get("indexed"))) for p in data)


def parse_abi(text: str) -> list[Entry]:
    """The entries of an ABI file: a JSON list, or an object that has one under `abi`. Raises DecodeError."""
    if len(text) > MAX_ABI:
        raise DecodeError("the ABI file is too large")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise DecodeError("the ABI file is not JSON") from None
    if isinstance(data, dict):
        data = data.get("abi")
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise DecodeError("the ABI file holds no list of functions")
    return [
        Entry(
            str(item.get("type", "function")),
            str(item.get("name", "")),
            _json_parameters(item.get("inputs")),
            _json_parameters(item.get("outputs")),
            str(item.get("stateMutability", "nonpayable")),
            bool(item.get("anonymous", False)),
        )
        for item in data
    ]


def find(entries: Sequence[Entry], name: str, count: int | None = None, kind: str = "function") -> Entry:
    """The entry with a name or a whole signature; of several, the one with so many inputs. Raises DecodeError."""
    alike = [e for e in entries if e.kind == kind and name in (e.name, e.signature)]
    if count is not None and len(alike) > 1:
        alike = [e for e in alike if len(e.inputs) == count]
    if len(alike) != 1:
        raise DecodeError(f"{'no' if not alike else 'more than one'} {kind} {name!r} in the ABI")
    return alike[0]


def encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """Values by their types. Raises DecodeError, which says which type did not fit."""
    from eth_abi.abi import encode as eth_encode
    from eth_abi.exceptions import EncodingError, ParseError

    if len(types) != len(values):
        raise DecodeError(f"{len(types)} arguments wanted, {len(values)} given")
    try:
        return bytes(eth_encode(list(types), [prepare(t, v) for t, v in zip(types, values, strict=True)]))
    except (EncodingError, ParseError, ValueError, TypeError, OverflowError) as e:
        raise DecodeError(f"the arguments do not fit {','.join(types)}: {e}") from None


def decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Values of these types; addresses come as checksummed text. Raises DecodeError."""
    from eth_abi.abi import decode as eth_decode
    from eth_abi.exceptions import DecodingError, ParseError

    try:
        values = eth_decode(list(types), data)
    except (DecodingError, ParseError, ValueError, OverflowError, TypeError) as e:
        raise DecodeError(f"the data are no {','.join(types)}: {e}") from None
    return tuple(_shown(t, v) for t, v in zip(types, values, strict=True))


def _array(kind: str) -> str | None:
    return kind[: kind.rindex("[")] if kind.endswith("]") else None


def _shown(kind: str, value: Any) -> Any:
    inner = _array(kind)
    if inner is not None:
        return [_shown(inner, item) for item in value]
    if kind.startswith("("):
        return tuple(_shown(t, v) for t, v in zip(split_types(kind[1:-1]), value, strict=True))
    return account_encode(bytes.fromhex(value[2:])) if kind == "address" else value


def prepare(kind: str, value: Any) -> Any:
    """A value as the encoder wants it, from Python or from text of the command line. Raises DecodeError."""
    inner = _array(kind)
    if inner is not None or kind.startswith("("):
        items = _list(value) if isinstance(value, str) else list(value)
        kinds = [inner] * len(items) if inner is not None else split_types(kind[1:-1])
        if len(kinds) != len(items):
            raise DecodeError(f"{len(kinds)} values wanted for {kind}, {len(items)} given")
        return [prepare(t, v) for t, v in zip(kinds, items, strict=True)]
    if kind == "address":
        return "0x" + (value if isinstance(value, bytes) else account_decode(str(value))).hex()
    if kind.startswith("bytes"):
        return value if isinstance(value, bytes | bytearray) else _hex(kind, value)
    if kind.startswith(("uint", "int")) and isinstance(value, str):
        return _number(kind, value)
    if kind == "bool" and isinstance(value, str):
        if value.lower() not in ("true", "false"):
            raise DecodeError(f"{value[:20]!r} is neither true nor false")
        return value.lower() == "true"
    return value


def _number(kind: str, text: str) -> int:
    text = text.strip().replace("_", "")
    if re.fullmatch(r"-?[0-9]{1,80}", text):
        return int(text)
    if re.fullmatch(r"-?0x[0-9a-fA-F]{1,64}", text):
        return int(text, 16)
    raise DecodeError(f"{text[:80]!r} is not a number of type {kind}")


def _hex(kind: str, value: Any) -> bytes:
    text = str(value)
    try:
        return bytes.fromhex(text[2:] if text[:2] in ("0x", "0X") else text)
    except ValueError:
        raise DecodeError(f"{text[:80]!r} is not hexadecimal, as {kind} wants") from None


def _list(text: str) -> list[Any]:
    """`[a, b]` or `(a, b)`, quotes allowed; brackets within stay whole."""
    text = text.strip()
    if len(text) < 2 or text[0] + text[-1] not in ("[]", "()"):
        raise DecodeError(f"{text[:80]!r} is not a list such as [1,2]")
    return [part.strip("\"'") for part in split_types(text[1:-1])]


@dataclass(frozen=True, slots=True)
class Revert:
    """Why a call failed."""

    name: str
    text: str
    values: tuple[Any, ...] = ()


def decode_revert(data: bytes, entries: Sequence[Entry] = ()) -> Revert:
    """The reason that a call gave: Error(string), Panic(uint256), or an error of the ABI."""
    try:
        if data[:4] == ERROR:
            reason = str(decode(["string"], data[4:])[0])
            return Revert("Error", reason, (reason,))
        if data[:4] == PANIC:
            code = int(decode(["uint256"], data[4:])[0])
            return Revert("Panic", f"{PANICS.get(code, 'unknown panic')} ({code:#04x})", (code,))
        for entry in entries:
            if entry.kind == "error" and entry.selector == data[:4]:
                values = decode([p.type for p in entry.inputs], data[4:])
                return Revert(entry.name, f"{entry.name}({', '.join(show(v) for v in values)})", values)
    except DecodeError:
        pass
    return Revert("", "reverted without a reason" if not data else "0x" + data.hex())


@dataclass(frozen=True, slots=True)
class Event:
    """A log that was recognised."""

    entry: Entry
    values: tuple[Any, ...]

    def named(self) -> Iterator[tuple[str, Any]]:
        """Names (or places) and values."""
        for at, (parameter, value) in enumerate(zip(self.entry.inputs, self.values, strict=True)):
            yield parameter.name or str(at), value


def decode_log(entries: Sequence[Entry], topics: Sequence[bytes], data: bytes) -> Event | None:
    """The event that a log is, by its first topic and its count of indexed values; None for an unknown one.

    An indexed value of a dynamic type is there as its hash only.
    """
    for entry in entries:
        if entry.kind != "event" or (not entry.anonymous and (not topics or topics[0] != entry.topic)):
            continue
        indexed = [p for p in entry.inputs if p.indexed]
        found = list(topics if entry.anonymous else topics[1:])
        if len(indexed) != len(found):
            continue
        try:
            plain = iter(decode([p.type for p in entry.inputs if not p.indexed], data))
            hashed = iter(
                [t if _is_dynamic(p.type) else decode([p.type], t)[0] for p, t in zip(indexed, found, strict=True)]
            )
        except DecodeError:
            continue
        return Event(entry, tuple(next(hashed) if p.indexed else next(plain) for p in entry.inputs))
    return None


def _is_dynamic(kind: str) -> bool:
    return kind in ("string", "bytes") or kind.endswith("]") or kind.startswith("(")


def show(value: Any) -> str:
    """A decoded value as people read it."""
    if isinstance(value, bytes | bytearray):
        return "0x" + value.hex()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(show(item) for item in value) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(show(item) for item in value) + ")"
    return str(value)
