"""Ethereum's parameter types: quantities, data, addresses, blocks by tag, number or hash, filters of logs; from JSON, with geth's words.

A wrong value raises RpcError(-32602); the registry adds which argument it was. Knows no chain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from node.rpc.errors import INVALID_PARAMS, RpcError

_HEX: Final = re.compile(r"[0-9a-fA-F]*")
_DIGITS: Final = re.compile(r"[0-9a-fA-F]{1,64}")
_SHOWN: Final = 80


def wrong(why: str) -> RpcError:
    """The error for a value that cannot be."""
    return RpcError(INVALID_PARAMS, why)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise wrong(f"{what} must be a hex string, not {_kind(value)}")
    if value[:2] not in ("0x", "0X"):
        raise wrong("hex string without 0x prefix" if value else "empty hex string")
    return value[2:]


def _kind(value: Any) -> str:
    names = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "a string")


def quantity(value: Any, name: str = "quantity", bits: int = 256) -> int:
    """A number from 0x-hex. Leading zeros pass, as some clients send them."""
    digits = _text(value, name)
    if not digits:
        raise wrong(f'hex string "0x" is no number ({name})')
    if not _DIGITS.fullmatch(digits):
        raise wrong(f"invalid hex string ({name})" if not _HEX.fullmatch(digits) else f"hex number > 256 bits ({name})")
    number = int(digits, 16)
    if number >> bits:
        raise wrong(f"hex number > {bits} bits ({name})")
    return number


def _quantity(value: Any, name: str) -> int:
    return quantity(value, name)


def _uint64(value: Any, name: str) -> int:
    return quantity(value, name, 64)


def number(value: Any, name: str = "number") -> int:
    """A number, as JSON's own or as hex: what control methods take."""
    if isinstance(value, bool) or value is None:
        raise wrong(f"{name} must be a number or a hex string, not {_kind(value)}")
    if isinstance(value, int):
        if not 0 <= value < 1 << 256:
            raise wrong(f"{name} is out of range")
        return value
    if isinstance(value, float):
        if not value.is_integer() or not 0 <= value < 1 << 256:
            raise wrong(f"{name} must be a whole number")
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 78:
        return int(value)
    return quantity(value, name)


def data(value: Any, name: str = "data") -> bytes:
    """Bytes from 0x-hex."""
    digits = _text(value, name)
    if len(digits) & 1:
        raise wrong(f"hex string of odd length ({name})")
    if not _HEX.fullmatch(digits):
        raise wrong(f"invalid hex string ({name})")
    return bytes.fromhex(digits)


def fixed(value: Any, size: int, name: str) -> bytes:
    """Bytes of one length from 0x-hex."""
    found = data(value, name)
    if len(found) != size:
        raise wrong(f"hex string has length {2 * len(found)}, want {2 * size} for {name}")
    return found


def address(value: Any, name: str = "address") -> bytes:
    """An address; a wrong check sum passes, as in every node."""
    return fixed(value, 20, name)


def digest(value: Any, name: str = "hash") -> bytes:
    """A 32-byte hash."""
    return fixed(value, 32, name)


def word(value: Any, name: str = "word") -> int:
    """A slot or value of up to 32 bytes, however many digits are given."""
    if isinstance(value, int) and not isinstance(value, bool):
        return number(value, name)
    text = value if isinstance(value, str) else _text(value, name)
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if len(digits) > 64:
        raise wrong(f'storage key too long (want at most 32 bytes): "{text[:_SHOWN]}"')
    if not _HEX.fullmatch(digits):
        raise wrong(f'invalid hex in storage key: "{text[:_SHOWN]}"')
    return int(digits or "0", 16)


def flag(value: Any, name: str) -> bool:
    """A truth value."""
    if not isinstance(value, bool):
        raise wrong(f"{name} must be true or false, not {_kind(value)}")
    return value


