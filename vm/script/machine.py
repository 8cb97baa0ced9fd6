"""The state of a running script: stacks, position, conditions, and what its signatures commit to.

Refuses to know what any opcode does to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from vm.script.flags import Flags
from vm.script.sighash import NO_CODESEPARATOR
from vm.script.signatures import Checker

BASE: Final = 0
"""Bare scripts, and those that a script hash stands for."""
WITNESS_V0: Final = 1
TAPSCRIPT: Final = 2

MINIMALDATA: Final = int(Flags.MINIMALDATA)


@dataclass(slots=True)
class Tapscript:
    """What a tapscript's signature checks need beside the script (BIP342)."""

    leaf_hash: bytes
    annex_hash: bytes | None
    weight_left: int
    """Each signature check that is not given an empty signature takes 50 of it."""


@dataclass(slots=True, eq=False)
class Machine:
    """One script, running."""

    stack: list[bytes]
    script: bytes
    flags: int
    checker: Checker
    version: int = BASE
    tapscript: Tapscript | None = None
    minimal: bool = False
    alt: list[bytes] = field(default_factory=list)
    pc: int = 0
    """Where the next opcode begins."""
    position: int = 0
    """How many opcodes came before this one."""
    code_start: int = 0
    """Where the part begins that signatures commit to: after the last CODESEPARATOR that ran."""
    codeseparator: int = NO_CODESEPARATOR
    ops: int = 0
    depth: int = 0
    """How many conditions are open."""
    blocked: int = -1
    """Which of them, from outside, is the first false one; -1 for none. Those within it do not matter."""
