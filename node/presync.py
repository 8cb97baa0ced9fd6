"""Presync: headers of a chain that has not shown its weight yet. It remembers one bit in 600 of them, then has them sent again.

So a flood of cheap headers costs its sender and not us (CVE-2019-25220). Source: Bitcoin Core, headerssync.cpp.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from node.treatment import Misbehaviour
from primitives.chain import Entry

PERIOD = 600
LOOKAHEAD = 14_400
"""Headers of the second pass that must follow one, commitments held, before it is believed."""
MOST_HEADERS = 20_000_000


class Presync:
    """One peer's unproven chain from a known entry on. Feed it headers; it says what to ask next and what to believe."""

    __slots__ = (
        "_at",
        "_bits",
        "_count",
        "_floor",
        "_held",
        "_last",
        "_offset",
        "_salt",
        "_start",
        "_weight",
        "done",
        "second",
    )

    def __init__(self, start: Entry[Any], floor: int, salt: bytes) -> None:
        self._start = start
        self._floor = floor
        self._salt = salt
        self._offset = salt[0] * PERIOD // 256
        self._bits = bytearray()
        self._held: deque[Any] = deque()
        self.second = False
        """Whether the chain has shown its weight once and is being sent again."""
        self.done = False
        self._restart()

    def _restart(self) -> None:
        self._last = self._start.hash
        self._weight = self._start.weight
        self._count = 0

    @property
    def next(self) -> bytes:
        """The hash after which to ask for more headers."""
        return self._last

    @property
    def memory(self) -> int:
        """Bits and headers held."""
        return len(self._bits) + len(self._held)

    def feed(self, headers: Sequence[Any], works: Sequence[int], full: bool) -> list[Any]:
        """Take the next headers, with what each adds; returns those that may be kept now.

        Sets `done` where there is no more to expect. Raises Misbehaviour("presync-mismatch") for a chain that is not
        the one shown before.
        """
        released: list[Any] = []
        for place, (header, work) in enumerate(zip(headers, works, strict=True)):
            if header.parent != self._last:
                raise Misbehaviour("presync-mismatch", "the headers do not go on where the last ones ended")
            self._last = header.hash
            self._weight += work
            self._count += 1
            if self._count % PERIOD == self._offset:
                self._commit(header.hash)
            if self.second:
                self._held.append(header)
                while len(self._held) > LOOKAHEAD:
                    released.append(self._held.popleft())
            if self._weight >= self._floor:
                if self.second:
                    released += self._held
                    self._held.clear()
                    self.done = True
                    return [*released, *headers[place + 1 :]]
                self.second = True
                self._restart()
                return []
        if not full or self._count > MOST_HEADERS:
            self.done = True
        return released

    def _commit(self, digest: bytes) -> None:
        """Remember a bit of the first pass; compare it in the second."""
        bit = sha256(self._salt + digest).digest()[0] & 1
        at = self._count // PERIOD
        byte, shift = at // 8, at % 8
        if not self.second:
            while len(self._bits) <= byte:
                self._bits.append(0)
            self._bits[byte] |= bit << shift
        elif byte >= len(self._bits) or self._bits[byte] >> shift & 1 != bit:
            raise Misbehaviour("presync-mismatch", "another chain than the one shown before")
