"""How a chain begins in an empty store: identity first, then the genesis block and the state that it starts with."""

from __future__ import annotations

from collections.abc import Sequence

from chains.spec import ChainSpec
from ledger.api import Applied
from node.identity import write_identity
from node.index import Entries, EntryCache, Record, end_key, leaf_key
from node.indexes import Index
from node.view import encode_block
from primitives.chain import Entry, Status
from storage.kv import Journal, Store
from storage.layout import BODY, INDEX_KEY, TIP_KEY, height_key


def begin(spec: ChainSpec, store: Store, indexes: Sequence[Index]) -> None:
    """Write schema, genesis key, genesis block and its state, in one update."""
    genesis, fmt = spec.genesis, spec.ledger.format
    status = Status.BODY | Status.READY | Status.VALID
    entry = Entry(genesis.header, 0, spec.engine.weight(genesis.header), 0, status)
    with store.update() as kv:
        write_identity(kv, entry.hash)
        Entries(kv, fmt, EntryCache()).put(Record(entry, bytes(32)))
        kv.put(leaf_key(entry), entry.hash)
        kv.put(end_key(entry), entry.hash)
        kv.put(BODY + entry.hash, encode_block(genesis, fmt))
        kv.put(height_key(0), entry.hash)
        kv.put(TIP_KEY, entry.hash)
        journal = Journal(kv)
        spec.ledger.genesis(genesis, journal)
        for index in indexes:
            index.on_connect(genesis, entry, Applied(), journal)
            kv.put(INDEX_KEY + index.name.encode(), b"")
        journal.commit()
