"""Runs state-test cases by EELS and prints what came out. A script for the environment that holds EELS, not for this project's.

python eels_runner.py CASES.json    prints an object: name -> {"root", "logs", "gas", "rejected"}
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ethereum.crypto.hash import keccak256  # type: ignore[import-not-found]
from ethereum.exceptions import EthereumException  # type: ignore[import-not-found]
from ethereum_rlp import rlp  # type: ignore[import-not-found]
from ethereum_rlp.exceptions import DecodingError  # type: ignore[import-not-found]
from ethereum_types.bytes import Bytes, Bytes32  # type: ignore[import-not-found]
from ethereum_types.numeric import U64, U256, Uint  # type: ignore[import-not-found]

FORKS = {"Prague": "prague", "Osaka": "osaka"}


def number(text: str) -> int:
    """A number as state tests write it."""
    return int(text, 16)


def raw(text: str) -> bytes:
    """Bytes as state tests write them."""
    return bytes.fromhex(text.removeprefix("0x"))


def state_of(pre: dict[str, Any], state: ModuleType, types: ModuleType) -> Any:
    """The accounts of a case."""
    made = state.State()
    for key, fields in pre.items():
        address = types.Address(raw(key))
        account = types.Account(
            Uint(number(fields["nonce"])), U256(number(fields["balance"])), Bytes(raw(fields["code"]))
        )
        state.set_account(made, address, account)
        for slot, value in fields["storage"].items():
            state.set_storage(made, address, Bytes32(number(slot).to_bytes(32, "big")), U256(number(value)))
    return made


def run(test: dict[str, Any], name: str, post: dict[str, Any]) -> dict[str, Any]:
    """Apply the transaction of one post entry."""
    fork, state, types, transactions, vm = (
        importlib.import_module(f"ethereum.forks.{FORKS[name]}.{part}")
        for part in ("fork", "state", "fork_types", "transactions", "vm")
    )
    env = test["env"]
    height = number(env["currentNumber"])
    accounts = state_of(test["pre"], state, types)
    block = vm.BlockEnvironment(
        chain_id=U64(1),
        state=accounts,
        block_gas_limit=Uint(number(env["currentGasLimit"])),
        block_hashes=[keccak256(str(n).encode()) for n in range(max(0, height - 256), height)],
        coinbase=types.Address(raw(env["currentCoinbase"])),
        number=Uint(height),
        base_fee_per_gas=Uint(number(env["currentBaseFee"])),
        time=U256(number(env["currentTimestamp"])),
        prev_randao=Bytes32(raw(env["currentRandom"])),
        excess_blob_gas=U64(number(env["currentExcessBlobGas"])),
        parent_beacon_block_root=Bytes32(bytes(32)),
    )
    output = vm.BlockOutput()
    data = raw(post["txbytes"])
    rejected = ""
    try:
        tx = transactions.decode_transaction(
            rlp.decode_to(transactions.LegacyTransaction, data) if data[0] >= 0xC0 else Bytes(data)
        )
        fork.process_transaction(block, output, tx, Uint(0))
    except (EthereumException, DecodingError) as e:
        rejected = f"{type(e).__name__}: {e}"
    return {
        "root": "0x" + state.state_root(accounts).hex(),
        "logs": "0x" + keccak256(rlp.encode(output.block_logs)).hex(),
        "gas": int(output.block_gas_used),
        "rejected": rejected,
    }


def main(path: Path) -> None:
    """Run a file."""
    sys.setrecursionlimit(20_000)
    found = {}
    for key, test in json.loads(path.read_text()).items():
        for fork, posts in test["post"].items():
            for post in posts:
                found[key] = run(test, fork, post)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
