"""The PeerCoin vectors that are bytes: what the node sent to a peer, and transactions of version 3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from p2p.framing import Frame
from p2p.inventory import BlockMessage, Headers
from p2p.messages import CompactBlock, Ping, SendCompact, Unknown, Version, decode
from primitives.bitcoin import read_transaction
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.peercoin import PeercoinFormat, decode_block, encode_block, is_coinstake

Case = tuple[str, Callable[[], None]]

FORMAT = PeercoinFormat()


@cache
def _load(path: Path) -> Any:
    return json.loads(path.read_text())


def _written(message: Any) -> bytes:
    w = Writer()
    message.write(w)
    return w.done()


def transactions(root: Path) -> Iterator[Case]:
    """Transactions of version 3: encoding, ids, kinds."""
    for at, row in enumerate(_load(root / "mainnet" / "coinlib-transactions.json")["vectors"]):
        yield str(at), partial(_transaction, row)


def _transaction(row: Mapping[str, Any]) -> None:
    raw = bytes.fromhex(row["hex"])
    r = Reader(raw)
    tx = read_transaction(r, timed=True)
    r.finish()
    assert tx.raw == raw and tx.time is None
    assert (tx.id[::-1].hex(), tx.wtxid[::-1].hex()) == (row["txid"], row["wtxid"])
    assert (tx.is_coinbase, is_coinstake(tx), tx.has_witness) == (
        row["isCoinBase"],
        row["isCoinStake"],
        row["isWitness"],
    )
    assert len(tx.raw) == row["size"]
    rebuilt = type(tx)(tx.version, tx.inputs, tx.outputs, tx.lock_time, tx.time)
    assert rebuilt.raw == raw


def wire(root: Path) -> Iterator[Case]:
    """Every message that the node sent is read, and written again it is the same bytes but for flags that are not a peer's to tell."""
    data = _load(root / "p2p-wire.json")
    for at, (command, payload) in enumerate(data["handshakeFromNode"]):
        yield f"handshake/{at}/{command}", partial(_handshake, command, bytes.fromhex(payload))
    yield "headers", partial(_headers, root, data["headersAfterGenesis"])
    for name in ("powBlock", "posBlock"):
        for form in ("MSG_WITNESS_BLOCK", "MSG_BLOCK", "MSG_CMPCT_BLOCK"):
            yield f"{name}/{form}", partial(_block, data[name], form)


def _handshake(command: str, payload: bytes) -> None:
    message = decode(Frame(command, payload), FORMAT)
    assert not isinstance(message, Unknown)
    assert _written(message) == payload
    if isinstance(message, Version):
        assert message.version == 70018 and "Peercoin" in message.user_agent
    if isinstance(message, SendCompact):
        assert (message.high_bandwidth, message.version) == (False, 2)
    if isinstance(message, Ping):
        assert len(payload) == 8


def _headers(root: Path, told: Mapping[str, Any]) -> None:
    payload = bytes.fromhex(told["full"])
    assert len(payload) == told["length"] and payload[:3].hex() == told["countVarint"]
    assert payload.hex().startswith(told["first3"])
    message = decode(Frame("headers", payload), FORMAT)
    assert isinstance(message, Headers) and _written(message) == payload
    rows = [json.loads(line) for line in (root / "regtest-chain.jsonl").read_text().splitlines()]
    known = {row["hash"]: row["block"]["flags"] for row in rows}
    left = {b["hash"]: b["hex"] for b in _load(root / "regtest-chain-meta.json")["reorg"]["abandoned"]}
    bits = set()
    for header, raw in zip(message.headers, message.raw, strict=True):
        name = header.hash[::-1].hex()
        stake = decode_block(bytes.fromhex(left[name])).is_stake if name in left else "proof-of-stake" in known[name]
        assert header.stake == stake, name
        bits.add(int.from_bytes(raw[80:], "little"))
        assert header.wire == raw[:80] + int(stake).to_bytes(4, "little")
    assert max(bits) > 1, "the node sends flags of its own, which are masked"
    again = Headers.of(message.headers, FORMAT)
    back = decode(Frame("headers", _written(again)), FORMAT)
    assert isinstance(back, Headers) and back.headers == message.headers


def _block(row: Mapping[str, Any], form: str) -> None:
    raw, sent = bytes.fromhex(row["rpcHex"]), row[form]
    payload = bytes.fromhex(sent["payload"])
    whole = decode_block(raw)
    assert encode_block(whole) == raw
    message = decode(Frame(sent["command"], payload), FORMAT)
    assert _written(message) == payload
    assert payload[80:84].hex() == row["wireFlagsBytes"]
    if isinstance(message, CompactBlock):
        assert message.header == whole.header and message.signature == whole.signature
        assert [p.tx for p in message.prefilled] == [whole.txs[p.index] for p in message.prefilled]
        assert len(message.short_ids) + len(message.prefilled) == len(whole.txs)
        rest = [tx for at, tx in enumerate(whole.txs) if at not in {p.index for p in message.prefilled}]
        assert [message.short_id(tx.wtxid) for tx in rest] == list(message.short_ids)
        return
    assert isinstance(message, BlockMessage) and message.header == whole.header
    r = Reader(payload)
    block = FORMAT.read_block(r, Form.WIRE)
    r.finish()
    bare = Form.WIRE if form == "MSG_WITNESS_BLOCK" else Form.BARE
    w = Writer()
    FORMAT.write_block(w, whole, bare)
    assert w.done() == payload
    if bare is Form.WIRE:
        assert row["wireEqualsRpcWithFlagsInserted"] and payload == raw[:80] + payload[80:84] + raw[80:]
        assert block == whole


SUITES: dict[str, Callable[[Path], Iterator[Case]]] = {"transactions": transactions, "wire": wire}
