"""Our own fuzzer: random transactions under the newest forks' rules, run here and by EELS; roots, logs and gas must be equal.

python -m tests.ledger.account.fuzz_eels SEED COUNT    runs so many and prints each difference
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from ledger.account.state import State
from ledger.account.transaction import check_form, check_state, execute
from primitives import secp256k1
from primitives.errors import ChainError, InvalidTx
from primitives.ethereum import logs_hash
from primitives.ethereum_tx import (
    ACCESS_LIST,
    BLOB,
    DYNAMIC_FEE,
    LEGACY,
    SET_CODE,
    AccessList,
    Authorization,
    EthereumTransaction,
    account_of,
    authorize,
    decode_transaction,
    sign,
)
from tests.ledger.account.fuzz_code import init_code, program
from tests.ledger.account.fuzz_inputs import precompile, word
from tests.vectors.ethereum_data import Memory, data, fill, rules_of
from tests.vectors.ethereum_state import block_context

VERSION = "2.20.0"
TOOLS = Path(os.environ.get("CHAINYARD_TOOLS", Path.home() / ".cache" / "chainyard-tests"))
PYTHON = TOOLS / f"venv-eels-{VERSION}" / "bin" / "python"
FORKS = ("Prague", "Osaka")
CHUNK = 125
"""Cases that one process of EELS runs."""

KEYS = tuple(bytes(31) + bytes((n,)) for n in range(1, 6))
SENDERS = tuple(account_of(secp256k1.public_key(key, compressed=False)) for key in KEYS)
CONTRACTS = tuple(bytes(18) + (0x1000 + n).to_bytes(2, "big") for n in range(6))
COINBASE = b"\xc0" * 20
NOBODY = b"\xdd" * 20
PRECOMPILES = tuple(n.to_bytes(20, "big") for n in (*range(19), 0x100))
GWEI = 10**9

Case = dict[str, Any]


def case(seed: int) -> tuple[str, Case]:
    """The name of a case and the case, in the form of a state test; the same for the same seed."""
    draw = Random(seed)
    fork = draw.choice(FORKS)
    places = (*CONTRACTS * 3, *SENDERS, COINBASE, NOBODY, draw.choice(PRECOMPILES), draw.choice(PRECOMPILES))
    pre: dict[str, Any] = {}
    for sender in SENDERS:
        if draw.random() < 0.95:
            _account(pre, sender, balance=10**20, nonce=draw.choice((0, 0, 1, 7)))
    for address in CONTRACTS:
        storage = {hex(n): hex(draw.choice((1, draw.getrandbits(256) | 1))) for n in range(4) if draw.random() < 0.4}
        balance, nonce = draw.choice((0, 0, 1, 10**6, 10**18)), draw.choice((1, 1, 1, (1 << 64) - 1))
        _account(pre, address, balance, nonce, program(draw, places), storage)
    if draw.random() < 0.4:  # an account that another's code already runs in
        delegate = draw.choice((*CONTRACTS, *SENDERS, draw.choice(PRECOMPILES)))
        _account(pre, SENDERS[draw.randrange(5)], 10**20, 1, b"\xef\x01\x00" + delegate)
    if draw.random() < 0.5:
        _account(pre, COINBASE, 1, 0)
    base_fee = draw.choice((7, GWEI, 10 * GWEI))
    env = {
        "currentCoinbase": "0x" + COINBASE.hex(),
        "currentNumber": hex(300),
        "currentTimestamp": hex(1_760_000_000),
        "currentGasLimit": hex(30_000_000),
        "currentRandom": "0x" + draw.randbytes(32).hex(),
        "currentBaseFee": hex(base_fee),
        "currentExcessBlobGas": hex(draw.choice((0, 131_072, 10_000_000, 60_000_000))),
    }
    tx = _transaction(draw, pre, places, base_fee)
    post = {"txbytes": "0x" + tx.raw.hex(), "indexes": {"data": 0, "gas": 0, "value": 0}}
    return f"{seed}-{fork}", {"env": env, "pre": pre, "post": {fork: [post]}}


def _account(
    pre: dict[str, Any],
    address: bytes,
    balance: int,
    nonce: int,
    code: bytes = b"",
    storage: dict[str, str] | None = None,
) -> None:
    fields = {"balance": hex(balance), "nonce": hex(nonce), "code": "0x" + code.hex(), "storage": storage or {}}
    pre["0x" + address.hex()] = fields


def _transaction(draw: Random, pre: dict[str, Any], places: Sequence[bytes], base_fee: int) -> EthereumTransaction:
    """A transaction that is lawful nine times in ten."""
    who = draw.randrange(5)
    sender = pre.get("0x" + SENDERS[who].hex(), {"nonce": "0x0"})
    kind = draw.choice((LEGACY, ACCESS_LIST, DYNAMIC_FEE, DYNAMIC_FEE, BLOB, SET_CODE, SET_CODE))
    price = base_fee + draw.choice((0, 1, GWEI, 5 * GWEI))
    fields: dict[str, Any] = {
        "chain_id": None if kind == LEGACY and draw.random() < 0.5 else 1,
        "nonce": int(sender["nonce"], 16),
        "fee_cap": price,
        "tip_cap": price if kind < DYNAMIC_FEE else draw.choice((0, 1, price // 2, price)),
        "gas_limit": draw.choice((60_000, 100_000, 200_000, 200_000, 400_000, 1_000_000)),
        "to": draw.choice(places[:18]),
        "value": draw.choice((0, 0, 1, 1_000, 10**18)),
        "data": draw.randbytes(draw.choice((0, 0, 4, 36, 100))),
        "access_list": () if kind == LEGACY else _access_list(draw, places),
    }
    aim = draw.random()
    if aim < 0.1:
        at, given = precompile(draw)
        fields |= {"to": at.to_bytes(20, "big"), "data": given, "gas_limit": 500_000}
    elif aim < 0.3 and kind < BLOB:
        fields |= {"to": None, "data": init_code(draw, places)}
    elif aim < 0.35:
        fields |= {"to": draw.choice(places)}
    elif aim < 0.38:  # more data than the gas of execution: the floor price
        fields |= {"data": draw.randbytes(draw.choice((1_000, 5_000))), "gas_limit": 400_000}
    if kind == BLOB:
        fields |= {
            "blob_fee_cap": draw.choice((10**6, 10**12, 10**12)),
            "blob_hashes": tuple(b"\x01" + draw.randbytes(31) for _ in range(draw.randrange(1, 7))),
        }
    if kind == SET_CODE:
        fields["authorizations"] = tuple(_authorization(draw, pre, places, who) for _ in range(draw.randrange(1, 5)))
        fields["gas_limit"] += 25_000 * len(fields["authorizations"])
    if draw.random() < 0.1:
        _spoil(draw, fields, kind, base_fee)
    return sign(EthereumTransaction(kind=kind, **fields), KEYS[who])


def _access_list(draw: Random, places: Sequence[bytes]) -> AccessList:
    def keys() -> tuple[bytes, ...]:
        return tuple(word(draw.randrange(5)) for _ in range(draw.randrange(4)))

    return tuple((draw.choice(places), keys()) for _ in range(draw.choice((0, 0, 1, 2, 3))))


def _authorization(draw: Random, pre: dict[str, Any], places: Sequence[bytes], sender: int) -> Authorization:
    who = draw.randrange(5)
    nonce = int(pre.get("0x" + SENDERS[who].hex(), {"nonce": "0x0"})["nonce"], 16) + (1 if who == sender else 0)
    if draw.random() < 0.15:
        nonce = draw.choice((0, nonce + 1, (1 << 64) - 1))
    target = bytes(20) if draw.random() < 0.15 else draw.choice(places)
    made = authorize(KEYS[who], draw.choice((0, 1, 1, 1, 2)), target, nonce)
    if draw.random() < 0.1:
        wrong = draw.choice(
            ({"y_parity": 2}, {"y_parity": 255}, {"s": (1 << 256) - 1}, {"r": 0}, {"y_parity": made.y_parity ^ 1})
        )
        parts = {name: getattr(made, name) for name in ("chain_id", "address", "nonce", "y_parity", "r", "s")}
        made = Authorization(**parts | wrong)
    return made


def _spoil(draw: Random, fields: dict[str, Any], kind: int, base_fee: int) -> None:
    """Make the transaction break one rule, or come close to it."""
    choices: list[dict[str, Any]] = [
        {"nonce": fields["nonce"] + 1},
        {"value": 10**20},
        {"gas_limit": 21_000},
        {"gas_limit": draw.choice((1 << 24, (1 << 24) + 1, 30_000_001))},
        {"fee_cap": base_fee - 1, "tip_cap": base_fee - 1},
    ]
    if kind == LEGACY:  # EELS runs typed transactions of other chains too: it leaves that check to whoever calls it
        choices.append({"chain_id": 2})
    if kind >= DYNAMIC_FEE:
        choices.append({"tip_cap": fields["fee_cap"] + 1})
    if kind < BLOB:
        choices.append({"to": None, "data": bytes(draw.choice((49_152, 49_153))), "gas_limit": 5_000_000})
    if kind == BLOB:
        choices += [{"blob_fee_cap": 1}, {"blob_hashes": ()}, {"blob_hashes": (b"\x02" + bytes(31),)}, {"to": None}]
        choices += [{"blob_hashes": (b"\x01" + bytes(31),) * n} for n in (7, 9, 10)]
    if kind == SET_CODE:
        choices += [{"authorizations": ()}, {"to": None}]
    fields |= draw.choice(choices)


def ours(test: Case) -> dict[str, Any]:
    """What this project makes of a case."""
    ((fork, (post,)),) = test["post"].items()
    rules = rules_of(fork)
    state = State(Memory())
    fill(state, test["pre"])
    block = block_context(test["env"], rules)
    logs, gas, rejected, failed = logs_hash(()), 0, "", ""
    try:
        tx = decode_transaction(data(post["txbytes"]))
        if tx.gas_limit > block.gas_limit:
            raise InvalidTx("gas limit reached")
        if len(tx.blob_hashes) > (rules.fork.blobs.max if rules.fork.blobs else 0):
            raise InvalidTx("blob gas limit reached")
        check_form(tx, rules, block.chain_id)
        check_state(tx, state, block, rules)
        outcome = execute(tx, state, block, rules)
        logs, gas, failed = logs_hash(outcome.logs), outcome.gas_used, str(outcome.result.halt or "")
    except ChainError as e:
        rejected = str(e)
    root = "0x" + state.commit().hex()
    return {"root": root, "logs": "0x" + logs.hex(), "gas": gas, "rejected": rejected, "failed": failed}


def theirs(cases: dict[str, Case]) -> dict[str, dict[str, Any]]:
    """What EELS makes of cases, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.json"
        path.write_text(json.dumps(cases))
        script = Path(__file__).with_name("eels_runner.py")
        made = subprocess.run([str(PYTHON), str(script), str(path)], capture_output=True, text=True)
    if made.returncode:
        raise AssertionError(f"EELS stopped: {made.stderr[-3000:]}")
    found: dict[str, dict[str, Any]] = json.loads(made.stdout)
    return found


