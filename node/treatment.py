"""What a fault costs the peer that brought it: ONE table from error to treatment. It disconnects nobody itself.

Source of the classes: Bitcoin Core, net_processing.cpp, MaybePunishNodeForBlock and MaybePunishNodeForTx.
"""

from __future__ import annotations

from enum import Enum

from p2p.messages import TooMany
from primitives.errors import (
    ChainError,
    DecodeError,
    Invalid,
    Missing,
    Mutated,
    Premature,
    Refused,
    RuleError,
)


class Treatment(Enum):
    """What becomes of a peer."""

    NOTHING = "nothing"
    ASK_HEADERS = "ask it for the headers that lead there"
    PUNISH = "disconnect and discourage it"


class Misbehaviour(RuleError):
    """A peer does what the protocol forbids: "non-continuous-headers", "unconnecting-headers", ..."""


TABLE: tuple[tuple[type[ChainError], str, Treatment], ...] = (
    (Misbehaviour, "", Treatment.PUNISH),
    (TooMany, "", Treatment.PUNISH),
    (DecodeError, "", Treatment.NOTHING),  # Core drops the message and keeps the peer
    (Missing, "", Treatment.ASK_HEADERS),
    (Premature, "", Treatment.NOTHING),  # lawful once the clock gets there
    (Refused, "", Treatment.NOTHING),  # our limits, not its fault
    (Mutated, "", Treatment.PUNISH),
    (Invalid, "", Treatment.PUNISH),
)
"""The first row whose class, and whose rule where one is named, matches."""

LENIENT_INBOUND = frozenset({"duplicate-invalid"})
"""Rules that cost an inbound peer nothing: it may have been told by others what we know to be bad."""


def treatment(error: ChainError, outbound: bool) -> Treatment:
    """How to treat the peer that brought this."""
    if isinstance(error, RuleError) and error.rule in LENIENT_INBOUND and not outbound:
        return Treatment.NOTHING
    for kind, rule, verdict in TABLE:
        if isinstance(error, kind) and (not rule or (isinstance(error, RuleError) and error.rule == rule)):
            return verdict
    return Treatment.NOTHING


def reason(error: ChainError) -> str:
    """The word for the log."""
    return error.rule if isinstance(error, RuleError) else type(error).__name__
