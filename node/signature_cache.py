"""BoundedCache: which checks held before, so that a pooled transaction is not verified again in its block. It only ever saves work."""

from __future__ import annotations


class BoundedCache:
    """A set of keys with a bound; the oldest goes first. Python salts the hash of bytes, so nobody can aim at a slot."""

    __slots__ = ("_keys", "most")

    def __init__(self, most: int = 200_000) -> None:
        self.most = most
        self._keys: dict[bytes, None] = {}

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: bytes) -> None:
        """Remember a key."""
        if len(self._keys) >= self.most:
            self._keys.pop(next(iter(self._keys)), None)
        self._keys[key] = None
