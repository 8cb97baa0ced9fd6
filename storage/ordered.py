"""OrderedKeys: keys in order that come and go one by one. It knows no values.

Chunks of at most 4,096 keys; changes are noted and put in place when somebody walks, so that writers do not pay for order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

_CHUNK = 2048


class OrderedKeys:
    """A sorted set of keys."""

    __slots__ = ("_chunks", "_firsts", "_late")

    def __init__(self, keys: list[bytes]) -> None:
        keys = sorted(keys)
        self._chunks = [keys[i : i + _CHUNK] for i in range(0, len(keys), _CHUNK)] or [[]]
        self._firsts = [b"", *(c[0] for c in self._chunks[1:])]
        self._late: dict[bytes, bool] = {}

    def note(self, key: bytes, present: bool) -> None:
        """A key came, or went."""
        self._late[key] = present

    def since(self, key: bytes, most: int) -> list[bytes]:
        """Up to `most` keys from `key` on."""
        if self._late:
            self._settle()
        at = bisect_right(self._firsts, key) - 1
        i = bisect_left(self._chunks[at], key)
        found: list[bytes] = []
        while at < len(self._chunks) and len(found) < most:
            found += self._chunks[at][i : i + most - len(found)]
            at, i = at + 1, 0
        return found

    def _settle(self) -> None:
        for key, present in self._late.items():
            at = bisect_right(self._firsts, key) - 1
            chunk = self._chunks[at]
            i = bisect_left(chunk, key)
            held = i < len(chunk) and chunk[i] == key
            if present and not held:
                insort(chunk, key)
                if len(chunk) > 2 * _CHUNK:
                    self._chunks[at : at + 1] = [chunk[:_CHUNK], chunk[_CHUNK:]]
                    self._firsts.insert(at + 1, chunk[_CHUNK])
            elif held and not present:
                del chunk[i]
                if not chunk and at:
                    del self._chunks[at], self._firsts[at]
        self._late.clear()
