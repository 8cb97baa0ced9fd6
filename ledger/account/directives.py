"""Where directives are lawful, and what they do to the state: dev edits as part of a block.

Knows no RPC: methods make `Edit`s and hand them to `assemble`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.account.state import State
from primitives.errors import InvalidBlock, Mutated
from primitives.ethereum import EthereumBlock, EthereumHeader
from primitives.ethereum_directives import Edit, Kind, commitment, decode_edits, is_committed, value_of


def check_directives(block: EthereumBlock, dev_edits: bool) -> None:
    """Whether a block's directives are the ones that it commits to. Raises Mutated, DecodeError."""
    if not dev_edits:
        if block.directives:
            raise Mutated("unexpected directives", "this chain allows no edits")
        return
    if is_committed(block.header):
        if block.header.extra_data != commitment(block.directives):
            raise Mutated("directives mismatch")
        decode_edits(block.directives)
    elif block.directives:
        raise Mutated("unexpected directives", "the header does not commit to any")


def apply_edits(edits: Sequence[Edit], state: State) -> None:
    """Make the edits of accounts."""
    for edit in edits:
        if edit.kind is Kind.BALANCE:
            state.set_balance(edit.address, edit.number)
        elif edit.kind is Kind.NONCE:
            state.set_nonce(edit.address, edit.number)
        elif edit.kind is Kind.CODE:
            state.set_code(edit.address, edit.value)
        elif edit.kind is Kind.STORAGE:
            state.set_storage(edit.address, int.from_bytes(edit.key, "big"), edit.number)
    state.end_transaction(False)


def check_edited_header(header: EthereumHeader, base_fee: int | None, edits: Sequence[Edit]) -> None:
    """Whether a header of edited base fee or gas limit says what the edits say. `base_fee` is what the fee market asks.

    Raises InvalidBlock("invalid baseFee" | "invalid gas limit").
    """
    wanted = value_of(edits, Kind.BASE_FEE)
    if header.base_fee != (base_fee if wanted is None else wanted):
        raise InvalidBlock("invalid baseFee", f"have {header.base_fee}, edited to {wanted}")
    limit = value_of(edits, Kind.GAS_LIMIT)
    if limit is not None and header.gas_limit != limit:
        raise InvalidBlock("invalid gas limit", f"have {header.gas_limit}, edited to {limit}")
