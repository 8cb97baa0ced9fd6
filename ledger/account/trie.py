"""The Merkle-Patricia trie over a KV: get, put, delete, root, ordered walk, proofs, and the root of a list (Yellow Paper, D).

Knows no accounts. A node is what its RLP says: a list of 17 (branch) or of 2 (leaf, extension). A child held as bytes is clean
and lies in the KV under its hash; a child held as a list is new, changed, or so short that it lies within its parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from primitives import rlp
from primitives.errors import DecodeError, SystemFault
from primitives.ethereum import EMPTY_ROOT
from primitives.ethereum_fields import number
from primitives.hashing import keccak256
from storage.kv import KV, Journal
from storage.layout import NODE

Node = Any
"""b"" (nothing), 32 bytes (a hash), or a list: RLP's own recursive shape."""

_MOST_SEEN: Final = 4_096
"""Nodes that are remembered at a time: some megabytes."""
_TO_NIBBLES: Final = bytes(int(chr(i), 16) if chr(i) in "0123456789abcdef" else 0 for i in range(256))
_FROM_NIBBLES: Final = b"0123456789abcdef" + bytes(240)


def nibbles(key: bytes) -> bytes:
    """The half-bytes of a key, one a byte."""
    return key.hex().encode().translate(_TO_NIBBLES)


def pack_path(path: bytes, leaf: bool) -> bytes:
    """Hex-prefix encoding of a path (Yellow Paper, C)."""
    flag = (b"\x03" if leaf else b"\x01") if len(path) & 1 else (b"\x02\x00" if leaf else b"\x00\x00")
    return bytes.fromhex((flag + path).translate(_FROM_NIBBLES).decode())


def unpack_path(data: bytes) -> tuple[bytes, bool]:
    """The path of a hex-prefix encoding and whether it ends in a leaf."""
    path = nibbles(data)
    return path[1 if path[0] & 1 else 2 :], path[0] >= 2


def keep(kv: KV, key: bytes, value: bytes) -> None:
    """Store content-addressed data, past the undo where the KV is a journal."""
    if isinstance(kv, Journal):
        kv.keep(key, value)
    else:
        kv.put(key, value)


