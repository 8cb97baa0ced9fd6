"""Typed structured data (EIP-712): types, hashes, and the digest that a wallet signs, as eth_signTypedData_v4 has it.

Refuses to sign, and to guess: a value that does not fit its type is a DecodeError.
"""

import re
from typing import Any, Final

from primitives.address import account_decode
from primitives.errors import DecodeError
from primitives.hashing import keccak256

DOMAIN: Final = "EIP712Domain"
MAX_DEPTH: Final = 64
_DOMAIN_FIELDS: Final = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
    ("salt", "bytes32"),
)
Types = dict[str, list[dict[str, str]]]


def _types(data: Any) -> Types:
    types = data.get("types") if isinstance(data, dict) else None
    if not isinstance(types, dict):
        raise DecodeError("typed data has types")
    for name, members in types.items():
        if not isinstance(members, list) or not all(
            isinstance(m, dict) and isinstance(m.get("name"), str) and isinstance(m.get("type"), str) for m in members
        ):
            raise DecodeError(f"the type {name!r} of typed data is not a list of names and types")
    if DOMAIN in types:
        return types
    domain = data.get("domain")
    known = domain if isinstance(domain, dict) else {}
    return {**types, DOMAIN: [{"name": n, "type": t} for n, t in _DOMAIN_FIELDS if n in known]}


def _base(kind: str) -> str:
    return kind.partition("[")[0]


def encode_type(name: str, types: Types) -> str:
    """A struct type and, in order of their names, those that it refers to. Raises DecodeError."""
    found: set[str] = set()
    queue = [name]
    while queue:
        current = queue.pop()
        if current in found:
            continue
        if current not in types:
            raise DecodeError(f"typed data does not define the type {current!r}")
        found.add(current)
        queue.extend(_base(m["type"]) for m in types[current] if _base(m["type"]) in types)
    ordered = [name, *sorted(found - {name})]
    return "".join(f"{n}({','.join(m['type'] + ' ' + m['name'] for m in types[n])})" for n in ordered)


def _bytes(value: Any, kind: str) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, list):  # a byte string as JSON numbers
        if all(isinstance(b, int) and 0 <= b < 256 for b in value):
            return bytes(value)
    elif isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise DecodeError(f"a value of type {kind} is not 0x and hexadecimal digits")


def integer(value: Any, kind: str) -> int:
    """A number within the range of an integer type, also from decimal or 0x text. Raises DecodeError."""
    if isinstance(value, str) and len(value) <= 80:
        text = value.strip()
        if re.fullmatch(r"-?[0-9]+", text):
            value = int(text)
        elif re.fullmatch(r"-?0x[0-9a-fA-F]+", text):
            value = int(text, 16)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DecodeError(f"a value of type {kind} is not a number")
    bits = int(kind.lstrip("uint") or 256)
    least, most = (0, 1 << bits) if kind.startswith("u") else (-(1 << bits - 1), 1 << bits - 1)
    if not least <= value < most:
        raise DecodeError(f"a value is out of the range of {kind}")
    return value


def _atom(kind: str, value: Any) -> bytes:
    if kind == "string":
        if not isinstance(value, str):
            raise DecodeError("a value of type string is not text")
        return keccak256(value.encode("utf-8", "surrogatepass"))
    if kind == "bytes":
        return keccak256(_bytes(value, kind))
    if kind == "bool":
        if not isinstance(value, bool):
            raise DecodeError("a value of type bool is neither true nor false")
        return value.to_bytes(32, "big")
    if kind == "address":
        raw = account_decode(value) if isinstance(value, str) else _bytes(value, kind)
        if len(raw) != 20:
            raise DecodeError("a value of type address does not have 20 bytes")
        return raw.rjust(32, b"\x00")
    match = re.fullmatch(r"bytes([0-9]{1,2})", kind)
    if match and 1 <= int(match[1]) <= 32:
        raw = _bytes(value, kind)
        if len(raw) != int(match[1]):
            raise DecodeError(f"a value of type {kind} has {len(raw)} bytes")
        return raw.ljust(32, b"\x00")
    match = re.fullmatch(r"u?int([0-9]{0,3})", kind)
    if match and (not match[1] or (int(match[1]) % 8 == 0 and 8 <= int(match[1]) <= 256)):
        return integer(value, kind).to_bytes(32, "big", signed=not kind.startswith("u"))
    raise DecodeError(f"typed data uses the unknown type {kind!r}")


def _encode_value(kind: str, value: Any, types: Types, depth: int) -> bytes:
    if depth > MAX_DEPTH:
        raise DecodeError("typed data is nested too deeply")
    if kind.endswith("]"):
        inner, _, size = kind[:-1].rpartition("[")
        if not isinstance(value, list) or (size and (not size.isdigit() or int(size) != len(value))):
            raise DecodeError(f"a value of type {kind} is not a list of that length")
        return keccak256(b"".join(_encode_value(inner, item, types, depth + 1) for item in value))
    if kind in types:
        return bytes(32) if value is None else _struct_hash(kind, value, types, depth + 1)
    return _atom(kind, value)


def _encode_struct(name: str, value: Any, types: Types, depth: int) -> bytes:
    if not isinstance(value, dict):
        raise DecodeError(f"a value of type {name} is not an object")
    parts = [keccak256(encode_type(name, types).encode())]
    for member in types[name]:
        if member["name"] not in value:
            raise DecodeError(f"a value of type {name} has no {member['name']!r}")
        parts.append(_encode_value(member["type"], value[member["name"]], types, depth))
    return b"".join(parts)


def _struct_hash(name: str, value: Any, types: Types, depth: int) -> bytes:
    return keccak256(_encode_struct(name, value, types, depth))


def encode_data(name: str, value: Any, data: Any) -> bytes:
    """The hash of a struct's type, and its members (EIP-712, definition of encodeData). Raises DecodeError."""
    return _encode_struct(name, value, _types(data), 0)


def digest(data: Any) -> bytes:
    """What is signed: 0x1901, the hash of the domain, the hash of the message. Raises DecodeError."""
    types = _types(data)
    primary = data.get("primaryType")
    if not isinstance(primary, str) or primary not in types:
        raise DecodeError("typed data names no primary type that it defines")
    domain = _struct_hash(DOMAIN, data.get("domain"), types, 0)
    if primary == DOMAIN:
        return keccak256(b"\x19\x01" + domain)
    return keccak256(b"\x19\x01" + domain + _struct_hash(primary, data.get("message"), types, 0))
