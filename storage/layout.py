"""The one table of key prefixes: which keys there are, what they hold and who writes them. It reads and writes nothing itself.

A prefix is one byte, so that no space can lie inside another. Hashes are in wire order, integers in keys big-endian, so that they sort.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

SCHEMA_VERSION: Final = 1
"""Raised with every change of this table that old data do not survive."""

META: Final = b"!"
ENTRY: Final = b"e"
HEIGHT: Final = b"h"
CHILD: Final = b"k"
LEAF: Final = b"l"
END: Final = b"t"
BODY: Final = b"b"
UNDO: Final = b"u"
SIDE: Final = b"d"
COIN: Final = b"c"
SUPPLY: Final = b"m"
NODE: Final = b"n"
CODE: Final = b"p"
OMMERS: Final = b"o"
PAYLOAD: Final = b"y"
CREDITED: Final = b"w"
POOLED: Final = b"q"
TX: Final = b"x"
FILTER: Final = b"f"
COIN_STATISTICS: Final = b"s"
RECEIPTS: Final = b"r"
PLACE: Final = b"z"
OWN_HEADER: Final = b"v"
MOVE: Final = b"g"

SCHEMA_KEY: Final = META + b"schema"
GENESIS_KEY: Final = META + b"genesis"
TIP_KEY: Final = META + b"tip"
SEQUENCE_KEY: Final = META + b"sequence"
PRECIOUS_KEY: Final = META + b"precious"
SIDES_KEY: Final = META + b"sides"
INDEX_KEY: Final = META + b"index/"

LONGEST_KEY: Final = 64
_HEAD: Final = 32


@dataclass(frozen=True, slots=True)
class Space:
    """One row of the table."""

    name: str
    prefix: bytes
    key: str
    value: str
    writer: str


# fmt: off
TABLE: Final = (
    Space("schema", SCHEMA_KEY, "", "u32: version of this table", "node/identity.py, first of all"),
    Space("genesis", GENESIS_KEY, "", "hash of the genesis block", "node/identity.py, first of all"),
    Space("tip", TIP_KEY, "", "hash of the block whose state this is", "node/work.py"),
    Space("sequence", SEQUENCE_KEY, "", "u64: the next arrival number", "node/tree.py"),
    Space("precious", PRECIOUS_KEY, "", "u64: how many blocks the user called precious", "node/tree.py"),
    Space("sides", SIDES_KEY, "", "hashes of the last side tips, newest first", "node/sides.py"),
    Space("index state", INDEX_KEY, "name of an optional index", "nothing: the index is complete up to the tip", "node/indexes.py"),
    Space("entry", ENTRY, "hash", "height, seq, status, weight, note, skip pointer, header in store form", "node/index.py"),
    Space("height", HEIGHT, "u32 height", "hash, of the connected chain only", "node/work.py"),
    Space("child", CHILD, "hash of the parent, first 24 bytes of the child's", "hash of the child", "node/tree.py"),
    Space("leaf", LEAF, "2^256-1 - weight as u256, seq + 2^63 as u64", "hash of a ready, sound block without such child", "node/tree.py"),
    Space("end", END, "2^256-1 - weight as u256, first 24 bytes of the hash", "hash of an entry without any child", "node/tree.py"),
    Space("body", BODY, "hash", "block in store form", "node/chain.py"),
    Space("undo", UNDO, "hash", "checksum, old values of the keys that the block changed", "node/chain.py"),
    Space("side", SIDE, "hash", "checksum, new values that a block off the connected chain would set", "node/sides.py"),
    Space("coin", COIN, "outpoint (36 bytes)", "height, coinbase, value, script", "ledger/utxo/coins.py"),
    Space("supply", SUPPLY, "", "u64: units of money after the tip, where a chain's rewards depend on it", "ledger/utxo/peercoin.py"),
    Space("node", NODE, "keccak-256 of the node", "trie node", "ledger/account/trie.py"),
    Space("code", CODE, "keccak-256 of the code", "a contract's code", "ledger/account/state.py"),
    Space("ommers", OMMERS, "u64 number of a recent block", "hashes of the ommers that it names", "ledger/account/checks.py"),
    Space("payload", PAYLOAD, "u32 height", "header of the payload, RLP; of the connected chain only", "ledger/twin/branch.py"),
    Space("credited", CREDITED, "", "u64: how many deposits were credited up to the tip", "ledger/twin/branch.py"),
    Space("pooled", POOLED, "sender, u64 nonce", "wei that pooled transactions may cost; never stored", "ledger/account/admission.py"),
    Space("transaction", TX, "id", "hash of the block, u32 place in it", "node/indexes.py"),
    Space("receipts", RECEIPTS, "hash of the block", "RLP of its receipts' canonical bytes", "node/receipts.py"),
    Space("place", PLACE, "hash of a payload", "hashes of the blocks that commit to it", "node/twin_indexes.py"),
    Space("own header", OWN_HEADER, "hash of a block", "header of its payload, RLP", "node/twin_indexes.py"),
    Space("move", MOVE, "d or x, u64 number; n", "a deposit, an exit with what pays it; how many there are", "node/twin_moves.py"),
    Space("filter", FILTER, "hash of the block", "filter header (32 bytes), basic filter (BIP158)", "node/filters.py"),
    Space("coin statistics", COIN_STATISTICS, "u32 height", "sums over the blocks, rolling hash of all coins", "node/coin_statistics.py"),
)
# fmt: on


def fit(key: bytes) -> bytes:
    """The key as stores hold it: beyond 64 bytes its first 32 and a hash of all, so that it keeps its prefix but not its order."""
    return key if len(key) <= LONGEST_KEY else key[:_HEAD] + blake2b(key, digest_size=_HEAD).digest()


def height_key(height: int) -> bytes:
    """Where the hash of the connected block at a height lies."""
    return HEIGHT + height.to_bytes(4, "big")