class Trie:
    """A trie with a given root over a KV; changes stay in memory until `commit`, each node is encoded once."""

    __slots__ = ("_kv", "_seen", "_top")

    def __init__(self, kv: KV, root: bytes = EMPTY_ROOT, seen: dict[bytes, list[Node]] | None = None) -> None:
        """`seen`: nodes that were read of this KV and that nobody changes; tries that are read one after another may share it."""
        self._kv = kv
        self._seen = {} if seen is None else seen
        self._top: list[Node] = [b"" if root == EMPTY_ROOT else root]

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, None where there is none."""
        path = nibbles(key)
        node, at, end = self._top[0], 0, len(path)
        while True:
            if isinstance(node, bytes):
                if not node:
                    return None
                node = self._seen.get(node) or self._look(node)
            if len(node) == 17:
                if at == end:
                    return cast(bytes, node[16]) or None
                node = node[path[at]]
                at += 1
                continue
            part, leaf = unpack_path(node[0])
            if leaf:
                return cast(bytes, node[1]) if path[at:] == part else None
            if path[at : at + len(part)] != part:
                return None
            at += len(part)
            node = node[1]

    def put(self, key: bytes, value: bytes) -> None:
        """Set the value of a key; an empty value removes it."""
        if not value:
            return self.delete(key)
        path = nibbles(key)
        holder, slot = self._top, 0
        while True:
            node = holder[slot]
            if isinstance(node, bytes):
                if not node:
                    holder[slot] = [pack_path(path, True), value]
                    return None
                node = holder[slot] = self._load(node)
            if len(node) == 17:
                if not path:
                    node[16] = value
                    return None
                holder, slot, path = node, path[0], path[1:]
                continue
            part, leaf = unpack_path(node[0])
            if leaf and part == path:
                node[1] = value
                return None
            if not leaf and path.startswith(part):
                holder, slot, path = node, 1, path[len(part) :]
                continue
            holder[slot] = _split(node, part, leaf, path, value)
            return None

    def delete(self, key: bytes) -> None:
        """Remove a key; nothing happens where there is none."""
        if self.get(key) is None:
            return
        path = nibbles(key)
        holder, slot = self._top, 0
        above: list[tuple[list[Node], int]] = []
        while True:
            node = holder[slot]
            if isinstance(node, bytes):
                node = holder[slot] = self._load(node)
            above.append((holder, slot))
            if len(node) == 17:
                if not path:
                    node[16] = b""
                    break
                holder, slot, path = node, path[0], path[1:]
                continue
            part, leaf = unpack_path(node[0])
            if leaf:
                holder[slot] = b""
                above.pop()
                break
            holder, slot, path = node, 1, path[len(part) :]
        for holder, slot in reversed(above):
            self._tidy(holder, slot)

    def update(self, changes: Mapping[bytes, bytes]) -> None:
        """Put many values; empty ones remove their keys."""
        for key, value in changes.items():
            self.put(key, value)

    def commit(self) -> bytes:
        """Encode and keep every changed node; returns the root."""
        top = self._top[0]
        if isinstance(top, bytes):
            return top or EMPTY_ROOT
        data = self._encode(top)
        root = keccak256(data)
        keep(self._kv, NODE + root, data)
        self._top[0] = root
        return root

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys with their values, in order of the keys."""
        pending: list[tuple[bytes, Node]] = [(b"", self._top[0])]
        while pending:
            path, node = pending.pop()
            if isinstance(node, bytes):
                if not node:
                    continue
                node = self._load(node)
            if len(node) == 17:
                if node[16]:
                    yield _key(path), node[16]
                pending.extend((path + bytes((i,)), node[i]) for i in range(15, -1, -1) if node[i])
                continue
            part, leaf = unpack_path(node[0])
            if leaf:
                yield _key(path + part), node[1]
            else:
                pending.append((path + part, node[1]))

    def prove(self, key: bytes) -> list[bytes]:
        """The encoded nodes from the root towards a key: proof of its value, or of its absence (EIP-1186)."""
        path = nibbles(key)
        node, proof = self._top[0], list[bytes]()
        while node:
            if isinstance(node, bytes):
                node = self._load(node)
                proof.append(rlp.encode(node))
            if len(node) == 17:
                if not path:
                    break
                node, path = node[path[0]], path[1:]
                continue
            part, leaf = unpack_path(node[0])
            if leaf or not path.startswith(part):
                break
            node, path = node[1], path[len(part) :]
        return proof

    def _look(self, digest: bytes) -> list[Node]:
        """A node to be read alone."""
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        node = self._seen[digest] = self._load(digest)
        return node

    def _load(self, digest: bytes) -> list[Node]:
        data = self._kv.get(NODE + digest)
        if data is None:
            raise SystemFault(f"missing trie node {digest.hex()}")
        return cast(list[Node], rlp.decode(data))

    def _encode(self, node: list[Node]) -> bytes:
        for i in range(16) if len(node) == 17 else (1,):
            child = node[i]
            if not isinstance(child, bytes):
                data = self._encode(child)
                if len(data) >= 32:
                    node[i] = digest = keccak256(data)
                    keep(self._kv, NODE + digest, data)
        return rlp.encode(node)

    def _tidy(self, holder: list[Node], slot: int) -> None:
        """Give a node below which something was removed its one lawful shape again."""
        node = holder[slot]
        if len(node) == 17:
            left = [i for i in range(17) if node[i]]
            if len(left) > 1:
                return
            i = left[0]
            if i == 16:
                holder[slot] = [pack_path(b"", True), node[16]]
                return
            path, child = bytes((i,)), node[i]
        else:
            path, leaf = unpack_path(node[0])
            if leaf:
                return
            child = node[1]
        below = self._load(child) if isinstance(child, bytes) else child
        if len(below) == 17:
            holder[slot] = [pack_path(path, False), child]
        else:
            part, leaf = unpack_path(below[0])
            holder[slot] = [pack_path(path + part, leaf), below[1]]


def _split(node: list[Node], part: bytes, leaf: bool, path: bytes, value: bytes) -> list[Node]:
    """A short node whose path parts from the key's, with the key's value added."""
    same = 0
    for a, b in zip(part, path, strict=False):
        if a != b:
            break
        same += 1
    branch: list[Node] = [b""] * 17
    rest = part[same:]
    if not rest:
        branch[16] = node[1]
    elif leaf or len(rest) > 1:
        branch[rest[0]] = [pack_path(rest[1:], leaf), node[1]]
    else:
        branch[rest[0]] = node[1]
    rest = path[same:]
    if rest:
        branch[rest[0]] = [pack_path(rest[1:], True), value]
    else:
        branch[16] = value
    return [pack_path(part[:same], False), branch] if same else branch


def _key(path: bytes) -> bytes:
    return bytes.fromhex(path.translate(_FROM_NIBBLES).decode())


class _Nowhere:
    """A KV for tries of which only the root is wanted."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...
    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return iter(())


def root_of(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The root of a trie that holds these pairs, without storing it."""
    trie = Trie(_Nowhere())
    for key, value in pairs:
        trie.put(key, value)
    return trie.commit()


def list_root(values: Sequence[bytes]) -> bytes:
    """The root over a list: transactions, receipts, withdrawals; the key is the RLP of the index."""
    return root_of((rlp.encode(number(i)), value) for i, value in enumerate(values))


def verify_proof(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The value that a proof shows for a key, None where it shows absence. Raises DecodeError for a proof that shows neither."""
    nodes = {keccak256(data): data for data in proof}
    store = _Proof(nodes)
    try:
        return Trie(store, root).get(key)
    except SystemFault as e:
        raise DecodeError(f"proof: {e}") from e
    except (IndexError, TypeError) as e:
        raise DecodeError("proof: malformed node") from e


class _Proof(_Nowhere):
    def __init__(self, nodes: Mapping[bytes, bytes]) -> None:
        self._nodes = nodes

    def get(self, key: bytes) -> bytes | None:
        return self._nodes.get(key[len(NODE) :])
