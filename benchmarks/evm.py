"""EVM loops in Mgas a second on one core, beside py-evm, EELS and pyrevm where they are installed.

Run: python -m benchmarks.evm [--rounds N] [--peers DIRECTORY]. Peers that do not fit into our environment can be installed into a
directory of their own (pip install --target DIRECTORY ...). Every machine runs the same code under Shanghai's rules; rounds
take turns, each in a process of its own, and the best of each counts.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.evm_code import ARITHMETIC, KECCAK, MANY, STORAGE, TOKEN, TOKEN_BALANCES
from primitives.hashing import keccak256

SENDER, CONTRACT = bytes(19) + b"\x77", bytes(18) + b"\xc0\xde"
HELD = 10**30
BALANCE_SLOT = int.from_bytes(keccak256(SENDER.rjust(32, b"\0") + TOKEN_BALANCES.to_bytes(32, "big")), "big")
LOOPS = {
    "arithmetic": (ARITHMETIC, b"", 300_000),
    "keccak": (KECCAK, b"", 60_000),
    "storage": (STORAGE, b"", 60_000),
    "erc20": (TOKEN, MANY, 2_000),
}
SLOW = {"py-evm": 10, "eels": 40}  # these do so many times fewer rounds
WANTED = 4.0  # times py-evm

Machine = Callable[[bytes, bytes, int], int]
"""Runs code with input and a gas limit in a fresh state that holds BALANCE_SLOT; returns the gas used."""


def chainyard() -> Machine:
    """Our own machine on the ledger's state."""
    from ledger.account.state import State
    from storage.memory import MemoryStore
    from vm.evm.api import BlockContext, Message, TxContext
    from vm.evm.forks import SHANGHAI
    from vm.evm.interpreter import run

    def call(code: bytes, data: bytes, gas: int) -> int:
        with MemoryStore().update() as kv:
            state = State(kv)
            state.set_code(CONTRACT, code)
            state.set_storage(CONTRACT, BALANCE_SLOT, HELD)
            state.end_transaction(True)
            state.commit()
            state.begin_transaction([SENDER, CONTRACT])
            block, tx = BlockContext(bytes(20), 1, 1, gas), TxContext(SENDER)
            result = run(Message(SENDER, CONTRACT, gas, data=data), state, block, tx, SHANGHAI)
        assert result.success, result.halt
        return gas - result.gas_left

    return call


def py_evm() -> Machine:
    """The Ethereum Foundation's Python client."""
    from eth import constants
    from eth.chains.base import MiningChain
    from eth.db.atomic import AtomicDB
    from eth.vm.forks.shanghai import ShanghaiVM

    chain_class = MiningChain.configure("Bench", vm_configuration=((constants.GENESIS_BLOCK_NUMBER, ShanghaiVM),))
    chain = chain_class.from_genesis(AtomicDB(), {"difficulty": 0, "gas_limit": 10**9, "timestamp": 1}, {})

    def call(code: bytes, data: bytes, gas: int) -> int:
        vm = chain.get_vm()
        vm.state.set_code(CONTRACT, code)
        vm.state.set_storage(CONTRACT, BALANCE_SLOT, HELD)
        computation = vm.execute_bytecode(
            origin=SENDER, gas_price=1, gas=gas, to=CONTRACT, sender=SENDER, value=0, data=data, code=code
        )
        computation.raise_if_error()
        return int(computation.get_gas_used())

    return call


