"""The account family's networks as values: mainnet and Sepolia, dev without seals, ethash-dev, and any geth genesis.json.

It composes; every rule is elsewhere. The genesis files of public chains are in chains/data. Ethash loads with a chain that it seals.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final, cast

from chains.ethereum_genesis import alloc_of, difficulty_of, genesis_block, schedule_of
from chains.ethereum_predeploys import PREDEPLOYS
from chains.genesis_file import read_genesis
from chains.overrides import ChainFileError, suggest
from chains.spec import ChainSpec, Network
from consensus.api import Engine
from consensus.difficulty_ethereum import Difficulty, Era
from consensus.forkchoice import heaviest
from consensus.merged import Merged
from consensus.unsealed import Unsealed
from ledger.account import rules
from ledger.account.fees import INITIAL_BASE_FEE
from ledger.account.ledger import AccountLedger, Alloc, GenesisAccount, genesis_root
from ledger.account.policy import GethPolicy
from ledger.account.requests import requests_hash
from ledger.account.rules import ETHER, Schedule
from primitives.address import AddressStyle
from primitives.ethereum import EMPTY_BLOOM, EMPTY_OMMERS, EMPTY_ROOT, EthereumBlock, EthereumHeader
from storage.durability import Durability
from storage.kv import KV
from storage.memory import MemoryStore

DEV_PHRASE: Final = "test test test test test test test test test test test junk"
"""The phrase behind the accounts of local chains: public, as Hardhat's and Anvil's."""
DEV_ACCOUNTS: Final = tuple(
    bytes.fromhex(address)
    for address in (
        "f39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        "70997970c51812dc3a010c7d01b50e0d17dc79c8",
        "3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
        "90f79bf6eb2c4f870365e785982e1f101e93b906",
        "15d34aaf54267db7d7c367839aaf71a00a2c6a65",
        "9965507d1a55bcc2695c58ba16fb37d819b0a4dc",
        "976ea74026e726554db657fa54763abd0c3a0aa9",
        "14dc79964da2c08b23698b3d3cc7ca32193d9955",
        "23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
        "a0ee7a142d267c1f36714e4a8f75612f20a79720",
    )
)
DEV_ETHER: Final = 10_000
DEV_CHAIN_ID: Final = 31_337
DEV_GENESIS_TIME: Final = 1_735_689_600
DEV_GAS_LIMIT: Final = 30_000_000
_STYLE: Final = AddressStyle(b"\x00", b"\x05", b"\x80", "bc", bytes.fromhex("0488b21e"), bytes.fromhex("0488ade4"))
"""Accounts have no style of their own; extended keys do."""
_RPC: Final = ("account", "ethereum")
_CONTROL_PORT, _ETHEREUM_PORT = 8544, 8545


def _network(name: str, p2p_port: int, **more: Any) -> Network:
    return Network(
        sha256(b"chainyard " + name.encode()).digest()[:4],
        p2p_port,
        _CONTROL_PORT,
        _ETHEREUM_PORT,
        max_message=16_000_000,
        drift=15,
        **more,
    )


def _scratch(alloc: Alloc) -> bytes:
    """The root of a state that nobody keeps."""
    with MemoryStore(Durability.NONE).update() as kv:
        return genesis_root(alloc, kv)


def _local_genesis(alloc: Alloc, difficulty: int) -> EthereumBlock:
    header = EthereumHeader(
        bytes(32), EMPTY_OMMERS, bytes(20), _scratch(alloc), EMPTY_ROOT, EMPTY_ROOT, EMPTY_BLOOM, difficulty, 0,
        DEV_GAS_LIMIT, 0, DEV_GENESIS_TIME, b"", bytes(32), bytes(8), base_fee=INITIAL_BASE_FEE,
        withdrawals_root=EMPTY_ROOT, blob_gas_used=0, excess_blob_gas=0, parent_beacon_root=bytes(32),
        requests_hash=requests_hash(()),
    )  # fmt: skip
    return EthereumBlock(header, withdrawals=())


_LOCAL_ALLOC: Final[Alloc] = (
    *(GenesisAccount(address, DEV_ETHER * ETHER) for address in DEV_ACCOUNTS),
    *PREDEPLOYS,
)
_LOCAL_POLICY: Final = GethPolicy(min_tip=0)

NEWEST: Final = rules.BPO2
"""The newest fork's rules."""
NEWEST_WITH_WORK: Final = NEWEST.evolve(
    "BPO2 with proof of work", NEWEST.fork, block_reward=2 * ETHER, ommers=True, seals=True
)
"""Today's EVM and transactions; ommers, seals and reward as London had them."""
ETHASH_DEV_DIFFICULTY: Final = Difficulty(((0, Era(9, True, None, minimum=4_096)),))


def _dev() -> ChainSpec:
    ledger = AccountLedger(
        rules.always(NEWEST, DEV_CHAIN_ID), _LOCAL_ALLOC, DEV_GAS_LIMIT, _LOCAL_POLICY, dev_edits=True
    )
    return ChainSpec(
        "dev", "dev", _network("dev", 30_411, local=True), _STYLE, _local_genesis(_LOCAL_ALLOC, 0), ledger, Unsealed(),
        heaviest, _RPC, dev_edits=True,
    )  # fmt: skip


