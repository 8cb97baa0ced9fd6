"""Runs scripts: the loop over opcodes, and verification of an input's script and witness against an output's script.

Refuses to know transactions: all that a script asks of one goes through a Checker. Source: Bitcoin Core, script/interpreter.cpp.
"""

from __future__ import annotations

from typing import Final

from primitives.buffer import compact_size
from primitives.hashing import sha256
from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.instructions import TABLES
from vm.script.machine import BASE, MINIMALDATA, TAPSCRIPT, WITNESS_V0, Machine, Tapscript
from vm.script.opcodes import (
    DISABLED,
    OP_1,
    OP_1NEGATE,
    OP_16,
    OP_CODESEPARATOR,
    OP_ENDIF,
    OP_IF,
    OP_PUSHDATA1,
    OP_PUSHDATA4,
    SUCCESS,
    Truncated,
    is_minimal_push,
    operations,
    push,
    read_op,
)
from vm.script.shapes import is_push_only, is_script_hash, witness_program
from vm.script.signatures import Checker, TransactionChecker
from vm.script.stack import MAX_ELEMENT_SIZE, MAX_OPS, MAX_SCRIPT_SIZE, MAX_STACK_SIZE, from_number, truth
from vm.script.taproot import ANNEX_TAG, LEAF_MASK, TAPSCRIPT_LEAF, commits, is_control, leaf_hash

__all__ = ["Checker", "ScriptError", "TransactionChecker", "evaluate", "verify_script"]

_P2SH: Final = int(Flags.P2SH)
_WITNESS: Final = int(Flags.WITNESS)
_TAPROOT: Final = int(Flags.TAPROOT)
_CLEANSTACK: Final = int(Flags.CLEANSTACK)
_SIGPUSHONLY: Final = int(Flags.SIGPUSHONLY)
_CONST_SCRIPTCODE: Final = int(Flags.CONST_SCRIPTCODE)
_DISCOURAGE_PROGRAM: Final = int(Flags.DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM)
_DISCOURAGE_LEAF: Final = int(Flags.DISCOURAGE_UPGRADABLE_TAPROOT_VERSION)
_DISCOURAGE_SUCCESS: Final = int(Flags.DISCOURAGE_OP_SUCCESS)

_NUMBERS: Final = {op: from_number(op - OP_1 + 1) for op in (OP_1NEGATE, *range(OP_1, OP_16 + 1))}
_ANCHOR: Final = (1, b"\x4e\x73")
_WEIGHT_OFFSET: Final = 50


def evaluate(
    stack: list[bytes],
    script: bytes,
    flags: int,
    checker: Checker,
    version: int = BASE,
    tapscript: Tapscript | None = None,
) -> None:
    """Runs a script on a stack, in place. Raises ScriptError. Source: Bitcoin Core, EvalScript."""
    limited = version != TAPSCRIPT
    if limited and len(script) > MAX_SCRIPT_SIZE:
        raise ScriptError("SCRIPT_SIZE")
    minimal = bool(flags & MINIMALDATA)
    m = Machine(stack, script, flags, checker, version, tapscript, minimal)
    alt, table = m.alt, TABLES[version]
    pc, end, running, position = 0, len(script), True, -1
    while pc < end:
        op = script[pc]
        position += 1
        if op < OP_PUSHDATA1:
            start = pc + 1
            pc = start + op
            if pc > end:
                raise ScriptError("BAD_OPCODE")
            if running:
                data = script[start:pc]
                if minimal and not is_minimal_push(op, data):
                    raise ScriptError("MINIMALDATA")
                stack.append(data)
        elif op > OP_16:
            pc += 1
            if limited:
                m.ops += 1
                if m.ops > MAX_OPS:
                    raise ScriptError("OP_COUNT")
            if running:
                needs, action = table[op]
                if len(stack) < needs:
                    raise ScriptError("INVALID_STACK_OPERATION")
                m.pc = pc
                m.position = position
                action(m)
                running = m.blocked < 0
            elif OP_IF <= op <= OP_ENDIF:
                table[op][1](m)
                running = m.blocked < 0
            elif op in DISABLED:
                raise ScriptError("DISABLED_OPCODE")
            elif op == OP_CODESEPARATOR and version == BASE and flags & _CONST_SCRIPTCODE:
                raise ScriptError("OP_CODESEPARATOR")
        elif op > OP_PUSHDATA4:
            pc += 1
            if running:
                if op not in _NUMBERS:
                    raise ScriptError("BAD_OPCODE")
                stack.append(_NUMBERS[op])
        else:
            pc = _long_push(m, pc, running)
        if len(stack) + len(alt) > MAX_STACK_SIZE:
            raise ScriptError("STACK_SIZE")
    if m.depth:
        raise ScriptError("UNBALANCED_CONDITIONAL")


