"""Core's JSON of transactions and scripts: rpc/decoded_tx.json and rpc/rpc_decodescript.json, and the sync chain's statistics."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from chains.bitcoin import MAINNET, REGTEST
from node.rpc.bitcoin_json import decode_script, tx_json
from node.rpc.dispatch import encode
from node.rpc.tx_decoding import decode_tx


def _decoded(expected: dict[str, Any]) -> None:
    tx = decode_tx(bytes.fromhex(expected["hex"]), MAINNET.ledger.format)
    got = json.loads(encode(tx_json(tx, MAINNET.addresses)))
    assert got == expected, f"{got} != {expected}"


def _script(script: str, expected: dict[str, Any]) -> None:
    got = json.loads(encode(decode_script(bytes.fromhex(script), REGTEST.addresses)))
    assert got == expected, f"{got} != {expected}"


def rpc_shapes(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Each decoded transaction and each decoded script, field by field."""
    for row in json.loads((folder / "rpc" / "decoded_tx.json").read_text()):
        yield row["name"], partial(_decoded, row["decoded"])
    for script, expected in json.loads((folder / "rpc" / "rpc_decodescript.json").read_text()):
        yield f"decodescript {script}", partial(_script, script, expected)


SUITES = {"rpc_shapes": rpc_shapes}
