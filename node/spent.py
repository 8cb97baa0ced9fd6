"""The coins that a stored block spent, read back from its undo record. Empty for families without coins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.utxo.coins import Coin, decode_coin
from ledger.utxo.grants import granted_coin, is_grant
from primitives.bitcoin import NULL_OUTPOINT, outpoint
from primitives.errors import SystemFault
from storage.kv import Change
from storage.layout import COIN


def spent_coins(block: Any, undo: Sequence[Change]) -> tuple[Coin, ...]:
    """The coins in input order, the coinbase's null input left out; those made and spent in the block come from its outputs."""
    txs = getattr(block, "outer", block).txs  # the coins' half of a twin block
    if not txs or not hasattr(txs[0], "inputs"):
        return ()
    before = {key[1:]: value for key, value in undo if value is not None and key.startswith(COIN)}
    own: dict[bytes, Coin] = {}
    spent: list[Coin] = []
    for tx in txs:
        for i in tx.inputs:
            if i.outpoint == NULL_OUTPOINT:
                continue
            coin = own.get(i.outpoint)
            if coin is None:
                stored = before.get(i.outpoint)
                if stored is not None:
                    coin = decode_coin(stored)
                elif is_grant(tx, block.header.parent):
                    coin = granted_coin(tx, -1)
                else:
                    raise SystemFault(f"the undo record of block {block.header.hash[::-1].hex()} lacks a spent coin")
            spent.append(coin)
        for n, o in enumerate(tx.outputs):
            own[outpoint(tx.id, n)] = Coin(o.value, o.script, -1)
    return tuple(spent)