def _long_push(m: Machine, at: int, running: bool) -> int:
    """PUSHDATA1, 2 and 4; returns where the next opcode begins."""
    try:
        op, data, at = read_op(m.script, at)
    except Truncated:
        raise ScriptError("BAD_OPCODE") from None
    if len(data) > MAX_ELEMENT_SIZE:
        raise ScriptError("PUSH_SIZE")
    if running:
        if m.minimal and not is_minimal_push(op, data):
            raise ScriptError("MINIMALDATA")
        m.stack.append(data)
    return at


def verify_script(
    script_sig: bytes, script_pubkey: bytes, witness: tuple[bytes, ...], flags: int, checker: Checker
) -> None:
    """Checks that an input's script and witness satisfy an output's script under these flags.

    CLEANSTACK needs P2SH and WITNESS, WITNESS needs P2SH: ValueError otherwise. Raises ScriptError. Source: Core, VerifyScript.
    """
    flags = int(flags)
    if (flags & _CLEANSTACK and not flags & _WITNESS) or (flags & (_CLEANSTACK | _WITNESS) and not flags & _P2SH):
        raise ValueError("CLEANSTACK needs WITNESS, and WITNESS needs P2SH")
    if flags & _SIGPUSHONLY and not is_push_only(script_sig):
        raise ScriptError("SIG_PUSHONLY")
    stack: list[bytes] = []
    evaluate(stack, script_sig, flags, checker)
    pushed = stack[:]
    evaluate(stack, script_pubkey, flags, checker)
    _expect_true(stack)
    had_witness = False
    if flags & _WITNESS and (program := witness_program(script_pubkey)):
        if script_sig:
            raise ScriptError("WITNESS_MALLEATED")
        _run_program(witness, program, flags, checker, False)
        had_witness = True
        del stack[1:]
    if flags & _P2SH and is_script_hash(script_pubkey):
        stack, had_witness = _run_script_hash(script_sig, pushed, witness, flags, checker)
    if flags & _CLEANSTACK and len(stack) != 1:
        raise ScriptError("CLEANSTACK")
    if flags & _WITNESS and witness and not had_witness:
        raise ScriptError("WITNESS_UNEXPECTED")


def _expect_true(stack: list[bytes]) -> None:
    if not stack or not truth(stack[-1]):
        raise ScriptError("EVAL_FALSE")


def _run_script_hash(
    script_sig: bytes, stack: list[bytes], witness: tuple[bytes, ...], flags: int, checker: Checker
) -> tuple[list[bytes], bool]:
    """Runs the script that was pushed last on what was pushed before (BIP16); the stack, and whether it was a program."""
    if not is_push_only(script_sig):
        raise ScriptError("SIG_PUSHONLY")
    redeem = stack.pop()
    evaluate(stack, redeem, flags, checker)
    _expect_true(stack)
    if flags & _WITNESS and (program := witness_program(redeem)):
        if script_sig != push(redeem):
            raise ScriptError("WITNESS_MALLEATED_P2SH")
        _run_program(witness, program, flags, checker, True)
        return stack[:1], True
    return stack, False


