"""ChainSpec and Network: what a network runs, composed from values. Nothing below this floor asks "which chain am I?"."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from consensus.api import Better, Engine
from ledger.api import Ledger
from primitives.address import AddressStyle
from primitives.chain import Block


@dataclass(frozen=True, slots=True)
class Network:
    """How peers and clients find and recognise each other."""

    magic: bytes
    p2p_port: int
    bitcoin_rpc_port: int = 0
    ethereum_rpc_port: int = 0
    protocol_version: int = 70016
    min_peer_version: int = 31800
    max_message: int = 4_000_000
    drift: int = 2 * 60 * 60
    """How many seconds a header may be ahead of the clock."""
    drifts: tuple[tuple[int, int], ...] = ()
    """Changes of the drift: from this second of the clock on, that many; in order."""
    seeds: tuple[str, ...] = ()
    coin_decimals: int = 8
    """How many decimals clients write a coin with."""
    coin_unit: str = "btc"
    """What people write behind an amount of coins."""
    local: bool = False
    """A network that people run for themselves: generate*, setmocktime and fallback fees are at hand."""

    def drift_at(self, now: int) -> int:
        """How many seconds a header may be ahead of a clock that shows `now`."""
        drift = self.drift
        for since, seconds in self.drifts:
            if now >= since:
                drift = seconds
        return drift


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """A network: format, ledger, engine, fork choice and genesis. A new engine over an old ledger is one new value here."""

    name: str
    client_name: str
    """What the family's own tools call it ("main", "test", "regtest")."""
    network: Network
    addresses: AddressStyle
    genesis: Block
    ledger: Ledger[Any, Any]
    engine: Engine[Any, Any]
    better: Better
    rpc: tuple[str, ...] = ("chain",)
    """Method families served: "chain", "bitcoin", "ethereum", "wallet"."""
    dev_edits: bool = False
    """Whether edits of state outside transactions are allowed, as directives."""
    checkpoints: dict[int, bytes] = field(default_factory=dict)
    assume_valid: bytes | None = None
    minimum_weight: int = 0
    """Headers of a chain below this are not stored (regtest: 0)."""

    @property
    def is_twin(self) -> bool:
        """Whether it serves both worlds: its blocks have two halves."""
        return "bitcoin" in self.rpc and "ethereum" in self.rpc
