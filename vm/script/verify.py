"""Verification of one input of a transaction: what ledger, mempool and wallet call.

Refuses to know blocks: the flags say what is in force.
"""

from __future__ import annotations

from vm.script.interpreter import verify_script
from vm.script.sighash import SpendContext
from vm.script.signatures import TransactionChecker


def verify_input(context: SpendContext, index: int, flags: int) -> None:
    """Checks that an input may spend its coin. Raises ScriptError, or Missing where a coin that it needs is unknown."""
    spend = context.tx.inputs[index]
    script = context.spent_output(index).script
    verify_script(spend.script, script, spend.witness, int(flags), TransactionChecker(context, index))
