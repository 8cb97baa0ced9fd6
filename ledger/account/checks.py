"""Header rules against the parent, the body against its header, and which ommers a block may name.

Difficulty and seals are the engine's. Messages are geth's (consensus/ethash, consensus/beacon, consensus/misc, core/block_validator.go).
"""

from __future__ import annotations

from typing import Final

from ledger.account import dao, fees
from ledger.account.rules import AccountRules, Schedule
from ledger.account.trie import list_root
from primitives import rlp
from primitives.ancestry import GENERATIONS
from primitives.chain import Branch
from primitives.errors import InvalidBlock, InvalidHeader, MalformedBlock, Mutated
from primitives.ethereum import EMPTY_OMMERS, EthereumBlock, EthereumHeader, header_item
from primitives.hashing import keccak256
from storage.kv import KV
from storage.layout import OMMERS

MAX_EXTRA: Final = 32
MIN_GAS_LIMIT: Final = 5_000
MAX_GAS_LIMIT: Final = 2**63 - 1
GAS_LIMIT_QUOTIENT: Final = 1_024
MAX_OMMERS: Final = 2


def check_header(header: EthereumHeader, parent: EthereumHeader, schedule: Schedule, edited: bool = False) -> None:
    """Whether a header is a lawful child of its parent, by all but difficulty, seal and clock.

    Where a dev chain's block is `edited`, how far gas limit and base fee move is told by its directives.

    Raises InvalidHeader with geth's words ("invalid block number", "timestamp older than parent", "invalid gas limit", ...).
    """
    rules = schedule.of(header)
    if header.number != parent.number + 1:
        raise InvalidHeader("invalid block number", f"have {header.number}, parent {parent.number}")
    if len(header.extra_data) > MAX_EXTRA:
        raise InvalidHeader("extra-data too long", f"{len(header.extra_data)} > {MAX_EXTRA}")
    if header.timestamp <= parent.timestamp:
        raise InvalidHeader("timestamp older than parent", f"{header.timestamp} <= {parent.timestamp}")
    if header.gas_limit > MAX_GAS_LIMIT:
        raise InvalidHeader("invalid gasLimit", f"have {header.gas_limit}, max {MAX_GAS_LIMIT}")
    if header.gas_used > header.gas_limit:
        raise InvalidHeader("invalid gasUsed", f"have {header.gas_used}, gasLimit {header.gas_limit}")
    if not rules.seals and any(header.nonce):
        raise InvalidHeader("invalid nonce", f"have 0x{header.nonce.hex()}, want zero")
    if not rules.ommers and header.ommers_hash != EMPTY_OMMERS:
        raise InvalidHeader("invalid uncle hash")
    if not edited:
        _check_gas_limit(header, parent, rules)
    _check_base_fee(header, parent, rules, edited)
    _check_optional(header, rules)
    if rules.fork.blobs is not None:
        _check_blob_fields(header, parent, rules)
    if dao.wants_extra_data(schedule.dao_block, header.number) and header.extra_data != dao.EXTRA_DATA:
        raise InvalidHeader("bad DAO pro-fork extra-data", header.extra_data.hex())


def _check_gas_limit(header: EthereumHeader, parent: EthereumHeader, rules: AccountRules) -> None:
    before = parent.gas_limit
    if rules.fee_market and parent.base_fee is None:
        before *= fees.ELASTICITY
    room = before // GAS_LIMIT_QUOTIENT
    if abs(header.gas_limit - before) >= room:
        raise InvalidHeader("invalid gas limit", f"have {header.gas_limit}, want {before} +-= {room - 1}")
    if header.gas_limit < MIN_GAS_LIMIT:
        raise InvalidHeader("invalid gas limit below 5000", f"have {header.gas_limit}")


def _check_base_fee(header: EthereumHeader, parent: EthereumHeader, rules: AccountRules, edited: bool) -> None:
    want = fees.next_base_fee(parent, rules)
    if want is None:
        if header.base_fee is not None:
            raise InvalidHeader("invalid baseFee before fork", f"have {header.base_fee}, expected 'nil'")
    elif header.base_fee is None:
        raise InvalidHeader("header is missing baseFee")
    elif header.base_fee != want and not edited:
        detail = (
            f"have {header.base_fee}, want {want}, parentBaseFee {parent.base_fee}, parentGasUsed {parent.gas_used}"
        )
        raise InvalidHeader("invalid baseFee", detail)


def _check_optional(header: EthereumHeader, rules: AccountRules) -> None:
    blobs = rules.fork.blobs is not None
    for name, value, wanted in (
        ("withdrawalsRoot", header.withdrawals_root, rules.withdrawals),
        ("blobGasUsed", header.blob_gas_used, blobs),
        ("excessBlobGas", header.excess_blob_gas, blobs),
        ("parentBeaconRoot", header.parent_beacon_root, rules.beacon_roots is not None),
        ("requestsHash", header.requests_hash, rules.has_requests),
    ):
        if wanted and value is None:
            raise InvalidHeader(f"header is missing {name}")
        if not wanted and value is not None:
            raise InvalidHeader(f"invalid {name} before fork", "expected nil")