TAGS: Final = ("latest", "pending", "earliest", "safe", "finalized")


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block as clients name it: a tag, a number, or a hash (EIP-1898)."""

    tag: str = ""
    number: int | None = None
    hash: bytes | None = None
    canonical: bool = False
    """Whether the hash must be on the connected chain."""


LATEST: Final = BlockRef("latest")


def block_number(value: Any, name: str = "block") -> BlockRef:
    """A tag or a number."""
    if value in TAGS:
        return BlockRef(value)
    if isinstance(value, int) and not isinstance(value, bool):
        raise wrong(f"{name} must be a hex string or a tag, not a number")
    return BlockRef(number=quantity(value, name, 64))


def block_ref(value: Any, name: str = "block") -> BlockRef:
    """A tag, a number, a hash, or an object with `blockNumber` or `blockHash`."""
    if isinstance(value, Mapping):
        has_hash, has_number = value.get("blockHash") is not None, value.get("blockNumber") is not None
        if has_hash and has_number:
            raise wrong("cannot specify both BlockHash and BlockNumber, choose one or the other")
        if has_hash:
            canonical = flag(value.get("requireCanonical", False), "requireCanonical")
            return BlockRef(hash=digest(value["blockHash"], "blockHash"), canonical=canonical)
        if has_number:
            return block_number(value["blockNumber"], "blockNumber")
        raise wrong(f"{name} names neither blockNumber nor blockHash")
    if isinstance(value, str) and len(value) == 66:
        return BlockRef(hash=digest(value, name))
    return block_number(value, name)


Quantity = Annotated[int, _quantity]
Uint64 = Annotated[int, _uint64]
Number = Annotated[int, number]
Data = Annotated[bytes, data]
Address = Annotated[bytes, address]
Digest = Annotated[bytes, digest]
Word = Annotated[int, word]
Flag = Annotated[bool, flag]
Block = Annotated[BlockRef, block_ref]
BlockNumber = Annotated[BlockRef, block_number]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which logs are wanted: addresses (none: any), and for each place of the topics the ones that fit (none: any)."""

    addresses: frozenset[bytes] = frozenset()
    topics: tuple[frozenset[bytes], ...] = ()
    first: BlockRef | None = None
    last: BlockRef | None = None
    block: bytes | None = None

    def fits(self, address: bytes, topics: tuple[bytes, ...]) -> bool:
        """Whether a log is wanted."""
        if self.addresses and address not in self.addresses:
            return False
        if len(self.topics) > len(topics):
            return False
        return all(not wanted or topics[i] in wanted for i, wanted in enumerate(self.topics))


MOST_TOPICS: Final = 4
MOST_VALUES: Final = 1_000


def log_query(value: Any, name: str = "filter") -> LogQuery:
    """A filter object of eth_getLogs, eth_newFilter or a subscription to logs."""
    if not isinstance(value, Mapping):
        raise wrong(f"{name} must be an object, not {_kind(value)}")
    block = value.get("blockHash")
    first, last = value.get("fromBlock"), value.get("toBlock")
    if block is not None and (first is not None or last is not None):
        raise wrong("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
    return LogQuery(
        frozenset(address(a) for a in _several(value.get("address"), "address")),
        _topics(value.get("topics")),
        None if first is None else block_number(first, "fromBlock"),
        None if last is None else block_number(last, "toBlock"),
        None if block is None else digest(block, "blockHash"),
    )


def _several(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    if len(values) > MOST_VALUES:
        raise wrong(f"exceed max {name} count of {MOST_VALUES}")
    return values


def _topics(value: Any) -> tuple[frozenset[bytes], ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong(f"topics must be an array, not {_kind(value)}")
    if len(value) > MOST_TOPICS:
        raise wrong("exceed max topics")
    found = []
    for place in value:
        options = _several(place, "topics")
        found.append(frozenset() if None in options else frozenset(digest(t, "topic") for t in options))
    return tuple(found)


Logs = Annotated[LogQuery, log_query]
