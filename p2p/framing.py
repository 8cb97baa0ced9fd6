"""Framer: bytes in, frames out (magic, command, length, checksum), and `pack`, the way back.

It refuses to know what a payload means, and holds no byte beyond the one incomplete frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from struct import Struct

from primitives.errors import DecodeError

HEADER_SIZE = 24
_HEADER = Struct("<4s12sI4s")
_LENGTH = Struct("<I")
_PRINTABLE = frozenset(range(0x20, 0x7F))


class BadFrame(DecodeError):
    """The stream is not one of this network's: the connection cannot go on. `rule` is a stable word."""

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(f"{rule}, {detail}" if detail else rule)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it travelled: its command and its payload."""

    command: str
    payload: bytes


def checksum(payload: bytes) -> bytes:
    """The first four bytes of the payload's SHA-256d."""
    return sha256(sha256(payload).digest()).digest()[:4]


def pack(magic: bytes, command: str, payload: bytes) -> bytes:
    """The frame that carries a payload."""
    return _HEADER.pack(magic, command.encode("ascii"), len(payload), checksum(payload)) + payload


def _command(field: bytes) -> str | None:
    """The name in a NUL-padded field; None where bytes follow the padding or are not printable ASCII."""
    name = field.rstrip(b"\0")
    return name.decode("ascii") if _PRINTABLE.issuperset(name) else None


class Framer:
    """Cuts a byte stream into frames.

    A frame with a wrong checksum or an unreadable command is dropped and counted in `dropped`; the stream goes on
    (Bitcoin Core, net.cpp, V1Transport::GetReceivedMessage).
    """

    __slots__ = ("_buffer", "_need", "dropped", "limit", "magic", "received")

    def __init__(self, magic: bytes, limit: int) -> None:
        self.magic = magic
        self._buffer = bytearray()
        self._need = HEADER_SIZE
        self.limit = limit
        self.dropped = 0
        self.received = 0
        """Bytes that arrived in whole frames, dropped ones included."""

    @property
    def pending(self) -> int:
        """Bytes of the incomplete frame that is held."""
        return len(self._buffer)

    @property
    def missing(self) -> int:
        """Bytes that the incomplete frame wants before anything more can be said of it."""
        return self._need - len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in and return the frames that they complete.

        Raises BadFrame("bad-magic") at the first wrong byte of a magic and BadFrame("oversized") as soon as a length
        above the limit is read, before any of that payload is held.
        """
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._need and self._need > HEADER_SIZE:
            return []
        frames: list[Frame] = []
        pos, end = 0, len(buffer)
        self._need = HEADER_SIZE
        while True:
            if end - pos < HEADER_SIZE:
                self._check_partial(buffer, pos, end)
                break
            magic, field, length, expected = _HEADER.unpack_from(buffer, pos)
            if magic != self.magic:
                raise BadFrame("bad-magic", magic.hex())
            if length > self.limit:
                raise BadFrame("oversized", f"{length} bytes announced, {self.limit} allowed")
            stop = pos + HEADER_SIZE + length
            if stop > end:
                self._need = HEADER_SIZE + length
                break
            with memoryview(buffer) as view:
                payload = bytes(view[pos + HEADER_SIZE : stop])
            command = _command(field)
            if command is None or checksum(payload) != expected:
                self.dropped += 1
            else:
                frames.append(Frame(command, payload))
            self.received += stop - pos
            pos = stop
        if pos:
            del buffer[:pos]
        return frames

    def _check_partial(self, buffer: bytearray, pos: int, end: int) -> None:
        """Judge what is there of a header: a wrong stream is not waited for."""
        seen = min(4, end - pos)
        if buffer[pos : pos + seen] != self.magic[:seen]:
            raise BadFrame("bad-magic", bytes(buffer[pos : pos + seen]).hex())
        if end - pos >= 20 and _LENGTH.unpack_from(buffer, pos + 16)[0] > self.limit:
            raise BadFrame("oversized", "length above the limit")