def _run_program(
    witness: tuple[bytes, ...], program: tuple[int, bytes], flags: int, checker: Checker, nested: bool
) -> None:
    """Source: Bitcoin Core, VerifyWitnessProgram."""
    version, data = program
    if version == 0:
        _run_v0(witness, data, flags, checker)
    elif version == 1 and len(data) == 32 and not nested:
        if flags & _TAPROOT:
            _run_taproot(witness, data, flags, checker)
    elif (nested or program != _ANCHOR) and flags & _DISCOURAGE_PROGRAM:
        raise ScriptError("DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM")


def _run_v0(witness: tuple[bytes, ...], program: bytes, flags: int, checker: Checker) -> None:
    """A key hash of 20 bytes, or a script hash of 32 (BIP141)."""
    if len(program) == 32:
        if not witness:
            raise ScriptError("WITNESS_PROGRAM_WITNESS_EMPTY")
        script = witness[-1]
        if sha256(script) != program:
            raise ScriptError("WITNESS_PROGRAM_MISMATCH")
        _run_witness_script(list(witness[:-1]), script, flags, checker, WITNESS_V0)
    elif len(program) == 20:
        if len(witness) != 2:
            raise ScriptError("WITNESS_PROGRAM_MISMATCH")
        script = b"\x76\xa9\x14" + program + b"\x88\xac"
        _run_witness_script(list(witness), script, flags, checker, WITNESS_V0)
    else:
        raise ScriptError("WITNESS_PROGRAM_WRONG_LENGTH")


def _run_taproot(witness: tuple[bytes, ...], program: bytes, flags: int, checker: Checker) -> None:
    """A signature by the output key, or a script that the key commits to (BIP341)."""
    if not witness:
        raise ScriptError("WITNESS_PROGRAM_WITNESS_EMPTY")
    items, annex_hash = list(witness), None
    if len(items) >= 2 and items[-1][:1] == bytes((ANNEX_TAG,)):
        annex = items.pop()
        annex_hash = sha256(compact_size(len(annex)) + annex)
    if len(items) == 1:
        checker.schnorr(items[0], program, annex_hash, None)
        return
    control, script = items.pop(), items.pop()
    if not is_control(control):
        raise ScriptError("TAPROOT_WRONG_CONTROL_SIZE")
    version = control[0] & LEAF_MASK
    leaf = leaf_hash(script, version)
    if not commits(program, control, leaf):
        raise ScriptError("WITNESS_PROGRAM_MISMATCH")
    if version == TAPSCRIPT_LEAF:
        tapscript = Tapscript(leaf, annex_hash, _serialized_size(witness) + _WEIGHT_OFFSET)
        _run_witness_script(items, script, flags, checker, TAPSCRIPT, tapscript)
    elif flags & _DISCOURAGE_LEAF:
        raise ScriptError("DISCOURAGE_UPGRADABLE_TAPROOT_VERSION")


def _serialized_size(witness: tuple[bytes, ...]) -> int:
    return len(compact_size(len(witness))) + sum(len(compact_size(len(i))) + len(i) for i in witness)


def _run_witness_script(
    stack: list[bytes], script: bytes, flags: int, checker: Checker, version: int, tapscript: Tapscript | None = None
) -> None:
    """Source: Bitcoin Core, ExecuteWitnessScript."""
    if tapscript is not None:
        if _succeeds(script, flags):
            return
        if len(stack) > MAX_STACK_SIZE:
            raise ScriptError("STACK_SIZE")
    for item in stack:
        if len(item) > MAX_ELEMENT_SIZE:
            raise ScriptError("PUSH_SIZE")
    evaluate(stack, script, flags, checker, version, tapscript)
    if len(stack) != 1:
        raise ScriptError("CLEANSTACK")
    _expect_true(stack)


def _succeeds(script: bytes, flags: int) -> bool:
    """True if an OP_SUCCESS stands in a tapscript, whatever else does (BIP342)."""
    try:
        for op, _ in operations(script):
            if op in SUCCESS:
                if flags & _DISCOURAGE_SUCCESS:
                    raise ScriptError("DISCOURAGE_OP_SUCCESS")
                return True
    except Truncated:
        raise ScriptError("BAD_OPCODE") from None
    return False