def eels() -> Machine:
    """The execution specs (PyPI ethereum-execution)."""
    from ethereum.forks.shanghai import vm
    from ethereum.forks.shanghai.state import State, set_code, set_storage
    from ethereum.forks.shanghai.vm.interpreter import process_message_call
    from ethereum_types.bytes import Bytes, Bytes20, Bytes32
    from ethereum_types.numeric import U64, U256, Uint

    def call(code: bytes, data: bytes, gas: int) -> int:
        state, target, sender = State(), Bytes20(CONTRACT), Bytes20(SENDER)
        set_code(state, target, Bytes(code))
        set_storage(state, target, Bytes32(BALANCE_SLOT.to_bytes(32, "big")), U256(HELD))
        block = vm.BlockEnvironment(
            chain_id=U64(1), state=state, block_gas_limit=Uint(gas), block_hashes=[], coinbase=Bytes20(bytes(20)),
            number=Uint(1), base_fee_per_gas=Uint(1), time=U256(1), prev_randao=Bytes32(bytes(32)),
        )  # fmt: skip
        tx = vm.TransactionEnvironment(
            origin=sender, gas_price=Uint(1), gas=Uint(gas), access_list_addresses=set(),
            access_list_storage_keys=set(), index_in_block=Uint(0), tx_hash=None,
        )  # fmt: skip
        message = vm.Message(
            block_env=block, tx_env=tx, caller=sender, target=target, current_target=target, gas=Uint(gas),
            value=U256(0), data=Bytes(data), code_address=target, code=Bytes(code), depth=Uint(0),
            should_transfer_value=True, is_static=False, accessed_addresses=set(), accessed_storage_keys=set(),
            parent_evm=None,
        )  # fmt: skip
        output = process_message_call(message)
        assert output.error is None, output.error
        return gas - int(output.gas_left)

    return call


def pyrevm() -> Machine:
    """The Rust machine revm behind a Python binding."""
    from pyrevm import EVM, AccountInfo, BlockEnv

    def call(code: bytes, data: bytes, gas: int) -> int:
        sender, target = "0x" + SENDER.hex(), "0x" + CONTRACT.hex()
        evm = EVM(spec_id="SHANGHAI", gas_limit=gas)
        evm.set_block_env(BlockEnv(gas_limit=gas))
        evm.insert_account_info(target, AccountInfo(code=code))
        evm.insert_account_storage(target, BALANCE_SLOT, HELD)
        evm.message_call(sender, target, data, gas=gas)
        return int(evm.result.gas_used)

    return call


MACHINES: dict[str, Callable[[], Machine]] = {"chainyard": chainyard, "py-evm": py_evm, "eels": eels, "pyrevm": pyrevm}


def measure(name: str) -> dict[str, Any]:
    """Run all loops on one machine; a short run first, so that caches and compiled regions are there as in a node."""
    machine, found = MACHINES[name](), {}
    for loop, (code, selector, rounds) in LOOPS.items():
        rounds //= SLOW.get(name, 1)
        gas = 10**9
        machine(code, selector + (rounds // 10).to_bytes(32, "big"), gas)
        begin = time.process_time()
        used = machine(code, selector + rounds.to_bytes(32, "big"), gas)
        found[loop] = used / (time.process_time() - begin) / 1e6
    return found


def measured_apart(name: str, peers: list[str]) -> dict[str, float] | str:
    """Measure in a process of its own; gives the reason if that fails."""
    command = [sys.executable, "-m", "benchmarks.evm", "--only", name, *(f"--peers={peer}" for peer in peers)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1][:100]
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> int:
    """Print a table. Returns 1 if a loop is below what is wanted of it."""
    parser = argparse.ArgumentParser(prog="benchmarks.evm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--peers", metavar="DIRECTORY", action="append", default=[], help="where peers are, if not here"
    )
    parser.add_argument("--only", choices=MACHINES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        if args.only != "chainyard":
            sys.path[:0] = args.peers
        print(json.dumps(measure(args.only)))
        return 0
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, commit {commit}")
    best: dict[str, dict[str, float]] = {}
    for _ in range(args.rounds):
        for name in MACHINES:
            figures = measured_apart(name, args.peers)
            if isinstance(figures, str):
                print(f"{name}: not measured: {figures}")
                continue
            kept = best.setdefault(name, figures)
            best[name] = {loop: max(kept[loop], figures[loop]) for loop in LOOPS}
    print(f"{'Mgas/s':12}" + "".join(f"{loop:>12}" for loop in LOOPS))
    for name, figures in best.items():
        print(f"{name:12}" + "".join(f"{figures[loop]:12.1f}" for loop in LOOPS))
    if "py-evm" not in best:
        return 0
    ratios = {loop: best["chainyard"][loop] / best["py-evm"][loop] for loop in LOOPS}
    print(f"{'x py-evm':12}" + "".join(f"{ratios[loop]:12.1f}" for loop in LOOPS))
    return int(min(ratios.values()) < WANTED)


if __name__ == "__main__":
    sys.exit(main())
