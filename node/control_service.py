"""ControlService: the controls of a running local node: its providers for methods, mining by itself, and the accounts it begins with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ledger.api import Admission
from node.controls import Controls
from node.faucet import grant_coins
from node.interval import Interval
from node.node import Happening, PoolChanged
from node.wallets import Wallets
from primitives.bitcoin import TxOutput

if TYPE_CHECKING:  # what only chains with accounts load
    from node.dev_chain import DevChain
    from node.dev_keys import CoinKey

ACCOUNTS = 10
COINS = 100 * 100_000_000
"""Satoshi that each account of the coin side begins with."""
ACCOUNT_WEI = 10_000 * 10**18


_EPOCH = 1_735_689_600
_SPAN = 1 << 24


def start_second(seed: int) -> int:
    """What the clock of a seeded chain shows at its start: within half a year after 2025 began."""
    return _EPOCH + int.from_bytes(sha256(b"clock/%d" % seed).digest()[:4], "big") % _SPAN


class ControlService:
    """What tests and demonstrations do to one node. `dev` is its account side, where it has one."""

    def __init__(self, controls: Controls, wallets: Wallets, dev: DevChain | None) -> None:
        self.controls = controls
        self.node = controls.node
        self.wallets = wallets
        self.dev = dev
        if dev is not None:
            self.controls.maker = self._twin_block if "bitcoin" in self.node.spec.rpc else lambda txs: dev.mine(txs)
        self.ethereum_rpc: str | None = None
        """Where the Ethereum-style RPC is, where there is one."""
        self.accounts: tuple[CoinKey, ...] = ()
        """Keys of the coin side that were funded at the start."""
        self.mnemonic = ""
        """The phrase behind all of them."""
        self.automine = False
        self.interval = 0.0
        self._listening: Callable[[], None] | None = None
        self._mining = False
        self._timer = Interval(self.node, self._timely)

    # -- mining by itself (on the loop) ------------------------------------------------------------------------------

    def set_automine(self, on: bool) -> None:
        """Mine whatever comes into the pool at once, or no longer."""
        self.automine = on
        if self.dev is not None:
            self.dev.modes.automine = on
        if self._listening is not None:
            self._listening()
            self._listening = None
        if on:
            self._listening = self.node.subscribe(self._on_event)

    def _on_event(self, event: Happening) -> None:
        if isinstance(event, PoolChanged) and event.changes.added and not self._mining:
            self._mining = True
            task = asyncio.get_running_loop().create_task(self._mine_pool(), name="automine")
            task.add_done_callback(lambda _: setattr(self, "_mining", False))

    async def _mine_pool(self) -> None:
        before = -1
        while len(self.node.pool) and len(self.node.pool) != before and not self.node.stopping.is_set():
            before = len(self.node.pool)
            await self.node.on_chain(self.controls.mine)

    def set_interval(self, seconds: float) -> None:
        """Make a block every so many seconds; 0: no longer."""
        self.interval = seconds
        if self.dev is not None:
            self.dev.set_interval(0)
            self.dev.modes.interval = seconds
        self._timer.set(seconds)

    def _timely(self) -> None:
        if self.node.env.frozen is not None:  # the clock stands: blocks carry it on
            self.node.move_clock(max(1, round(self.interval)))
        self.controls.mine()

    def _twin_block(self, txs: Sequence[Admission] | None) -> Any:
        """A block at the time that the account side's clients wished for the next one."""
        assert self.dev is not None, "a twin has an account side"
        tip, wishes, spacing = self.node.chain.tip.header.timestamp, self.dev.next_block, self.dev.modes.spacing
        when = wishes.timestamp if wishes.timestamp is not None else None if spacing is None else tip + spacing
        if when is not None and when > tip:
            self.node.env.advance(when - self.node.env.now())
            wishes.timestamp = None
        return self.controls.make(txs)

    def close(self) -> None:
        """Mine no more."""
        self.set_automine(False)
        self.set_interval(0)

    # -- the accounts that a chain begins with (on the chain thread) ---------------------------------------------------

    def fund(self, count: int) -> None:
        """Give `count` accounts on each side their money, in blocks at once, where a chain that allows edits has just begun."""
        spec = self.node.spec
        if not spec.dev_edits:
            return
        from chains.ethereum import DEV_PHRASE  # loads the account side
        from node.dev_keys import coin_keys, dev_keys

        self.mnemonic = DEV_PHRASE

        coins = "bitcoin" in spec.rpc
        self.accounts = tuple(coin_keys(spec.addresses, count=count)) if coins else ()
        if self.dev is not None and count != len(self.dev.keys):
            self.dev.keys = dev_keys(count=count)
        if self.node.chain.tip.height:
            return
        if self.dev is not None and count > ACCOUNTS:
            self.dev.fund(list(self.dev.keys)[ACCOUNTS:], ACCOUNT_WEI)
        if self.accounts:
            grant_coins(self.controls, [TxOutput(COINS, key.script) for key in self.accounts])

    def report(self) -> dict[str, Any]:
        """The facts for --json and --config-out."""
        found: dict[str, Any] = {"mnemonic": self.mnemonic} if self.mnemonic else {}
        if self.accounts:
            found["coin_accounts"] = [{"address": k.address, "wif": k.wif} for k in self.accounts]
        return found
