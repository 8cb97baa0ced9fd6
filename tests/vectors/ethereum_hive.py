"""The chain of execution-apis (hive): from its genesis through every fork to Osaka's blob schedules, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from chains.ethereum_genesis import alloc_of, difficulty_of, genesis_block, schedule_of
from consensus.merged import Merged
from consensus.unsealed import Unsealed
from ledger.account.ledger import AccountLedger
from ledger.account.state import State
from primitives import secp256k1
from primitives.ethereum import decode_block
from primitives.ethereum_tx import account_of
from tests.vectors.ethereum_chain import Chain
from tests.vectors.ethereum_data import Memory, data, fixed, load, number
from tests.vectors.ethereum_pow import split_items

Case = tuple[str, Callable[[], None]]


def import_hive(folder: Path) -> Chain:
    """Execute chain.rlp. Seals before the merge are not real, the rest is."""
    base = folder / "real/hive-chain-rpc"
    genesis = load(base / "genesis.json")
    config = genesis["config"]
    schedule = schedule_of(config)
    first = genesis_block(genesis, schedule, Memory())
    engine = Merged(Unsealed(difficulty_of(config)), number(config["terminalTotalDifficulty"]))
    chain = Chain(AccountLedger(schedule, alloc_of(genesis["alloc"])), engine, first)
    for encoded in split_items((base / "chain.rlp").read_bytes()):
        block = decode_block(encoded)
        assert block.raw == encoded
        if block.header.number:
            chain.accept(block)
    return chain


def _state_case(folder: Path) -> None:
    chain = import_hive(folder)
    told = load(folder / "real/hive-chain-rpc/headstate.json")
    header = chain.tip.header
    assert header.state_root == fixed(told["root"], 32)
    state = State(chain.shared, header.state_root)
    for address, fields in told["accounts"].items():
        account = fixed(address, 20)
        assert state.balance(account) == number(fields["balance"]), address
        assert state.nonce(account) == number(fields.get("nonce")), address
        assert state.code(account) == data(fields.get("code", "")), address
        for slot, value in fields.get("storage", {}).items():
            assert state.storage(account, int(slot, 16)) == int(value, 16), (address, slot)


def _hashes(info: object) -> Iterator[bytes]:
    """All that a JSON value calls a transaction hash."""
    if isinstance(info, dict):
        for key, value in info.items():
            if key in ("txhash", "authorizeTx") and isinstance(value, str):
                yield data(value)
            else:
                yield from _hashes(value)
    elif isinstance(info, list):
        for value in info:
            yield from _hashes(value)


def _transactions_case(folder: Path) -> None:
    """Every transaction that txinfo.json names lies in the chain; accounts.json has the keys of its senders."""
    base = folder / "real/hive-chain-rpc"
    blocks = [decode_block(encoded) for encoded in split_items((base / "chain.rlp").read_bytes())]
    txs = {tx.id: tx for block in blocks for tx in block.txs}
    named = set(_hashes(load(base / "txinfo.json")))
    assert named
    assert named <= txs.keys()
    owners = {data(address): data(fields["key"]) for address, fields in load(base / "accounts.json").items()}
    for address, key in owners.items():
        assert account_of(secp256k1.public_key(key, compressed=False)) == address
    assert owners.keys() & {tx.sender for tx in txs.values()}


def _info_case(folder: Path) -> None:
    """The fork environment says what the genesis file says."""
    base = folder / "real/hive-chain-rpc"
    config = load(base / "genesis.json")["config"]
    env = load(base / "forkenv.json")
    assert number(env["HIVE_CHAIN_ID"]) == config["chainId"]
    assert number(env["HIVE_TERMINAL_TOTAL_DIFFICULTY"]) == config["terminalTotalDifficulty"]
    for name in ("SHANGHAI", "CANCUN", "PRAGUE", "OSAKA"):
        assert number(env[f"HIVE_{name}_TIMESTAMP"]) == config[f"{name.lower()}Time"]


def hive_tests(folder: Path) -> Iterator[Case]:
    """real/hive-chain-rpc."""
    yield "chain and head state", lambda: _state_case(folder)
    yield "fork environment", lambda: _info_case(folder)
    yield "transactions and accounts", lambda: _transactions_case(folder)


SUITES = {"hive": hive_tests}
