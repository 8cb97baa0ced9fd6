"""What holds between the two halves of a block: commitment, place, deposits and exits. Each fault has its word (docs/twin.md).

A fault that another body under the same hash could mend is Mutated. It refuses to know either half's own rules.
"""

from __future__ import annotations

from collections.abc import Sequence

from primitives.bitcoin import Transaction
from primitives.errors import DecodeError, InvalidBlock, MalformedBlock, Mutated
from primitives.ethereum import EthereumHeader, Withdrawal
from primitives.twin import (
    GWEI_PER_SATOSHI,
    Deposit,
    Exit,
    TwinBlock,
    commitment_of,
    decode_exits,
    deposits_of,
    withdrawals_of,
)


def check_commitment(block: TwinBlock) -> None:
    """The payload is the one that the last commitment of the block's carrier names.

    Raises MalformedBlock("bad-twin-commitment") where there is none, Mutated("bad-twin-payload") where it names another.
    """
    found = commitment_of(block.carrier)
    if found is None:
        raise MalformedBlock("bad-twin-commitment", "no output commits to a payload")
    if found.digest != block.payload.header.hash:
        raise Mutated(
            "bad-twin-payload", f"committed to 0x{found.digest.hex()}, have 0x{block.payload.header.hash.hex()}"
        )


def check_place(block: TwinBlock, height: int) -> None:
    """The payload was made for this place: height, time and parent are those of its block, and nothing in it claims a proof.

    Raises InvalidBlock with "bad-twin-number", "bad-twin-timestamp", "bad-twin-parent" or "bad-twin-seal".
    """
    outer, inner = block.header, block.payload.header
    if inner.number != height:
        raise InvalidBlock("bad-twin-number", f"payload of height {inner.number}, block of height {height}")
    if inner.timestamp != outer.timestamp:
        raise InvalidBlock("bad-twin-timestamp", f"payload of {inner.timestamp}, block of {outer.timestamp}")
    for name, value in (("parent beacon root", inner.parent_beacon_root), ("random number", inner.mix_hash)):
        if value != outer.parent:
            told = "nothing" if value is None else "0x" + value.hex()
            raise InvalidBlock("bad-twin-parent", f"its {name} is {told}, not the hash of the block's parent")
    if inner.difficulty or any(inner.nonce):
        raise InvalidBlock("bad-twin-seal", "a payload has neither difficulty nor nonce")


def check_lineage(inner: EthereumHeader, parent: EthereumHeader) -> None:
    """The payload is the child of the parent block's payload. Raises InvalidBlock("bad-twin-lineage")."""
    if inner.parent != parent.hash:
        raise InvalidBlock("bad-twin-lineage", f"child of 0x{inner.parent.hex()}, expected of 0x{parent.hash.hex()}")


def check_deposits(block: TwinBlock, first: int) -> int:
    """The payload credits the block's deposits, each once, in order, and nothing else; returns how many. `first`: the next index.

    Raises InvalidBlock with "bad-twin-deposit-missing", "bad-twin-deposit-twice", "bad-twin-deposit-address",
    "bad-twin-deposit-amount", "bad-twin-deposit-index", or "bad-twin-deposit-unknown" for one that nobody made.
    """
    made = deposits_of(block.outer)
    have = block.payload.withdrawals or ()
    want = withdrawals_of(made, first)
    if have != want:
        raise _deposit_fault(made, want, have)
    return len(made)


def _deposit_fault(made: Sequence[Deposit], want: Sequence[Withdrawal], have: Sequence[Withdrawal]) -> InvalidBlock:
    counts = f"{len(made)} deposits, {len(have)} credited"
    if len(have) < len(want):
        return InvalidBlock("bad-twin-deposit-missing", counts)
    for n, (due, found) in enumerate(zip(want, have, strict=False)):
        if found.address != due.address:
            return InvalidBlock("bad-twin-deposit-address", f"deposit {n} of 0x{due.address.hex()}")
        if found.amount_gwei != due.amount_gwei:
            detail = f"deposit {n}: {found.amount_gwei} of {due.amount_gwei} gwei"
            return InvalidBlock("bad-twin-deposit-amount", detail)
        if found != due:
            return InvalidBlock("bad-twin-deposit-index", f"deposit {n}: {found.index}, expected {due.index}")
    extra = have[len(want)]
    again = any(d.address == extra.address and d.satoshi * GWEI_PER_SATOSHI == extra.amount_gwei for d in made)
    return InvalidBlock("bad-twin-deposit-twice" if again else "bad-twin-deposit-unknown", counts)


def exits_due(data: bytes) -> tuple[Exit, ...]:
    """The exits of a block's request. Raises InvalidBlock("bad-twin-exit-request"): only an edit of the contract can make it."""
    try:
        return decode_exits(data)
    except DecodeError as e:
        raise InvalidBlock("bad-twin-exit-request", str(e)) from e


def check_exits(carrier: Transaction, due: Sequence[Exit]) -> None:
    """The outputs just before the commitment pay the exits that are due, in order.

    Raises InvalidBlock with "bad-twin-exit-short", "bad-twin-exit-long" or "bad-twin-exit-unpaid".
    """
    found = commitment_of(carrier)
    end = 0 if found is None else found.at
    paid = carrier.outputs[max(0, end - len(due)) : end]
    if len(paid) < len(due):
        raise InvalidBlock("bad-twin-exit-unpaid", f"{len(due)} exits are due, there is room for {len(paid)}")
    for n, (exit_, output) in enumerate(zip(due, paid, strict=True)):
        want = exit_.output
        if output.script != want.script:
            raise InvalidBlock("bad-twin-exit-unpaid", f"exit {n} of {want.value} satoshi to {want.script.hex()}")
        if output.value != want.value:
            word = "bad-twin-exit-short" if output.value < want.value else "bad-twin-exit-long"
            raise InvalidBlock(word, f"exit {n}: {output.value} of {want.value} satoshi")


def is_paid_twice(carrier: Transaction, due: Sequence[Exit]) -> bool:
    """Whether an exit that is due is paid more often than it is due. Lawful as a gift; the word for a block that mints it."""
    wanted = [exit_.output for exit_ in due]
    return any(carrier.outputs.count(output) > wanted.count(output) for output in wanted)
