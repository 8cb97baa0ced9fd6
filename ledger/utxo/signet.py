"""Signet's proof beside the proof of work: a signature over the block, kept in the coinbase's witness commitment (BIP325).

It refuses to know which signet; the challenge script is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from ledger.utxo.checks import COMMITMENT_HEAD
from primitives import merkle
from primitives.bitcoin import NULL_OUTPOINT, Transaction, TxInput, TxOutput, outpoint
from primitives.buffer import Reader
from primitives.errors import DecodeError, MalformedBlock
from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.opcodes import Truncated, operations, push
from vm.script.sighash import SpendContext
from vm.script.verify import verify_input

HEADER: Final = b"\xec\xc7\xda\xa2"
FLAGS: Final = Flags.P2SH | Flags.WITNESS | Flags.DERSIG | Flags.NULLDUMMY
_RETURN: Final = b"\x6a"


def solved_by(challenge: bytes, genesis: bytes) -> Callable[[Any], None]:
    """The check that every block but genesis bears a solution of the challenge.

    It raises MalformedBlock("bad-signet-blksig"). Source: Bitcoin Core, signet.cpp.
    """

    def check(block: Any) -> None:
        if block.header.hash == genesis:
            return
        try:
            verify_input(spending(block, challenge), 0, FLAGS)
        except (ScriptError, DecodeError) as e:
            raise MalformedBlock("bad-signet-blksig", f"signet block signature validation failure: {e}") from e

    return check


def spending(block: Any, challenge: bytes) -> SpendContext:
    """The transaction that a solution signs, with that solution in it. Raises DecodeError where the block holds none that can be read."""
    if not block.txs or not block.txs[0].outputs:
        raise DecodeError("no coinbase")
    coinbase, solution = without_solution(block.txs[0])
    script, witness = _read(solution)
    root = merkle.root([coinbase.id, *(tx.id for tx in block.txs[1:])])
    data = block.header.raw[:36] + root + block.header.raw[68:72]
    spent = TxOutput(0, challenge)
    first = Transaction(0, (TxInput(NULL_OUTPOINT, b"\x00" + bytes((len(data),)) + data, 0),), (spent,))
    second = Transaction(0, (TxInput(outpoint(first.id, 0), script, 0, witness),), (TxOutput(0, _RETURN),))
    return SpendContext(second, [spent])


def without_solution(coinbase: Transaction) -> tuple[Transaction, bytes]:
    """The coinbase as it was signed, and the solution; empty where it holds none. Raises DecodeError without a commitment."""
    outputs = coinbase.outputs
    at = next((n for n in reversed(range(len(outputs))) if _commits(outputs[n].script)), None)
    if at is None:
        raise DecodeError("no witness commitment")
    script, solution = _cut(outputs[at].script)
    changed = (*outputs[:at], TxOutput(outputs[at].value, script), *outputs[at + 1 :])
    return replace(coinbase, outputs=changed), solution


def _commits(script: bytes) -> bool:
    return len(script) >= 38 and script.startswith(COMMITMENT_HEAD)


def _cut(script: bytes) -> tuple[bytes, bytes]:
    """The script with the first push that begins with the header cut down to the header, and what was cut off."""
    parts: list[bytes] = []
    solution = b""
    with suppress(Truncated):  # what cannot be read is dropped, as the signer dropped it
        for op, data in operations(script):
            if not data:
                parts.append(bytes((op,)))
                continue
            if not solution and data.startswith(HEADER) and len(data) > len(HEADER):
                data, solution = HEADER, data[len(HEADER) :]
            parts.append(push(data))
    return (b"".join(parts), solution) if solution else (script, b"")


def _read(solution: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    if not solution:
        return b"", ()
    r = Reader(solution)
    found = r.var_bytes(), r.many(Reader.var_bytes)
    r.finish()
    return found
