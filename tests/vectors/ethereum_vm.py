"""The machine's own vectors: legacy VMTests, and geth's tables of opcode and precompile results."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from chains.ethereum_genesis import schedule_of
from ledger.account.fees import blob_base_fee
from ledger.account.state import State
from ledger.account.transaction import execute
from primitives import rlp
from primitives.ethereum_tx import decode_transaction
from primitives.hashing import keccak256
from tests.vectors.ethereum_data import Memory, fill
from tests.vm.evm.world import MemoryWorld
from vm.evm.api import BlockContext, Fork, Message, PrecompileFailed, TxContext
from vm.evm.forks import BYZANTIUM, FRONTIER, ISTANBUL, OSAKA, PRAGUE
from vm.evm.interpreter import run
from vm.evm.tracers.calls import CallTracer
from vm.evm.tracers.prestate import PrestateTracer

Case = tuple[str, Callable[[], None]]

CONTRACT = bytes(18) + b"\xc0\xde"


def _number(text: str) -> int:
    return int(text, 16) if text not in ("", "0x") else 0


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _accounts(listed: dict[str, Any]) -> dict[bytes, dict[str, Any]]:
    return {
        _bytes(address): {
            "nonce": _number(fields["nonce"]),
            "balance": _number(fields["balance"]),
            "code": _bytes(fields["code"]),
            "storage": {_number(k): _number(v) for k, v in fields["storage"].items() if _number(v)},
        }
        for address, fields in listed.items()
    }


def vmtests(ethereum: Path) -> Iterator[Case]:
    """Bare code under Frontier's rules, without a transaction: gas, output, logs and accounts must be equal."""
    folder = ethereum / "legacytests/Constantinople/VMTests"
    for path in sorted(folder.glob("*/*.json")):
        for name, test in json.loads(path.read_text()).items():
            yield f"{path.parent.name}/{name}", partial(check_vmtest, test)


def check_vmtest(test: dict[str, Any]) -> None:
    """Run one VMTest. Raises AssertionError."""
    env, call = test["env"], test["exec"]
    world = MemoryWorld(_accounts(test["pre"]))
    block = BlockContext(
        coinbase=_bytes(env["currentCoinbase"]),
        number=_number(env["currentNumber"]),
        timestamp=_number(env["currentTimestamp"]),
        gas_limit=_number(env["currentGasLimit"]),
        difficulty=_number(env["currentDifficulty"]),
        block_hash=lambda number: keccak256(str(number).encode()),
    )
    message = Message(
        caller=_bytes(call["caller"]),
        target=_bytes(call["address"]),
        gas=_number(call["gas"]),
        value=_number(call["value"]),
        data=_bytes(call["data"]),
        moves_value=False,
    )
    tx = TxContext(origin=_bytes(call["origin"]), gas_price=_number(call["gasPrice"]))
    result = run(message, world, block, tx, FRONTIER)
    if "post" not in test:
        assert not result.success, "it must fail"
        return
    assert result.success, f"halted: {result.halt}"
    assert result.gas_left == _number(test["gas"]), f"gas {result.gas_left} != {_number(test['gas'])}"
    assert result.output == _bytes(test["out"]), f"output {result.output.hex()}"
    logs = keccak256(rlp.encode([[a, list(topics), data] for a, topics, data in world.logs]))
    assert logs == _bytes(test["logs"]), "logs differ"
    for address, fields in _accounts(test["post"]).items():
        assert world.balance(address) == fields["balance"], f"balance of {address.hex()}"
        assert world.nonce(address) == fields["nonce"], f"nonce of {address.hex()}"
        assert world.code(address) == fields["code"], f"code of {address.hex()}"
        assert world.storage_of(address) == fields["storage"], f"storage of {address.hex()}"


_OPCODES = {
    "add": 0x01,
    "mul": 0x02,
    "sub": 0x03,
    "div": 0x04,
    "sdiv": 0x05,
    "mod": 0x06,
    "smod": 0x07,
    "exp": 0x0A,
    "signext": 0x0B,
    "lt": 0x10,
    "gt": 0x11,
    "slt": 0x12,
    "sgt": 0x13,
    "eq": 0x14,
    "and": 0x16,
    "or": 0x17,
    "xor": 0x18,
    "byte": 0x1A,
    "shl": 0x1B,
    "shr": 0x1C,
    "sar": 0x1D,
}

_PRECOMPILES: dict[str, tuple[Fork, int]] = {
    "ecRecover": (FRONTIER, 1),
    "modexp": (BYZANTIUM, 5),
    "bn256Add": (ISTANBUL, 6),
    "bn256ScalarMul": (ISTANBUL, 7),
    "bn256Pairing": (ISTANBUL, 8),
    "blake2F": (ISTANBUL, 9),
    "blake2f": (ISTANBUL, 9),
    "pointEvaluation": (PRAGUE, 10),
    "blsG1Add": (PRAGUE, 11),
    "blsG1Mul": (PRAGUE, 12),
    "blsG1MultiExp": (PRAGUE, 12),
    "blsG2Add": (PRAGUE, 13),
    "blsG2Mul": (PRAGUE, 14),
    "blsG2MultiExp": (PRAGUE, 14),
    "blsPairing": (PRAGUE, 15),
    "blsMapG1": (PRAGUE, 16),
    "blsMapG2": (PRAGUE, 17),
}


