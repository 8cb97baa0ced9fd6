"""Script and signature checking of real blocks, in inputs a second on one core, beside libbitcoinkernel and python-bitcoinlib.

Run: python -m benchmarks.script [--rounds N] [BLOCK...]. The blocks come from the published vectors (CHAINYARD_VECTORS). Each checker
is given decoded transactions and coins and must accept every input; rounds take turns, and the best of each counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.report import Row, against, run
from primitives.bitcoin import Transaction, TxOutput, decode_block
from vm.script.flags import Flags
from vm.script.shapes import witness_program
from vm.script.sighash import SpendContext
from vm.script.verify import verify_input

BLOCKS = ("mainnet-277647", "mainnet-300025", "mainnet-403200", "testnet3-928848")
ROUNDS = 3
SAMPLE = 150
"""Inputs of a block that python-bitcoinlib checks, spread evenly: it copies the whole transaction for each of them."""
WANTED = {"libbitcoinkernel": 0.35, "python-bitcoinlib": 3.0}


class Spend(NamedTuple):
    """A transaction and the outputs that it spends."""

    tx: Transaction
    coins: list[TxOutput]


Work = Callable[[], int]
"""Checks inputs, and returns how many."""


def vectors() -> Path:
    """The folder of the Bitcoin vectors."""
    default = Path(__file__).resolve().parents[2] / "shared" / "vectors"
    return Path(os.environ.get("CHAINYARD_VECTORS", default)) / "bitcoin"


def load(name: str) -> tuple[list[Spend], Flags]:
    """A block's transactions with their coins, and the flags it was accepted under."""
    folder = vectors() / "blocks" / name
    block = decode_block(bytes.fromhex((folder / "block.hex").read_text().strip()))
    coins = iter(json.loads((folder / "prevouts.json").read_text()))
    spends = []
    for tx in block.txs[1:]:
        taken = [next(coins) for _ in tx.inputs]
        spends.append(Spend(tx, [TxOutput(c["value_sat"], bytes.fromhex(c["script_hex"])) for c in taken]))
    return spends, Flags.named(json.loads((folder / "meta.json").read_text())["script_flags"])


def chainyard(spends: list[Spend], flags: Flags) -> Work:
    """Chainyard's own check."""

    def work() -> int:
        count = 0
        for tx, coins in spends:
            context = SpendContext(tx, coins)
            for index in range(len(coins)):
                verify_input(context, index, flags)
            count += len(coins)
        return count

    return work


def kernel(spends: list[Spend], flags: Flags) -> Work:
    """Bitcoin Core's libbitcoinkernel, by py-bitcoinkernel."""
    import pbk
    from pbk.script import PrecomputedTransactionData

    rules = pbk.ScriptVerificationFlags(int(flags))
    ready = []
    for tx, coins in spends:
        scripts = [pbk.ScriptPubkey(c.script) for c in coins]
        outputs = [pbk.TransactionOutput(s, c.value) for s, c in zip(scripts, coins, strict=True)]
        ready.append((pbk.Transaction(tx.raw), outputs, list(zip(scripts, (c.value for c in coins), strict=True))))

    def work() -> int:
        count = 0
        for tx, outputs, coins in ready:
            shared = PrecomputedTransactionData(tx, outputs)
            for index, (script, value) in enumerate(coins):
                if not script.verify(value, tx, shared, index, rules):
                    raise AssertionError("libbitcoinkernel refuses an input of a real block")
                count += 1
        return count

    return work


def bitcoinlib(spends: list[Spend], flags: Flags) -> Work:
    """python-bitcoinlib; its VerifyScript knows no witness, so there its parts are put together by hand."""
    from bitcoin.core import CTransaction
    from bitcoin.core import script as lib
    from bitcoin.core.key import CPubKey
    from bitcoin.core.scripteval import SCRIPT_VERIFY_P2SH, VerifyScript

    inputs: list[tuple[Any, int, Any, int, bool]] = []
    for tx, coins in spends:
        decoded = CTransaction.deserialize(tx.raw)
        for index, coin in enumerate(coins):
            found = witness_program(coin.script)
            inputs.append((decoded, index, lib.CScript(coin.script), coin.value, found is not None and found[0] == 0))
    sample = inputs[:: max(1, len(inputs) // SAMPLE)]

    def work() -> int:
        for tx, index, script, value, witness in sample:
            if not witness:
                VerifyScript(tx.vin[index].scriptSig, script, tx, index, (SCRIPT_VERIFY_P2SH,))
                continue
            signature, key = tx.wit.vtxinwit[index].scriptWitness.stack
            code = lib.CScript(b"\x76\xa9" + bytes(script)[1:] + b"\x88\xac")
            digest = lib.SignatureHash(code, tx, index, signature[-1], value, lib.SIGVERSION_WITNESS_V0)
            if lib.Hash160(key) != bytes(script)[2:] or not CPubKey(key).verify(digest, signature[:-1]):
                raise AssertionError("python-bitcoinlib refuses an input of a real block")
        return len(sample)

    return work


CHECKERS = {"chainyard": chainyard, "libbitcoinkernel": kernel, "python-bitcoinlib": bitcoinlib}


def measure(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """Inputs for each second of processor time (the machine may be shared), the best of so many rounds."""
    best = dict.fromkeys(works, 0.0)
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            count = work()
            best[name] = max(best[name], count / (time.process_time() - start))
    return best


def rows() -> Iterator[Row]:
    """Script and signature checking of real blocks, one core"""
    yield from table(BLOCKS, ROUNDS)


def table(blocks: Iterable[str], rounds: int) -> Iterator[Row]:
    """A row a block for the rate, and one for the ratio to each peer."""
    for name in blocks:
        spends, flags = load(name)
        rates = measure({n: make(spends, flags) for n, make in CHECKERS.items()}, rounds)
        ours = rates.pop("chainyard")
        yield Row(name, ours, "inputs/s", beside=against(ours, rates))
        for peer, wanted in WANTED.items():
            yield Row(f"  against {peer}", ours / rates[peer], "times", least=wanted)


def main() -> int:
    """Print the table; 1 if a wanted ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("blocks", nargs="*", default=BLOCKS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()

    def rows() -> Iterator[Row]:
        """Script and signature checking of real blocks, one core"""
        yield from table(args.blocks, args.rounds)

    return run(rows)


if __name__ == "__main__":
    sys.exit(main())
