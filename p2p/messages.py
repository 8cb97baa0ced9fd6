"""The complete table of messages, and `decode`, which reads it. Here are those that peers exchange about themselves.

It refuses to know the chain; inventory.py, filters.py and compact.py hold the messages about blocks and transactions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from p2p.compact import BlockTransactions, CompactBlock, GetBlockTransactions, Prefilled
from p2p.filters import FilterAdd, FilterClear, FilterLoad, MerkleBlock
from p2p.framing import Frame
from p2p.inventory import (
    MAX_HEADERS,
    MAX_INV,
    MAX_LOCATOR,
    MSG_BLOCK,
    MSG_COMPACT_BLOCK,
    MSG_FILTERED_BLOCK,
    MSG_TX,
    MSG_WITNESS_BLOCK,
    MSG_WITNESS_TX,
    MSG_WTX,
    WITNESS_FLAG,
    BlockMessage,
    GetBlocks,
    GetData,
    GetHeaders,
    Headers,
    Inv,
    Item,
    NotFound,
    TxMessage,
    peek_header,
)
from p2p.netaddress import NOWHERE, NetAddress, read_v1, read_v2, write_v1, write_v2
from p2p.wire import TABLE, Message, TooMany, Unknown, command_of, command_of_class, count, encode, message
from primitives.buffer import Reader, Writer
from primitives.chain import Format
from primitives.errors import DecodeError

MAX_ADDRESSES = 1_000
MAX_USER_AGENT = 256

__all__ = [
    "MAX_ADDRESSES",
    "MAX_HEADERS",
    "MAX_INV",
    "MAX_LOCATOR",
    "MSG_BLOCK",
    "MSG_COMPACT_BLOCK",
    "MSG_FILTERED_BLOCK",
    "MSG_TX",
    "MSG_WITNESS_BLOCK",
    "MSG_WITNESS_TX",
    "MSG_WTX",
    "TABLE",
    "WITNESS_FLAG",
    "Addr",
    "AddrV2",
    "BlockMessage",
    "BlockTransactions",
    "CompactBlock",
    "FeeFilter",
    "FilterAdd",
    "FilterClear",
    "FilterLoad",
    "GetAddr",
    "GetBlockTransactions",
    "GetBlocks",
    "GetData",
    "GetHeaders",
    "Headers",
    "Inv",
    "Item",
    "Known",
    "MempoolRequest",
    "MerkleBlock",
    "Message",
    "NotFound",
    "Ping",
    "Pong",
    "Prefilled",
    "SendAddrV2",
    "SendCompact",
    "SendHeaders",
    "TooMany",
    "TxMessage",
    "Unknown",
    "Verack",
    "Version",
    "WtxidRelay",
    "command_of",
    "command_of_class",
    "decode",
    "encode",
    "peek_header",
]


def decode(frame: Frame, fmt: Format) -> Message:
    """The message in a frame, Unknown for a foreign command. Raises DecodeError, TooMany among them."""
    read = TABLE.get(frame.command)
    if read is None:
        return Unknown(frame.command, frame.payload)
    r = Reader(frame.payload)
    m = read(r, fmt)
    r.finish()
    return m


@message("version")
@dataclass(frozen=True, slots=True)
class Version:
    """The first word of each side: who speaks, which protocol, from which height."""

    version: int
    services: int
    time: int
    receiver_services: int = 0
    receiver: NetAddress = NOWHERE
    sender_services: int = 0
    sender: NetAddress = NOWHERE
    nonce: int = 0
    user_agent: str = ""
    height: int = 0
    relay: bool = True

    def write(self, w: Writer) -> None:
        w.i32(self.version).u64(self.services).i64(self.time).u64(self.receiver_services)
        write_v1(w, self.receiver)
        w.u64(self.sender_services)
        write_v1(w, self.sender)
        w.u64(self.nonce).var_bytes(self.user_agent.encode("latin-1")).i32(self.height).bool(self.relay)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        version, services, time = r.i32(), r.u64(), r.i64()
        receiver_services, receiver = r.u64(), read_v1(r)
        sender_services, sender, nonce, agent, height, relay = 0, NOWHERE, 0, "", 0, True
        if r.left:
            sender_services, sender, nonce = r.u64(), read_v1(r), r.u64()
        if r.left:
            length = r.compact()
            if length > MAX_USER_AGENT:
                raise TooMany(f"user agent of {length} bytes, {MAX_USER_AGENT} allowed")
            agent = r.bytes(length).decode("latin-1")
        if r.left:
            height = r.i32()
        if r.left:
            relay = r.bool()
        r.pos = r.end  # later versions may add fields
        return cls(
            version, services, time, receiver_services, receiver, sender_services, sender, nonce, agent, height, relay
        )


@message("verack")
@dataclass(frozen=True, slots=True)
class Verack:
    """Accepts the other side's version."""

    def write(self, w: Writer) -> None:
        return None

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls()