def geth_vm(ethereum: Path) -> Iterator[Case]:
    """Geth's results of two-operand opcodes, and of precompiles with their gas and failures."""
    folder = ethereum / "real/geth-vm"
    for path in sorted(folder.glob("testcases_*.json")):
        opcode = _OPCODES[path.stem.removeprefix("testcases_")]
        for at, case in enumerate(json.loads(path.read_text())):
            yield f"{path.stem}/{at}", partial(check_opcode, opcode, case)
    for path in sorted((folder / "precompiles").glob("*.json")):
        fork, number = _PRECOMPILES[path.stem.removeprefix("fail-")]
        for at, case in enumerate(json.loads(path.read_text())):
            name = f"{path.stem}/{at}/{case.get('Name', '')}"
            yield name, partial(check_precompile, fork, number, case)


def check_opcode(opcode: int, case: dict[str, str]) -> None:
    """Run one opcode on two words; X lies under Y. Raises AssertionError."""
    words = _bytes(case["X"]), _bytes(case["Y"])
    code = b"".join(b"\x7f" + word for word in words) + bytes([opcode]) + bytes.fromhex("5f5260205ff3")
    world = MemoryWorld({CONTRACT: {"code": code}})
    result = run(
        Message(bytes(20), CONTRACT, 100_000), world, BlockContext(bytes(20), 1, 1, 1), TxContext(bytes(20)), OSAKA
    )
    assert result.output == _bytes(case["Expected"]), result.output.hex()


def check_precompile(fork: Fork, number: int, case: dict[str, Any]) -> None:
    """Call one precompile with just enough gas. Raises AssertionError."""
    target, data = number.to_bytes(20, "big"), _bytes(case["Input"])
    gas = case.get("Gas", fork.precompiles[target].price(data))
    message = Message(bytes(20), target, gas, data=data)
    result = run(message, MemoryWorld(), BlockContext(bytes(20), 1, 1, 1), TxContext(bytes(20)), fork)
    assert result.gas_left == 0, f"price is not {gas}"
    if "ExpectedError" in case:
        assert isinstance(result.halt, PrecompileFailed), f"{result.halt}"
    else:
        assert result.success, f"{result.halt}"
        assert result.output == _bytes(case["Expected"]), result.output.hex()


def tx_replay(ethereum: Path) -> Iterator[Case]:
    """Real transactions on the part of the state that they need: geth's call trees and prestates must come out."""
    folder = ethereum / "real/tx-replay"
    for path in sorted(folder.glob("*/*.json")):
        yield f"{path.parent.name}/{path.stem}", partial(check_replay, path.parent.name, json.loads(path.read_text()))


def check_replay(kind: str, test: dict[str, Any]) -> None:
    """Run one transaction under a tracer. Raises AssertionError."""
    genesis, context, options = test["genesis"], test["context"], test.get("tracerConfig") or {}
    # geth reads keys in any case, and one file has "IstanbulBlock"
    schedule = schedule_of({key[0].lower() + key[1:]: value for key, value in genesis["config"].items()})
    difficulty = int(context["difficulty"])
    rules = schedule.at(int(context["number"]), int(context["timestamp"]), difficulty)
    blobs = rules.fork.blobs
    block = BlockContext(
        coinbase=_bytes(context["miner"]),
        number=int(context["number"]),
        timestamp=int(context["timestamp"]),
        gas_limit=int(context["gasLimit"]),
        difficulty=difficulty,
        base_fee=int(context.get("baseFeePerGas", 0)),
        blob_base_fee=blob_base_fee(int(genesis.get("excessBlobGas", 0)), blobs) if blobs else 1,
        chain_id=schedule.chain_id,
    )
    state = State(Memory())
    fill(state, genesis["alloc"])
    tx = decode_transaction(_bytes(test["input"]))
    found: dict[str, Any]
    if kind == "prestate_tracer":
        authorities = (a.authority for a in tx.authorizations if a.authority)
        named = (tx.sender, *([tx.to] if tx.to else []), block.coinbase, *authorities)
        code, storage = not options.get("disableCode"), not options.get("disableStorage")
        prestate = PrestateTracer(state, named, code, storage)
        execute(tx, state, block, rules, prestate)
        found = prestate.json()
    else:
        calls = CallTracer(options.get("withLog", False), options.get("onlyTopCall", False))
        outcome = execute(tx, state, block, rules, calls)
        found = calls.json(tx.gas_limit, outcome.gas_used)
    _number_logs(test["result"])
    assert found == test["result"], _first_difference(found, test["result"])


def _number_logs(call: dict[str, Any]) -> None:
    """Older files do not number their logs, which geth reads as 0."""
    for log in call.get("logs", ()):
        log.setdefault("index", "0x0")
    for inner in call.get("calls", ()):
        _number_logs(inner)


def _first_difference(found: Any, wanted: Any, at: str = "") -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            if found.get(key) != wanted.get(key):
                return _first_difference(found.get(key), wanted.get(key), f"{at}.{key}")
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            if one != other:
                return _first_difference(one, other, f"{at}[{number}]")
    return f"{at}: {str(found)[:200]} != {str(wanted)[:200]}"


SUITES: dict[str, Callable[[Path], Iterator[Case]]] = {"vmtests": vmtests, "geth_vm": geth_vm, "tx_replay": tx_replay}
