"""State tests: one transaction on a given state, judged by the state root and the logs after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ledger.account.fees import blob_base_fee
from ledger.account.rules import AccountRules
from ledger.account.state import State
from ledger.account.transaction import check_form, check_state, execute
from primitives.errors import ChainError, InvalidTx
from primitives.ethereum import logs_hash
from primitives.ethereum_tx import (
    ACCESS_LIST,
    BLOB,
    DYNAMIC_FEE,
    LEGACY,
    SET_CODE,
    Authorization,
    EthereumTransaction,
    decode_transaction,
    sign,
)
from primitives.hashing import keccak256
from tests.vectors.ethereum_data import Memory, data, files, fill, fixed, load, number, rules_of
from tests.vectors.ethereum_exceptions import expect
from vm.evm.api import BlockContext

Case = tuple[str, Callable[[], None]]


def old_block_hash(n: int) -> bytes:
    """The hash that state tests pretend block n to have."""
    return keccak256(str(n).encode())


def block_context(env: dict[str, Any], rules: AccountRules) -> BlockContext:
    """The block that a test's `env` describes."""
    blobs = rules.fork.blobs
    return BlockContext(
        coinbase=fixed(env["currentCoinbase"], 20),
        number=number(env["currentNumber"]),
        timestamp=number(env["currentTimestamp"]),
        gas_limit=number(env["currentGasLimit"]),
        difficulty=number(env.get("currentDifficulty")),
        randao=fixed(env.get("currentRandom", ""), 32),
        base_fee=number(env.get("currentBaseFee"), 10) if rules.fee_market else 0,
        blob_base_fee=1 if blobs is None else blob_base_fee(number(env.get("currentExcessBlobGas")), blobs),
        chain_id=1,
        block_hash=old_block_hash,
    )


def transaction(fields: dict[str, Any], post: dict[str, Any]) -> EthereumTransaction:
    """The transaction that a post entry picks: its signed bytes where given, else its fields, signed here."""
    if "txbytes" in post:
        return decode_transaction(data(post["txbytes"]))
    pick = post["indexes"]
    access = fields.get("accessLists", [None])[pick["data"] if "accessLists" in fields else 0]
    kind = LEGACY if access is None else ACCESS_LIST
    if "maxFeePerGas" in fields:
        kind = DYNAMIC_FEE
    if "maxFeePerBlobGas" in fields:
        kind = BLOB
    if "authorizationList" in fields:
        kind = SET_CODE
    price = number(fields.get("gasPrice"))
    tx = EthereumTransaction(
        kind=kind,
        chain_id=None if kind == LEGACY else 1,
        nonce=number(fields["nonce"]),
        tip_cap=number(fields.get("maxPriorityFeePerGas"), price),
        fee_cap=number(fields.get("maxFeePerGas"), price),
        gas_limit=number(fields["gasLimit"][pick["gas"]]),
        to=data(fields["to"]) or None,
        value=number(fields["value"][pick["value"]]),
        data=data(fields["data"][pick["data"]]),
        access_list=tuple(
            (fixed(a["address"], 20), tuple(fixed(k, 32) for k in a["storageKeys"])) for a in access or ()
        ),
        blob_fee_cap=number(fields.get("maxFeePerBlobGas")),
        blob_hashes=tuple(data(h) for h in fields.get("blobVersionedHashes", ())),
        authorizations=tuple(
            Authorization(
                number(a["chainId"]), fixed(a["address"], 20), number(a["nonce"]), number(a["v"]), number(a["r"]),
                number(a["s"]),
            )
            for a in fields.get("authorizationList", ())
        ),
    )  # fmt: skip
    return sign(tx, fixed(fields["secretKey"], 32))


def run_state_test(test: dict[str, Any], fork: str, post: dict[str, Any]) -> None:
    """Apply the transaction to `pre`; root and logs must be those of `post`, an invalid one must change nothing."""
    rules = rules_of(fork, test.get("config", {}).get("blobSchedule"))
    state = State(Memory())
    fill(state, test["pre"])
    block = block_context(test["env"], rules)
    failure: ChainError | None = None
    logs = logs_hash(())
    try:
        tx = transaction(test["transaction"], post)
        if tx.gas_limit > block.gas_limit:
            raise InvalidTx("gas limit reached")
        blobs = rules.fork.blobs
        if blobs is not None and len(tx.blob_hashes) > blobs.max:
            raise InvalidTx("blob gas limit reached")
        check_form(tx, rules, block.chain_id)
        check_state(tx, state, block, rules)
        logs = logs_hash(execute(tx, state, block, rules).logs)
    except ChainError as e:
        failure = e
        state.touch(block.coinbase)
        state.end_transaction(rules.fork.clears_empty)
    expected = post.get("expectException")
    if expected is not None:
        expect(expected, failure)
    elif failure is not None and "txbytes" in post:
        raise failure
    root = state.commit()
    assert root == data(post["hash"]), f"state root {root.hex()}, not {post['hash']} (rejected: {failure})"
    assert logs == data(post["logs"]), f"logs {logs.hex()}, not {post['logs']}"


def state_tests(folder: Path) -> Iterator[Case]:
    """One case per post entry of every file below a folder."""
    for path in files(folder):
        for name, test in load(path).items():
            for fork, posts in test["post"].items():
                for i, post in enumerate(posts):
                    where = f"{path.relative_to(folder)}:{name}:{fork}:{i}"
                    yield where, partial(run_state_test, test, fork, post)


def _below(sub: str) -> Callable[[Path], Iterator[Case]]:
    return lambda folder: state_tests(folder / sub)


def eest_state(folder: Path) -> Iterator[Case]:
    """The generator's state tests, the large ones too."""
    yield from state_tests(folder / "eest/state_tests")
    yield from state_tests(folder / "eest/large/state_tests")


SUITES = {
    "state_tests_constantinople": _below("legacytests/Constantinople/GeneralStateTests"),
    "state_tests_cancun": _below("legacytests/Cancun/GeneralStateTests"),
    "state_tests": _below("tests/GeneralStateTests"),
    "eest_state": eest_state,
}