@message("wtxidrelay")
@dataclass(frozen=True, slots=True)
class WtxidRelay:
    """Asks to announce transactions by wtxid (BIP339); sent before verack."""

    def write(self, w: Writer) -> None:
        return None

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls()


@message("sendaddrv2")
@dataclass(frozen=True, slots=True)
class SendAddrV2:
    """Asks for addresses in the form of BIP155; sent before verack."""

    def write(self, w: Writer) -> None:
        return None

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls()


@message("sendheaders")
@dataclass(frozen=True, slots=True)
class SendHeaders:
    """Asks to announce blocks by their headers (BIP130)."""

    def write(self, w: Writer) -> None:
        return None

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls()


@message("getaddr")
@dataclass(frozen=True, slots=True)
class GetAddr:
    """Asks for addresses of other peers."""

    def write(self, w: Writer) -> None:
        return None

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls()


@message("mempool")
@dataclass(frozen=True, slots=True)
class MempoolRequest:
    """Asks for the ids of all pooled transactions (BIP35)."""

    def write(self, w: Writer) -> None:
        return None

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls()


@message("ping")
@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a pong with the same nonce (BIP31)."""

    nonce: int

    def write(self, w: Writer) -> None:
        w.u64(self.nonce)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls(r.u64())


@message("pong")
@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a ping."""

    nonce: int

    def write(self, w: Writer) -> None:
        w.u64(self.nonce)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls(r.u64())


@message("feefilter")
@dataclass(frozen=True, slots=True)
class FeeFilter:
    """Tells the least fee rate of transactions worth announcing, in satoshi per 1,000 vbytes (BIP133)."""

    rate: int

    def write(self, w: Writer) -> None:
        w.i64(self.rate)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls(r.i64())


@message("sendcmpct")
@dataclass(frozen=True, slots=True)
class SendCompact:
    """Asks the peer to announce blocks in compact form (BIP152)."""

    high_bandwidth: bool
    version: int

    def write(self, w: Writer) -> None:
        w.bool(self.high_bandwidth).u64(self.version)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        flag = r.u8()
        if flag > 1:
            raise DecodeError(f"{flag} is not a truth value")
        return cls(flag == 1, r.u64())


@dataclass(frozen=True, slots=True)
class Known:
    """An address with the services that it is said to have and the second it was last seen."""

    time: int
    services: int
    address: NetAddress


@message("addr")
@dataclass(frozen=True, slots=True)
class Addr:
    """Addresses of peers in the form that knows IPv4 and IPv6 only."""

    entries: tuple[Known, ...]

    def write(self, w: Writer) -> None:
        w.compact(len(self.entries))
        for e in self.entries:
            w.u32(e.time).u64(e.services)
            write_v1(w, e.address)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        n = count(r, 30, MAX_ADDRESSES, "addresses")
        return cls(tuple(Known(r.u32(), r.u64(), read_v1(r)) for _ in range(n)))


@message("addrv2")
@dataclass(frozen=True, slots=True)
class AddrV2:
    """Addresses of peers on any kind of network (BIP155)."""

    entries: tuple[Known, ...]

    def write(self, w: Writer) -> None:
        w.compact(len(self.entries))
        for e in self.entries:
            w.u32(e.time).compact(e.services)
            write_v2(w, e.address)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        n = count(r, 9, MAX_ADDRESSES, "addresses")
        return cls(tuple(Known(r.u32(), r.compact(), read_v2(r)) for _ in range(n)))
