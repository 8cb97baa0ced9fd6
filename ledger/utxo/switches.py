"""Switches: when each version of PeerCoin's protocol begins on a network, and what that changes of a block's rules.

It refuses to know rewards and kernels, which ask it. Source: Peercoin, kernel.cpp and validation.cpp at v0.15.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.utxo.rules import ANY_VERSION, Active, AnyBranch
from vm.script.flags import Flags

NEVER: Final = 1 << 62
_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class ByParent:
    """A switch that is judged on the parent of a block: its time, and its height."""

    time: int = 0
    above: int = -1
    """The parent's height is greater than this."""

    def holds(self, parent: Any) -> bool:
        """Whether a child of this entry is under the rule."""
        return bool(parent.header.timestamp >= self.time and parent.height > self.above)


@dataclass(frozen=True, slots=True)
class Majority:
    """How many of the last blocks of stake must bear a version before it binds."""

    version: int
    needed: int
    window: int


class _Found:
    """Answers by hash of the tip; bounded, and only ever saves work."""

    def __init__(self) -> None:
        self.answers: OrderedDict[bytes, bool] = OrderedDict()

    def add(self, key: bytes, answer: bool) -> bool:
        """Hold an answer."""
        self.answers[key] = answer
        if len(self.answers) > _REMEMBERED:
            self.answers.popitem(last=False)
        return answer


@dataclass(frozen=True, slots=True)
class Switches:
    """Times from which a rule holds, and the four that are judged on a block's parent. All on from the start by default."""

    v03: int = 0
    """The stake modifier is part of the kernel; weight begins at 0 when the coin may stake; coinstake and block have one time."""
    v04: int = 0
    """Entropy is the lowest bit of the block hash."""
    v05: int = 0
    """The kernel takes the modifier of long before the stake, not of just after the coin."""
    v07: int = 0
    """Fees are counted by the byte."""
    bips: int = 0
    """Bitcoin's rules: witnesses, relative lock times, median-time lock times. Blocks of work are no longer signed."""
    v09: int = 0
    """A block may lie 15 minutes ahead, not two hours; stake is paid by the money supply too; one hour between blocks of work."""
    v10: int = 0
    """Work is paid 50 coins at most."""
    v06: ByParent = ByParent()
    """The height in the coinbase, absolute lock times in scripts."""
    v12: ByParent = ByParent()
    """Taproot; outputs of no value are no coins."""
    v14: ByParent = ByParent()
    """The target of work follows a schedule (ASERT)."""
    v15: ByParent = ByParent()
    """Header version 6, once the majority bears it."""
    majority: Majority | None = None
    """What version 15 waits for beside its time; None: nothing."""
    strict_signatures: bool = True
    """Scripts take strict DER from Bitcoin's rules on (BIP66)."""
    zero_outputs: int = 1447700000
    """From this transaction time on an output may be worth nothing (consensus/tx_check.cpp: one time for all networks)."""
    _found: _Found = field(default_factory=_Found, compare=False, repr=False)

    def drift(self, time: int) -> int:
        """How many seconds a block may lie ahead."""
        return 900 if time >= self.v09 else 7_200

    def flags(self, parent: Any) -> int:
        """Script flags in a child of this entry. Source: validation.cpp, GetBlockScriptFlags."""
        found = _ALWAYS
        if parent.header.timestamp >= self.bips:
            found |= _BIPS | (_DERSIG if self.strict_signatures else 0)
        if self.v06.holds(parent):
            found |= _CLTV
        return found

    def active(self, branch: AnyBranch) -> Active:
        """The other rules of a child of the tip."""
        parent = branch.tip
        bips = bool(parent.header.timestamp >= self.bips)
        version = ANY_VERSION
        if self.v15_holds(branch):
            version = 6
        elif self.v14.holds(parent):
            version = 5
        elif self.v12.holds(parent):
            version = 4
        elif self.v06.holds(parent):
            version = 2
        return Active(
            min_version=version,
            height_in_coinbase=self.v06.holds(parent),
            median_lock_time=bips,
            sequence_locks=bips,
            witness=bips,
            empty_coins=not self.v12.holds(parent),
        )

    def v15_holds(self, branch: AnyBranch) -> bool:
        """Whether version 15 binds a child of the tip: by time, and by the versions of the last blocks of stake.

        Source: validation.cpp, IsSuperMajority, which counts blocks of stake alone.
        """
        parent, wanted = branch.tip, self.majority
        if not self.v15.holds(parent) or wanted is None:
            return self.v15.holds(parent)
        known = self._found.answers.get(parent.hash)
        if known is not None:
            return known
        seen = having = 0
        for height in range(parent.height, -1, -1):
            header = branch.at(height).header
            if header.stake:
                seen += 1
                having += header.version >= wanted.version
                if having >= wanted.needed or seen >= wanted.window:
                    break
        return self._found.add(parent.hash, having >= wanted.needed)


_ALWAYS: Final = int(Flags.P2SH | Flags.WITNESS | Flags.TAPROOT)
_DERSIG: Final = int(Flags.DERSIG)
_BIPS: Final = int(Flags.CHECKSEQUENCEVERIFY | Flags.NULLDUMMY)
_CLTV: Final = int(Flags.CHECKLOCKTIMEVERIFY)