def _check_blob_fields(header: EthereumHeader, parent: EthereumHeader, rules: AccountRules) -> None:
    used, blobs = header.blob_gas_used, rules.fork.blobs
    assert used is not None and blobs is not None
    most = blobs.max * fees.BLOB_GAS
    if used > most:
        raise InvalidHeader("blob gas used exceeds maximum allowance", f"{used} > {most}")
    if used % fees.BLOB_GAS:
        raise InvalidHeader("blob gas used not a multiple of blob gas per blob", f"{used}")
    want = fees.next_excess_blob_gas(parent, rules)
    if header.excess_blob_gas != want:
        raise InvalidHeader("invalid excessBlobGas", f"have {header.excess_blob_gas}, want {want}")


def check_body(block: EthereumBlock, rules: AccountRules) -> None:
    """Whether a body is the one that its header commits to, and within the sizes that need no state.

    Raises Mutated("transaction root hash mismatch" | "uncle root hash mismatch" | "withdrawals root hash mismatch"),
    MalformedBlock("too many uncles" | "blob gas used mismatch" | "block RLP-encoded size exceeds maximum").
    """
    header = block.header
    if ommers_hash(block.side_headers) != header.ommers_hash:
        raise Mutated("uncle root hash mismatch")
    if list_root([tx.raw for tx in block.txs]) != header.transactions_root:
        raise Mutated("transaction root hash mismatch")
    if rules.withdrawals:
        if block.withdrawals is None:
            raise Mutated("missing withdrawals in block body")
        if list_root([rlp.encode(w.item) for w in block.withdrawals]) != header.withdrawals_root:
            raise Mutated("withdrawals root hash mismatch")
    elif block.withdrawals is not None:
        raise Mutated("withdrawals present in block body")
    if len(block.side_headers) > MAX_OMMERS:
        raise MalformedBlock("too many uncles", f"{len(block.side_headers)}")
    if rules.max_block_size is not None and (size := len(block.raw)) > rules.max_block_size:
        raise MalformedBlock("block RLP-encoded size exceeds maximum", f"{size} > {rules.max_block_size}")
    used = sum(fees.blob_gas(tx) for tx in block.txs)
    if used != (header.blob_gas_used or 0):
        raise MalformedBlock("blob gas used mismatch", f"header {header.blob_gas_used}, calculated {used}")


def ommers_hash(ommers: tuple[EthereumHeader, ...]) -> bytes:
    """What a header holds of its ommers."""
    return keccak256(rlp.encode([header_item(h) for h in ommers])) if ommers else EMPTY_OMMERS


def check_ommers(block: EthereumBlock, branch: Branch[EthereumHeader], state: KV, schedule: Schedule) -> None:
    """Whether the ommers are children of recent ancestors, none of them named before, and lawful headers but for their seal.

    Raises InvalidBlock("duplicate uncle" | "uncle is ancestor" | "uncle's parent is not ancestor"), InvalidHeader.
    """
    if not block.side_headers:
        return
    recent = {e.hash: e for e in branch.last(GENERATIONS)}
    named = set(recent_ommers(state, block.header.number)) | {block.header.hash}
    for ommer in block.side_headers:
        if ommer.hash in named:
            raise InvalidBlock("duplicate uncle", ommer.hash.hex())
        named.add(ommer.hash)
        if ommer.hash in recent:
            raise InvalidBlock("uncle is ancestor", ommer.hash.hex())
        parent = recent.get(ommer.parent)
        if parent is None or ommer.parent == block.header.parent:
            raise InvalidBlock("uncle's parent is not ancestor", ommer.hash.hex())
        check_header(ommer, parent.header, schedule)


def recent_ommers(state: KV, height: int) -> list[bytes]:
    """Hashes of the ommers that the blocks before `height` name, as far back as it matters."""
    found: list[bytes] = []
    for n in range(max(0, height - GENERATIONS), height):
        hashes = state.get(_ommers_key(n)) or b""
        found += [hashes[i : i + 32] for i in range(0, len(hashes), 32)]
    return found


def remember_ommers(block: EthereumBlock, state: KV) -> None:
    """Write down the ommers that a block names, and forget those that no longer matter."""
    height = block.header.number
    if block.side_headers:
        state.put(_ommers_key(height), b"".join(h.hash for h in block.side_headers))
    if height > GENERATIONS and state.get(_ommers_key(height - GENERATIONS - 1)) is not None:
        state.delete(_ommers_key(height - GENERATIONS - 1))


def _ommers_key(height: int) -> bytes:
    return OMMERS + height.to_bytes(8, "big")
