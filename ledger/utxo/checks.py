"""Checks of transactions and blocks that need no coins: form, sizes, times, and the commitments of header and coinbase.

It refuses to know the coin set; connect.py does. Words and order are Bitcoin Core's (consensus/tx_check.cpp, validation.cpp).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ledger.utxo.rules import Active, AnyBranch, UtxoRules
from ledger.utxo.sigops import legacy_sigops
from primitives import merkle
from primitives.bitcoin import FINAL_SEQUENCE, NULL_OUTPOINT, BitcoinHeader, Transaction
from primitives.buffer import compact_size
from primitives.errors import InvalidBlock, InvalidHeader, InvalidTx, MalformedBlock, Mutated
from primitives.hashing import sha256d

WITNESS_SCALE: Final = 4
LOCK_TIME_THRESHOLD: Final = 500_000_000
"""Lock times below are heights, from here on seconds since 1970."""

COMMITMENT_HEAD: Final = b"\x6a\x24\xaa\x21\xa9\xed"
"""How the script of a witness commitment begins (BIP141)."""

SEQUENCE_DISABLED: Final = 1 << 31
SEQUENCE_IS_TIME: Final = 1 << 22
SEQUENCE_MASK: Final = 0xFFFF
SEQUENCE_GRANULARITY: Final = 9
"""Relative lock times count units of 512 seconds."""


def check_transaction(tx: Transaction, rules: UtxoRules) -> None:
    """The form of a transaction, whatever chain it is for.

    Raises InvalidTx with "bad-txns-vin-empty", "bad-txns-vout-empty", "bad-txns-oversize", "bad-txns-vout-negative",
    "bad-txns-vout-toolarge", "bad-txns-txouttotal-toolarge", "bad-txns-inputs-duplicate", "bad-cb-length" or "bad-txns-prevout-null".
    """
    inputs = tx.inputs
    if not inputs:
        raise InvalidTx("bad-txns-vin-empty")
    if not tx.outputs:
        raise InvalidTx("bad-txns-vout-empty")
    if len(tx.base) * WITNESS_SCALE > rules.max_weight:
        raise InvalidTx("bad-txns-oversize")
    rules.check_form(tx)
    total, most = 0, rules.max_money
    for value, _ in tx.outputs:
        if value < 0:
            raise InvalidTx("bad-txns-vout-negative")
        if value > most:
            raise InvalidTx("bad-txns-vout-toolarge")
        total += value
        if total > most:
            raise InvalidTx("bad-txns-txouttotal-toolarge")
    if len(inputs) == 1:
        only = inputs[0]
        if only.outpoint == NULL_OUTPOINT and not 2 <= len(only.script) <= 100:
            raise InvalidTx("bad-cb-length")
        return
    points = {i.outpoint for i in inputs}
    if len(points) != len(inputs):
        raise InvalidTx("bad-txns-inputs-duplicate")
    if NULL_OUTPOINT in points:
        raise InvalidTx("bad-txns-prevout-null")


def check_header(header: BitcoinHeader, branch: AnyBranch, active: Active) -> None:
    """What Bitcoin asks of a child beside its proof of work.

    Raises InvalidHeader("time-too-old") or InvalidHeader("bad-version(0x...)").
    """
    median = branch.median_time()
    if header.timestamp <= median:
        raise InvalidHeader("time-too-old", f"block's timestamp is too early ({header.timestamp} <= {median})")
    if active.most_back is not None and header.timestamp + active.most_back < branch.tip.header.timestamp:
        raise InvalidHeader("time-too-old", f"block lies more than {active.most_back} s before its parent")
    if header.version < active.min_version:
        word = f"0x{header.version & 0xFFFFFFFF:08x}"
        raise InvalidHeader(f"bad-version({word})", f"rejected nVersion={word} block")


def coinbase_first(block: Any, rules: UtxoRules) -> None:
    """The first transaction is the coinbase, and no other is.

    Raises MalformedBlock("bad-cb-missing") or MalformedBlock("bad-cb-multiple").
    """
    if not block.txs[0].is_coinbase:
        raise MalformedBlock("bad-cb-missing", "first tx is not coinbase")
    if any(tx.is_coinbase for tx in block.txs[1:]):
        raise MalformedBlock("bad-cb-multiple", "more than one coinbase")


def check_body(block: Any, rules: UtxoRules) -> None:
    """What can be said of a block without its place: it is the one that its header commits to, and well formed.

    Raises Mutated("bad-txnmrklroot") or Mutated("bad-txns-duplicate"), else MalformedBlock with "bad-blk-length",
    "bad-cb-missing", "bad-cb-multiple", the word of check_transaction, or "bad-blk-sigops".
    """
    txs: Sequence[Transaction] = block.txs
    rules.check_solution(block)
    root, mutated = merkle.root_and_mutated([tx.id for tx in txs])
    if root != block.header.merkle_root:
        raise Mutated("bad-txnmrklroot", "hashMerkleRoot mismatch")
    if mutated:
        raise Mutated("bad-txns-duplicate", "duplicate transaction")
    if not txs or len(txs) * WITNESS_SCALE > rules.max_weight or base_size(txs) * WITNESS_SCALE > rules.max_weight:
        raise MalformedBlock("bad-blk-length", "size limits failed")
    rules.check_layout(block, rules)
    for tx in txs:
        try:
            check_transaction(tx, rules)
        except InvalidTx as e:
            raise MalformedBlock(e.rule, f"Transaction check failed (tx hash {tx.id[::-1].hex()}) {e.detail}") from e
    if sum(map(legacy_sigops, txs)) * WITNESS_SCALE > rules.max_sigop_cost:
        raise MalformedBlock("bad-blk-sigops", "out-of-bounds SigOpCount")


def check_place(block: Any, branch: AnyBranch, active: Active, rules: UtxoRules) -> None:
    """What a block's place asks of it: final transactions, the height in its coinbase, its witnesses committed to, its weight.

    Raises InvalidBlock with "bad-txns-nonfinal", "bad-cb-height" or "bad-blk-weight", and Mutated with "bad-witness-nonce-size",
    "bad-witness-merkle-match" or "unexpected-witness".
    """
    txs: Sequence[Transaction] = block.txs
    height = branch.tip.height + 1
    cutoff = branch.median_time() if active.median_lock_time else block.header.timestamp
    for tx in txs:
        if tx.lock_time and not is_final(tx, height, cutoff):
            raise InvalidBlock("bad-txns-nonfinal", "non-final transaction")
    if active.height_in_coinbase and not txs[0].inputs[0].script.startswith(height_push(height)):
        raise InvalidBlock("bad-cb-height", "block height mismatch in coinbase")
    check_witness_commitment(txs, active.witness)
    if block_weight(txs) > rules.max_weight:
        raise InvalidBlock("bad-blk-weight", "weight limit failed")


def check_witness_commitment(txs: Sequence[Transaction], expected: bool) -> None:
    """The coinbase commits to the witnesses, or there are none.

    Raises Mutated with "bad-witness-nonce-size", "bad-witness-merkle-match" or "unexpected-witness". Source: BIP141.
    """
    if expected and (committed := witness_commitment(txs[0])) is not None:
        nonce = txs[0].inputs[0].witness
        if len(nonce) != 1 or len(nonce[0]) != 32:
            raise Mutated("bad-witness-nonce-size", "invalid witness reserved value size")
        if commitment_hash(txs, nonce[0]) != committed:
            raise Mutated("bad-witness-merkle-match", "witness merkle commitment mismatch")
    elif any(tx.has_witness for tx in txs):
        raise Mutated("unexpected-witness", "unexpected witness data found")


def witness_commitment(coinbase: Transaction) -> bytes | None:
    """The 32 bytes that the last commitment output holds, or None."""
    for output in reversed(coinbase.outputs):
        if len(output.script) >= 38 and output.script.startswith(COMMITMENT_HEAD):
            return output.script[6:38]
    return None


def commitment_hash(txs: Sequence[Transaction], nonce: bytes) -> bytes:
    """What the coinbase must commit to: the witness root and the reserved value, hashed together."""
    return sha256d(merkle.witness_root([tx.wtxid for tx in txs]) + nonce)


def base_size(txs: Sequence[Transaction]) -> int:
    """Bytes of a block without witnesses."""
    return 80 + len(compact_size(len(txs))) + sum([len(tx.base) for tx in txs])


def block_weight(txs: Sequence[Transaction]) -> int:
    """Three times the size without witnesses plus the full size (BIP141)."""
    return 4 * (80 + len(compact_size(len(txs)))) + sum([3 * len(tx.base) + len(tx.raw) for tx in txs])


def height_push(height: int) -> bytes:
    """How a coinbase script begins (BIP34): the height as the shortest push of a number."""
    if height == 0:
        return b"\x00"
    if height <= 16:
        return bytes((0x50 + height,))
    digits = height.to_bytes(height.bit_length() // 8 + 1, "little")  # one bit is the sign's
    return bytes((len(digits),)) + digits


def is_final(tx: Transaction, height: int, cutoff: int) -> bool:
    """Whether a lock time is over in a block of this height and cutoff time. Source: Bitcoin Core, IsFinalTx."""
    lock = tx.lock_time
    if lock == 0 or lock < (height if lock < LOCK_TIME_THRESHOLD else cutoff):
        return True
    return all(i.sequence == FINAL_SEQUENCE for i in tx.inputs)


def sequence_locks_hold(tx: Transaction, heights: Iterable[int], branch: AnyBranch) -> bool:
    """Whether all relative lock times are over in a child of the tip (BIP68). `heights` are those of the coins spent.

    A coin of the mempool counts as made in that child. Source: Bitcoin Core, consensus/tx_verify.cpp, CalculateSequenceLocks.
    """
    if tx.version & 0xFFFFFFFF < 2:
        return True
    child = branch.tip.height + 1
    for spend, made in zip(tx.inputs, heights, strict=True):
        sequence = spend.sequence
        if sequence & SEQUENCE_DISABLED:
            continue
        height = min(made, child)
        wait = sequence & SEQUENCE_MASK
        if sequence & SEQUENCE_IS_TIME:
            since = median_time_at(branch, max(height - 1, 0))
            if since + (wait << SEQUENCE_GRANULARITY) - 1 >= branch.median_time():
                return False
        elif height + wait - 1 >= child:
            return False
    return True


def median_time_at(branch: AnyBranch, height: int) -> int:
    """Median of the eleven timestamps up to a height."""
    if height >= branch.tip.height:
        return branch.median_time()
    times = sorted(branch.at(h).header.timestamp for h in range(max(0, height - 10), height + 1))
    return int(times[len(times) // 2])