def install() -> str:
    """Make the environment that holds EELS; what went wrong, or nothing."""
    ready = PYTHON.parent.parent / "ready"
    if not ready.exists():
        ready.parent.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(ready.parent)], check=True)
        words = [str(PYTHON), "-m", "pip", "install", "-q", f"ethereum-execution=={VERSION}"]
        made = subprocess.run(words, capture_output=True, text=True)
        if made.returncode:
            return f"pip could not install ethereum-execution: {made.stderr.strip().splitlines()[-1:]}"
        ready.touch()
    return ""


@dataclass
class Report:
    """What a run of the fuzzer found."""

    differences: dict[str, tuple[dict[str, Any], dict[str, Any], Case]] = field(default_factory=dict)
    """By name: our result, theirs, the case."""
    ends: Counter[str] = field(default_factory=Counter)
    """How transactions ended: "success", a failure's text or "rejected"."""
    kinds: Counter[int] = field(default_factory=Counter)
    """Transaction types that were run."""


def _chunks(seed: int, count: int) -> Iterator[dict[str, Case]]:
    for start in range(seed, seed + count, CHUNK):
        yield dict(case(n) for n in range(start, min(start + CHUNK, seed + count)))


def run(seed: int, count: int, processes: int = 1) -> Report:
    """Run the cases of so many seeds and compare."""
    report = Report()
    with ThreadPoolExecutor(processes) as pool:
        waiting = [(cases, pool.submit(theirs, cases)) for cases in _chunks(seed, count)]
        for cases, reply in waiting:
            mine = {name: ours(test) for name, test in cases.items()}
            for name, result in reply.result().items():
                compare(name, mine[name], result, cases[name], report)
    return report


def compare(name: str, mine: dict[str, Any], other: dict[str, Any], test: Case, report: Report) -> None:
    """Enter one case into a report."""
    same = all(mine[key] == other[key] for key in ("root", "logs", "gas"))
    if not same or bool(mine["rejected"]) != bool(other["rejected"]):
        report.differences[name] = (mine, other, test)
    report.ends["rejected" if mine["rejected"] else mine["failed"].split(":")[0] or "success"] += 1
    ((_, (post,)),) = test["post"].items()
    first = data(post["txbytes"])[0]
    report.kinds[first if first < 0xC0 else LEGACY] += 1


if __name__ == "__main__":
    if trouble := install():
        raise SystemExit(trouble)
    found = run(int(sys.argv[1]), int(sys.argv[2]))
    print(dict(found.ends), dict(found.kinds))
    for key, (a, b, which) in found.differences.items():
        print(key, a, b, json.dumps(which), sep="\n  ")
    sys.exit(bool(found.differences))
