"""Wallets: those that this node hosts, each in a folder of its own, fed by the chain and the mempool as they change.

It carries events to wallets and answers their questions (NodeSource); it knows no RPC.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from node.node import Happening, Node, PoolChanged
from node.results import TipChanged
from primitives.env import Env
from primitives.errors import Refused
from wallet.api import CoinNet, Point
from wallet.errors import NOT_FOUND, WalletError
from wallet.wallet import Wallet

log = logging.getLogger("chainyard.wallet")

LOADED_FILE = "loaded.json"
DEFAULT_FOLDER = "_default"
FALLBACK_RATE = 20_000
LONGEST_NAME = 200
"""Bytes of a wallet's name, which is a folder's too."""


class NodeSource:
    """The ChainSource of wallets in this process."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.estimate: Callable[[int], int | None] = lambda _blocks: None
        """The node's own fee estimate, where there is one."""

    def tip(self) -> Point:
        """The tip of the connected chain."""
        tip = self._node.chain.tip
        return Point(tip.height, tip.hash)

    def hash_at(self, height: int) -> bytes | None:
        """The hash of the connected block at a height."""
        with self._node.chain.view() as view:
            entry = view.at(height)
            return None if entry is None else entry.hash

    def block_at(self, height: int) -> Any | None:
        """The connected block at a height."""
        with self._node.chain.view() as view:
            entry = view.at(height)
            return None if entry is None else view.block(entry.hash)

    def pooled(self) -> Sequence[Any]:
        """The pooled transactions, parents first."""
        return [e.tx for e in sorted(self._node.pool.view().entries.values(), key=lambda e: e.sequence)]

    def submit(self, tx: Any) -> None:
        """Hand a transaction to the mempool, and so to peers. Raises ChainError where it is refused."""

        def work() -> None:
            try:
                self._node.submit_tx(tx)
            except Refused as e:
                if e.rule != "txn-already-in-mempool":
                    raise

        self._node.env.call_chain(work)

    def fee_rate(self, blocks: int) -> int | None:
        """Satoshi per 1,000 vbytes, None where nobody can tell."""
        return self.estimate(blocks)


def coin_net(node: Node) -> CoinNet:
    """What a wallet must know of this node's network."""
    spec = node.spec
    policy = spec.ledger.policy
    return CoinNet(
        name=spec.name,
        addresses=spec.addresses,
        coin_type=0 if spec.client_name == "main" else 1,
        maturity=spec.ledger.rules.maturity if hasattr(spec.ledger, "rules") else 100,
        dust_rate=getattr(policy, "dust_rate", 3_000),
        relay_rate=getattr(policy, "min_relay_rate", 1_000),
        fallback_rate=FALLBACK_RATE if spec.network.local else None,
        timed=getattr(spec.ledger.format, "timed", False),
    )


class Wallets:
    """The loaded wallets by name. Opening and scanning block: call them on a worker thread."""

    def __init__(self, node: Node, folder: Path, env: Env) -> None:
        self.node = node
        self.folder = folder
        self.env = env
        self.net = coin_net(node)
        self.source = NodeSource(node)
        self.loaded: dict[str, Wallet] = {}
        node.chain_listeners.append(self._on_event)

    # -- which there are --------------------------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        """The folder of a wallet. Raises WalletError for a name that would lead elsewhere."""
        strange = name in (".", "..", DEFAULT_FOLDER) or any(c in "/\\" or not c.isprintable() for c in name)
        if strange or len(name.encode(errors="replace")) > LONGEST_NAME:
            raise WalletError(NOT_FOUND, f"{name[:LONGEST_NAME]!r} cannot be the name of a wallet")
        return self.folder / (name or DEFAULT_FOLDER)

    def names(self) -> list[str]:
        """All wallets in the folder, loaded or not."""
        if not self.folder.is_dir():
            return []
        found = sorted(p.parent.name for p in self.folder.glob("*/wallet.json"))
        return ["" if name == DEFAULT_FOLDER else name for name in found]

    def get(self, name: str) -> Wallet | None:
        """A loaded wallet."""
        return self.loaded.get(name)

    # -- opening and closing ----------------------------------------------------------------------------------------

    def create(self, name: str, **options: Any) -> Wallet:
        """A new wallet, loaded. Options as Wallet.create. Raises WalletError."""
        wallet = Wallet.create(name, self.path(name), self.env, self.net, self.source, **options)
        self.loaded[name] = wallet
        wallet.resume()
        return wallet

    def load(self, name: str, progress: Any = None) -> Wallet:
        """Open a wallet and bring it into step with the chain. Raises WalletError."""
        wallet = Wallet.open(name, self.path(name), self.env, self.net, self.source)
        self.loaded[name] = wallet
        wallet.resume(progress)
        return wallet

    def unload(self, name: str) -> None:
        """Close a loaded wallet, a scan under way stopping first: it goes on at the next load. Raises KeyError."""
        wallet = self.loaded.pop(name)
        wallet.abort_rescan()
        wallet.close()

    def close(self) -> None:
        """Close them all."""
        for name in list(self.loaded):
            self.unload(name)

    # -- which to load at the start ---------------------------------------------------------------------------------

    def remembered(self) -> list[str]:
        """The wallets that the next start loads by itself."""
        data = self.env.disk.read(self.folder / LOADED_FILE)
        try:
            names = json.loads(data) if data is not None else []
        except ValueError:
            log.warning("%s cannot be read: no wallet is loaded at the start", self.folder / LOADED_FILE)
            return []
        return [n for n in names if isinstance(n, str)]

    def remember(self, name: str, load: bool) -> None:
        """Load it at the next start, or no longer."""
        names = [n for n in self.remembered() if n != name] + ([name] if load else [])
        self.env.disk.write(self.folder / LOADED_FILE, json.dumps(names).encode())

    # -- events, on the chain thread --------------------------------------------------------------------------------

    def _on_event(self, event: Happening) -> None:
        wallets = list(self.loaded.values())
        if not wallets:
            return
        if isinstance(event, TipChanged):
            for entry in event.reverted:
                for wallet in wallets:
                    wallet.on_block_disconnected(entry.header, entry.height)
            for connected in event.connected:
                for wallet in wallets:
                    wallet.on_block_connected(connected.block, connected.entry.height)
        elif isinstance(event, PoolChanged):
            for gone in event.changes.replaced:
                for wallet in wallets:
                    wallet.on_mempool_removed(gone.tx)
            for came in event.changes.added:
                for wallet in wallets:
                    wallet.on_mempool_added(came.tx)
