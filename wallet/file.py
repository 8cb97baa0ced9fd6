"""The two files of a wallet: what only the wallet knows (JSON), and what the chain told it (a cache, binary).

Refuses to know the disk: bytes in, bytes out. Both begin with a schema version and are covered by a checksum.
"""

import hmac
import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from primitives.bitcoin import read_transaction
from primitives.buffer import Reader, Writer
from primitives.errors import DecodeError
from wallet.api import Point
from wallet.cipher import unhex
from wallet.errors import CORRUPT, TOO_NEW, WalletError
from wallet.history import Place, Record
from wallet.vault import Lock, Secret

SCHEMA: Final = 1
WALLET_FILE: Final = "wallet.json"
HISTORY_FILE: Final = "history.bin"
_MAGIC: Final = b"chainyard wallet history"
HISTORY_SCHEMA: Final = 1


@dataclass(slots=True)
class Keys:
    """What is lost for ever if it is lost: secrets, descriptors, labels, and what was sent but is not mined."""

    chain: str
    created: int
    lock: Lock | None = None
    secrets: list[Secret] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)  # address -> label, purpose
    frozen: list[str] = field(default_factory=list)  # outpoints that are not to be spent
    sent: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, dict[str, str]] = field(default_factory=dict)  # txid -> comment, to, replaces, ...
    flags: dict[str, Any] = field(default_factory=dict)
    scan_from: int | None = None  # a scan that was begun and is not over
    accounts: dict[str, Any] = field(
        default_factory=dict
    )  # of the account kind: extended key, count, labels, what was sent


def _text(body: Any) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def _sum(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def write_keys(keys: Keys) -> bytes:
    """The wallet file."""
    body = {
        "schema": SCHEMA,
        "chain": keys.chain,
        "created": keys.created,
        "lock": keys.lock and keys.lock.record(),
        "secrets": [{"kind": s.kind, "name": s.name, "data": s.data.hex()} for s in keys.secrets],
        "sources": keys.sources,
        "labels": keys.labels,
        "frozen": keys.frozen,
        "sent": keys.sent,
        "notes": keys.notes,
        "flags": keys.flags,
        "scan_from": keys.scan_from,
        "accounts": keys.accounts,
    }
    text = _text(body)
    return f'{text[:-1]},"checksum":"{_sum(text)}"}}\n'.encode()


def _corrupt(why: str) -> WalletError:
    return WalletError(CORRUPT, f"the wallet file is damaged: {why}")


def read_keys(data: bytes) -> Keys:
    """The contents of a wallet file. Raises WalletError: wallet-corrupt, wallet-too-new."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise _corrupt("it is not JSON") from None
    if not isinstance(body, dict) or not isinstance(body.get("schema"), int):
        raise _corrupt("it has no schema version")
    if body["schema"] > SCHEMA:
        raise WalletError(TOO_NEW, f"the wallet file has schema {body['schema']}, this program knows {SCHEMA}")
    found = str(body.pop("checksum", ""))
    if not hmac.compare_digest(found, _sum(_text(body))):
        raise _corrupt("the checksum does not match")
    try:
        return Keys(
            chain=body["chain"],
            created=body["created"],
            lock=Lock.read(body["lock"]) if body["lock"] is not None else None,
            secrets=[Secret(s["kind"], s["name"], unhex(s["data"], "secret", 1 << 16)) for s in body["secrets"]],
            sources=body["sources"],
            labels=body["labels"],
            frozen=body["frozen"],
            sent=body["sent"],
            notes=body["notes"],
            flags=body["flags"],
            scan_from=body["scan_from"],
            accounts=body["accounts"],
        )
    except (KeyError, TypeError, DecodeError):
        raise _corrupt("a part is missing") from None


@dataclass(slots=True)
class Cache:
    """What a scan of the chain would tell again: the last block looked at, some before it, records, derived scripts."""

    chain: str
    tip: Point
    recent: dict[int, bytes]
    records: list[Record]
    scripts: dict[str, dict[int, tuple[bytes, ...]]]
    seen: dict[str, int]


def write_cache(cache: Cache) -> bytes:
    """The history file."""
    w = Writer().bytes(_MAGIC).u8(HISTORY_SCHEMA).var_bytes(cache.chain.encode())
    w.i64(cache.tip.height).var_bytes(cache.tip.hash)
    w.compact(len(cache.recent))
    for height, block_hash in cache.recent.items():
        w.i64(height).var_bytes(block_hash)
    w.compact(len(cache.scripts))
    for text, scripts in cache.scripts.items():
        w.var_bytes(text.encode()).u64(cache.seen[text]).compact(len(scripts))
        for index, found in scripts.items():
            w.u64(index).compact(len(found))
            for script in found:
                w.var_bytes(script)
    w.compact(len(cache.records))
    for r in cache.records:
        flags = r.pooled | r.abandoned << 1 | (r.place is not None) << 2 | (r.rival is not None) << 3
        w.u8(flags | (r.tx.time is not None) << 4).u64(r.received).u64(r.order)
        if r.place is not None:
            w.u64(r.place.height).var_bytes(r.place.hash).u32(r.place.position).u64(r.place.time)
        if r.rival is not None:
            w.u64(r.rival.height).var_bytes(r.rival.hash)
        w.bytes(r.tx.raw)
    data = w.done()
    return data + sha256(data).digest()


def _read_record(r: Reader) -> Record:
    flags, received, order = r.u8(), r.u64(), r.u64()
    place = Place(r.u64(), r.var_bytes(), r.u32(), r.u64()) if flags & 4 else None
    rival = Point(r.u64(), r.var_bytes()) if flags & 8 else None
    tx = read_transaction(r, timed=bool(flags & 16))
    return Record(tx, received, order, place, bool(flags & 1), bool(flags & 2), rival)


def read_cache(data: bytes) -> Cache:
    """The contents of a history file. Raises DecodeError for one that is damaged or of another schema: scan anew then."""
    if len(data) < 64 or not hmac.compare_digest(sha256(data[:-32]).digest(), data[-32:]):
        raise DecodeError("the history file is damaged")
    r = Reader(data, end=len(data) - 32)
    if r.bytes(len(_MAGIC)) != _MAGIC or r.u8() != HISTORY_SCHEMA:
        raise DecodeError("the history file is of another schema")
    chain = r.var_bytes().decode("utf-8", "replace")
    tip = Point(r.i64(), r.var_bytes())
    recent = {r.i64(): r.var_bytes() for _ in range(r.count(9))}
    scripts: dict[str, dict[int, tuple[bytes, ...]]] = {}
    seen = {}
    for _ in range(r.count(10)):
        text = r.var_bytes().decode("utf-8", "replace")
        seen[text] = r.u64()
        scripts[text] = {r.u64(): r.many(Reader.var_bytes) for _ in range(r.count(9))}
    records = [_read_record(r) for _ in range(r.count(60))]
    r.finish()
    return Cache(chain, tip, recent, records, scripts, seen)
