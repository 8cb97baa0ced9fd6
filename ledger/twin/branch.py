"""PayloadBranch: the payloads of a chain as a branch of their own, read from the state; and how the state remembers them.

It refuses to know rules. Headers lie under their heights, so that a reorganisation takes them back with everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from primitives.chain import Branch, Entry, Status
from primitives.errors import SystemFault
from primitives.ethereum import EthereumHeader, decode_header, encode_header
from storage.kv import KV
from storage.layout import CREDITED, PAYLOAD

_NUMBER: Final = 8


def payload_key(height: int) -> bytes:
    """Where the header of a connected block's payload lies."""
    return PAYLOAD + height.to_bytes(4, "big")


def payload_at(state: KV, height: int) -> EthereumHeader | None:
    """The header of the payload at a height of the chain whose state this is."""
    data = state.get(payload_key(height))
    return None if data is None else decode_header(data)


def credited(state: KV) -> int:
    """How many deposits were credited so far: the index of the next withdrawal."""
    data = state.get(CREDITED)
    return 0 if data is None else int.from_bytes(data, "big")


def remember(header: EthereumHeader, deposits: int, state: KV) -> None:
    """Write down a payload's header, and that its block credits so many deposits more."""
    state.put(payload_key(header.number), encode_header(header))
    if deposits:
        state.put(CREDITED, (credited(state) + deposits).to_bytes(_NUMBER, "big"))


class PayloadBranch:
    """A Branch of payload headers, as the rules of accounts want it. `state` is the one after the outer branch's tip."""

    __slots__ = ("_outer", "_state", "_tip")

    def __init__(self, outer: Branch[Any], state: KV) -> None:
        self._outer = outer
        self._state = state
        self._tip: Entry[EthereumHeader] | None = None

    @property
    def tip(self) -> Entry[EthereumHeader]:
        """The payload of the outer tip."""
        if self._tip is None:
            self._tip = self.at(self._outer.tip.height)
        return self._tip

    def at(self, height: int) -> Entry[EthereumHeader]:
        """The payload at a height from 0 to the tip's."""
        header = payload_at(self._state, height)
        if header is None:
            raise SystemFault(f"the payload at height {height} is not in the state")
        return Entry(header, height, height, status=Status.VALID)

    def last(self, count: int) -> Sequence[Entry[EthereumHeader]]:
        """The newest payloads, newest first."""
        top = self._outer.tip.height
        return [self.at(height) for height in range(top, max(-1, top - count), -1)]

    def median_time(self) -> int:
        """The outer one: both halves have the same times."""
        return self._outer.median_time()
