"""The exception tree: what can be wrong with a thing, and whose fault it is.

An error knows nothing of peers or RPC; `node/` has the tables that say what each one costs a peer or which code it answers.
"""

from __future__ import annotations

from collections.abc import Iterable


class ChainError(Exception):
    """Something about a transaction, header, block or message is not as it should be."""


class DecodeError(ChainError):
    """The bytes are not what they claim to be."""


class RuleError(ChainError):
    """A rule was not kept; `rule` is a stable word that tests and clients compare, `detail` is for people."""

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(f"{rule}, {detail}" if detail else rule)
        self.rule = rule
        self.detail = detail


class Invalid(RuleError):
    """Breaks a consensus rule for ever."""


class InvalidHeader(Invalid):
    """The header breaks a rule: it is not stored."""


class InvalidBlock(Invalid):
    """The block breaks a rule: it and its descendants are refused."""


class MalformedBlock(InvalidBlock):
    """Fails a check that needs no context: refused, but its hash is never remembered as bad, against unknown malleability."""


class InvalidTx(Invalid):
    """The transaction breaks a consensus rule."""


class Mutated(RuleError):
    """The body is not the one its header commits to: the body is refused, the header is NOT condemned."""


class Premature(RuleError):
    """Not lawful yet, by the clock; never remembered as invalid."""


class Missing(ChainError):
    """Cannot be judged: a parent or an input is unknown."""

    def __init__(self, hashes: Iterable[bytes]) -> None:
        self.hashes = tuple(hashes)
        super().__init__("missing " + ", ".join(h.hex() for h in self.hashes[:4]))


class Refused(RuleError):
    """Lawful, but our mempool or our depth limit does not want it."""


class SystemFault(Exception):
    """Our own trouble (disk full, I/O error, a broken invariant). It NEVER makes a block invalid: stop or retry."""