def _ethash_dev() -> ChainSpec:
    from consensus.ethash import Ethash
    from consensus.ethash_data import SMALL_SIZES

    ledger = AccountLedger(
        rules.always(NEWEST_WITH_WORK, DEV_CHAIN_ID), _LOCAL_ALLOC, DEV_GAS_LIMIT, _LOCAL_POLICY, dev_edits=True
    )
    genesis = _local_genesis(_LOCAL_ALLOC, ETHASH_DEV_DIFFICULTY.eras[0][1].minimum)
    return ChainSpec(
        "ethash-dev", "ethash-dev", _network("ethash-dev", 30_421, local=True), _STYLE, genesis, ledger,
        Ethash(ETHASH_DEV_DIFFICULTY, SMALL_SIZES), heaviest, _RPC, dev_edits=True,
    )  # fmt: skip


def from_genesis(genesis: Mapping[str, Any], name: str, network: Network | None = None) -> ChainSpec:
    """The chain that a geth genesis.json describes. Raises ChainFileError."""
    return _from_checked(read_genesis(genesis), name, network)


def _from_checked(genesis: Mapping[str, Any], name: str, network: Network | None) -> ChainSpec:
    try:
        config = genesis["config"]
        schedule = schedule_of(config)
        alloc = alloc_of(genesis.get("alloc") or {})
        block = _stated(genesis, schedule) or _computed(genesis, schedule)
        engine = _engine(config, block.header)
    except ChainFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise ChainFileError(f"not a genesis.json: {type(e).__name__}: {e}") from e
    local = network is None
    ledger = AccountLedger(
        schedule, alloc, max(block.header.gas_limit, DEV_GAS_LIMIT), _LOCAL_POLICY if local else GethPolicy()
    )
    return ChainSpec(
        name, name, network or _network(name, 30_431, local=True), _STYLE, block, ledger, engine, heaviest, _RPC
    )


def _computed(genesis: Mapping[str, Any], schedule: Schedule) -> EthereumBlock:
    with MemoryStore(Durability.NONE).update() as kv:
        return genesis_block(genesis, schedule, kv)


class _Nowhere:
    """A KV for a genesis whose state root is stated: nothing is kept."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...
    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return iter(())


def _stated(genesis: Mapping[str, Any], schedule: Schedule) -> EthereumBlock | None:
    """The genesis block where the file says its state root: it is compared when the chain begins, not at every start."""
    if "stateRoot" not in genesis:
        return None
    nowhere: KV = _Nowhere()
    block = genesis_block({**genesis, "alloc": {}}, schedule, nowhere)
    root = bytes.fromhex(str(genesis["stateRoot"]).removeprefix("0x"))
    return replace(block, header=replace(block.header, state_root=root))


def _engine(config: Mapping[str, Any], header: EthereumHeader) -> Engine[Any, Any]:
    if config.get("clique") is not None:
        raise ChainFileError("clique is not known - take a genesis.json with ethash, or with terminalTotalDifficulty 0")
    ttd = config.get("terminalTotalDifficulty")
    difficulty = difficulty_of(config)
    sealed = config.get("ethash") is not None or (header.number == 0 and header.difficulty > 0 and ttd != 0)
    if ttd is not None and int(ttd) == 0:
        return Unsealed()
    before: Engine[Any, Any] = Unsealed(difficulty)
    if sealed:
        from consensus.ethash import Ethash

        before = Ethash(difficulty)
    return before if ttd is None else Merged(before, int(ttd))


def _public(name: str, p2p_port: int) -> ChainSpec:
    text = (files("chains") / "data" / f"{name}.json").read_text()
    return _from_checked(json.loads(text), name, _network(name, p2p_port))


class _Specs(Mapping[str, ChainSpec]):
    """The chains by name; each is made when it is asked for, mainnet's genesis has thousands of accounts."""

    def __init__(self) -> None:
        self._made: dict[str, ChainSpec] = {}
        self._makers: dict[str, Callable[[], ChainSpec]] = {
            "dev": _dev,
            "ethash-dev": _ethash_dev,
            "ethereum-mainnet": lambda: _public("ethereum-mainnet", 30_401),
            "sepolia": lambda: _public("sepolia", 30_402),
        }

    def __getitem__(self, name: str) -> ChainSpec:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


SPECS: Final[Mapping[str, ChainSpec]] = _Specs()

_OWN_KEYS: Final = ("name", "chain_id", "gas_limit")


def custom(base: str, table: Mapping[str, Any]) -> ChainSpec:
    """A chain like dev or ethash-dev with another name, chain id or gas limit. Raises ChainFileError.

    Other changes are said in a genesis.json.
    """
    if base not in ("dev", "ethash-dev"):
        raise ChainFileError(f"{base} cannot be built on - take dev, ethash-dev, or a genesis.json")
    for key in table:
        if key not in _OWN_KEYS:
            raise ChainFileError(f"unknown key {key}" + suggest(key, _OWN_KEYS))
    spec = SPECS[base]
    ledger = cast(AccountLedger, spec.ledger)
    schedule = replace(ledger.schedule, chain_id=int(table.get("chain_id", ledger.schedule.chain_id)))
    gas_limit = int(table.get("gas_limit", ledger.gas_target))
    header = replace(spec.genesis.header, gas_limit=gas_limit)  # type: ignore[type-var]
    name = table["name"]
    network = _network(name, spec.network.p2p_port, local=True)
    return replace(
        spec,
        name=name,
        client_name=name,
        network=network,
        genesis=EthereumBlock(header, withdrawals=()),  # type: ignore[arg-type]
        ledger=replace(ledger, schedule=schedule, gas_target=gas_limit),
    )
