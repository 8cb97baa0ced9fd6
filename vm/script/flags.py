"""Which rules a script is run under: Bitcoin Core's verification flags and its two usual sets of them.

Refuses to know when a rule came into force; `ledger/utxo/rules.py` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag
from typing import Final, Self


class Flags(IntFlag):
    """Each flag takes away scripts that would pass without it. Source: Bitcoin Core, script/interpreter.h."""

    NONE = 0
    P2SH = 1 << 0
    """Run the script that a script hash stands for (BIP16)."""
    STRICTENC = 1 << 1
    """Signatures in strict DER with a defined hash type, keys compressed or whole."""
    DERSIG = 1 << 2
    """Signatures in strict DER (BIP66)."""
    LOW_S = 1 << 3
    """The lower of the two s values (BIP62 rule 5)."""
    NULLDUMMY = 1 << 4
    """The item that CHECKMULTISIG takes too many is empty (BIP147)."""
    SIGPUSHONLY = 1 << 5
    """Only pushes in the input's script (BIP62 rule 2)."""
    MINIMALDATA = 1 << 6
    """The shortest push for every item, and the shortest form of every number (BIP62 rules 3 and 4)."""
    DISCOURAGE_UPGRADABLE_NOPS = 1 << 7
    """No NOP that a later rule may take."""
    CLEANSTACK = 1 << 8
    """Exactly one item is left (BIP62 rule 6); goes with P2SH and WITNESS only."""
    CHECKLOCKTIMEVERIFY = 1 << 9
    """BIP65."""
    CHECKSEQUENCEVERIFY = 1 << 10
    """BIP112."""
    WITNESS = 1 << 11
    """Segregated witness (BIP141, BIP143); goes with P2SH only."""
    DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM = 1 << 12
    """No witness version that a later rule may take."""
    MINIMALIF = 1 << 13
    """In witness scripts IF takes nothing but empty and 01."""
    NULLFAIL = 1 << 14
    """A signature that does not hold must be empty (BIP146)."""
    WITNESS_PUBKEYTYPE = 1 << 15
    """Compressed keys only, in witness scripts."""
    CONST_SCRIPTCODE = 1 << 16
    """No CODESEPARATOR and no signature within its own script, outside of witnesses."""
    TAPROOT = 1 << 17
    """Taproot and tapscript (BIP341, BIP342)."""
    DISCOURAGE_UPGRADABLE_TAPROOT_VERSION = 1 << 18
    """No leaf version that a later rule may take."""
    DISCOURAGE_OP_SUCCESS = 1 << 19
    """No OP_SUCCESS."""
    DISCOURAGE_UPGRADABLE_PUBKEYTYPE = 1 << 20
    """No kind of key that a later rule may take, in tapscript."""

    @classmethod
    def named(cls, names: Iterable[str]) -> Self:
        """The union of flags by name. Raises KeyError for an unknown one."""
        flags = cls(0)
        for name in names:
            flags |= cls[name]
        return flags


MANDATORY: Final = (
    Flags.P2SH
    | Flags.DERSIG
    | Flags.NULLDUMMY
    | Flags.CHECKLOCKTIMEVERIFY
    | Flags.CHECKSEQUENCEVERIFY
    | Flags.WITNESS
    | Flags.TAPROOT
)
"""What blocks must keep at the tip. Source: Bitcoin Core, policy/policy.h, MANDATORY_SCRIPT_VERIFY_FLAGS."""

STANDARD: Final = (
    MANDATORY
    | Flags.STRICTENC
    | Flags.MINIMALDATA
    | Flags.DISCOURAGE_UPGRADABLE_NOPS
    | Flags.CLEANSTACK
    | Flags.MINIMALIF
    | Flags.NULLFAIL
    | Flags.LOW_S
    | Flags.DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM
    | Flags.WITNESS_PUBKEYTYPE
    | Flags.CONST_SCRIPTCODE
    | Flags.DISCOURAGE_UPGRADABLE_TAPROOT_VERSION
    | Flags.DISCOURAGE_OP_SUCCESS
    | Flags.DISCOURAGE_UPGRADABLE_PUBKEYTYPE
)
"""What relayed transactions must keep. Source: Bitcoin Core, policy/policy.h, STANDARD_SCRIPT_VERIFY_FLAGS."""
