"""Opening a chain for use: the spec, the locked folder and the store that a configuration means, and each way it can fail in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from chains.catalogue import load
from chains.overrides import ChainFileError
from chains.spec import ChainSpec
from node.config import Config
from node.data_directory import DataDirectory, DirectoryTaken, Spoilt, free_space
from node.filters import FilterIndex
from node.identity import ForeignData, NewerData, OlderData
from node.indexes import Index, TransactionIndex
from node.receipts import ReceiptIndex
from primitives.errors import SystemFault
from storage.durability import Durability
from storage.kv import Store
from storage.memory import MemoryStore

USAGE, START, MACHINE = 2, 5, 6
LITTLE_SPACE = 50_000_000


class StartError(Exception):
    """The node cannot start here: what, why, and what to do."""

    def __init__(self, message: str, exit_code: int = START, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Opened:
    """A spec, its store, and the folder that is locked for it (None in memory)."""

    spec: ChainSpec
    store: Store
    directory: DataDirectory | None


def find_spec(config: Config) -> ChainSpec:
    """The chain that the configuration names, with the node's own relay policy. Raises StartError."""
    try:
        spec = load(config.chain)
    except ChainFileError as e:
        raise StartError(str(e), USAGE) from e
    return replace(spec, ledger=_with_policy(spec, config))


def _with_policy(spec: ChainSpec, config: Config) -> Any:
    """The ledger with this node's taste; of a twin chain, both of its ledgers."""
    if not spec.is_twin:
        return _tuned(spec.ledger, config)
    twin: Any = spec.ledger
    coins, accounts = _tuned(twin.coins, config), _tuned(twin.accounts, config)
    policy = replace(
        twin.policy, coins=coins.policy, accounts=accounts.policy, max_bytes=config.max_mempool * 1_000_000
    )
    return replace(twin, coins=coins, accounts=accounts, policy=policy)


def _tuned(ledger: Any, config: Config) -> Any:
    """The ledger with this node's fees, size of the pool, and whether what is not standard is relayed."""
    policy = ledger.policy
    changes: dict[str, Any] = {"max_bytes": config.max_mempool * 1_000_000}
    if hasattr(policy, "min_relay_rate"):
        changes["min_relay_rate"] = config.min_relay_fee
        if config.accept_nonstandard is not None:
            changes["require_standard"] = not config.accept_nonstandard
    return replace(ledger, policy=replace(policy, **changes))


def indexes_of(config: Config, spec: ChainSpec) -> tuple[Index, ...]:
    """The optional indices that the configuration asks for; accounts always keep transactions and receipts."""
    coins: list[Index] = []
    if config.txindex:
        coins.append(TransactionIndex())
    if config.blockfilterindex:
        coins.append(FilterIndex())
    accounts: tuple[Index, ...] = (TransactionIndex(), ReceiptIndex())
    if spec.is_twin:
        from node.twin_indexes import AccountIndex, CoinIndex, PlaceIndex  # loads both families
        from node.twin_moves import MoveIndex

        return (
            PlaceIndex(),
            MoveIndex(),
            *(CoinIndex(index) for index in coins),
            *(AccountIndex(index) for index in accounts),
        )
    return accounts if "ethereum" in spec.rpc else tuple(coins)


ETHASH = "ethash"
"""The folder of datasets, in the chain's."""


def equipped(spec: ChainSpec, config: Config, progress: Callable[[str, int, int], None]) -> ChainSpec:
    """The chain with an engine that has a place for what it mines with, where it needs one."""
    equip = getattr(spec.engine, "equipped", None)
    if equip is None:
        return spec
    folder = None if config.ephemeral else config.chain_folder / ETHASH
    return replace(spec, engine=equip(folder, config.ethash_dataset, config.threads or os.cpu_count() or 1, progress))


@contextmanager
def opened(config: Config, durability: Durability | None = None) -> Iterator[Opened]:
    """Lock the folder and open the store; closed at the end. Raises StartError."""
    spec = find_spec(config)
    if config.ephemeral:
        yield Opened(spec, MemoryStore(Durability.NONE), None)
        return
    try:
        wanted = durability or Durability(config.durability)
    except ValueError:
        raise StartError(f"durability is full, batch or none, not {config.durability!r}", USAGE) from None
    try:
        with DataDirectory(config.chain_folder) as directory:
            if (free := free_space(directory.path)) < LITTLE_SPACE:
                raise StartError(
                    f"{free // 1_000_000} MB are free on the disk of {directory.path}", MACHINE, "free some space"
                )
            with directory.store(wanted) as store:
                yield Opened(spec, store, directory)
    except (DirectoryTaken, Spoilt) as e:
        raise StartError(str(e), START) from e


@contextmanager
def explained() -> Iterator[None]:
    """Turn what opening a chain can raise into StartErrors."""
    try:
        yield
    except ForeignData as e:
        raise StartError(str(e), START, "choose another --datadir, or the --chain that it belongs to") from e
    except NewerData as e:
        raise StartError(str(e), START, "update Chainyard, or choose another --datadir") from e
    except OlderData as e:
        raise StartError(str(e), START) from e
    except SystemFault as e:
        raise StartError(str(e), MACHINE) from e


def bind_error(error: OSError, what: str, host: str, port: int | None) -> StartError:
    """Why a port cannot be used, in one line."""
    if error.errno == errno.EADDRINUSE:
        return StartError(
            f"port {port} on {host} is in use ({what})",
            START,
            "stop what uses it, or choose another port (0: a free one)",
        )
    if error.errno == errno.EACCES:
        return StartError(f"port {port} on {host} may not be used ({what})", START, "choose a port above 1023")
    return StartError(f"cannot listen on {host}:{port} ({what}): {error.strerror or error}", START)
