"""Verification of one input of a transaction: what ledger, mempool and wallet call.

Refuses to know blocks: the flags say what is in force.
"""

from __future__ import annotations

from vm.script.interpreter import verify_script
from vm.script.shortcuts import surely_valid
from vm.script.sighash import SpendContext
from vm.script.signatures import TransactionChecker


def verify_input(context: SpendContext, index: int, flags: int) -> None:
    """Checks that an input may spend its coin. Raises ScriptError, or Missing where a coin that it needs is unknown."""
    flags = int(flags)
    script = context.spent_output(index).script
    if not surely_valid(context, index, script, flags):
        spend = context.tx.inputs[index]
        verify_script(spend.script, script, spend.witness, flags, TransactionChecker(context, index))
