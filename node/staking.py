"""Staking: wallets lend their coins and keys to minting, without end in the background, or for so many blocks at once.

It carries questions between the engine and wallets; what may stake is the engine's affair. It knows no RPC.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from consensus.stake import Stake
from consensus.stake_mint import WINDOW, Minting, Outlook, Owned
from node.node import Node, Snapshot
from node.producer import Purse
from node.wallets import Wallets
from primitives import secp256k1
from primitives.bitcoin import Transaction, TxOutput
from primitives.errors import Refused
from wallet.errors import WalletError
from wallet.wallet import Wallet

log = logging.getLogger("chainyard.staking")

REST: Final = 1.0
"""Seconds between two searches; each covers what has passed since the last."""

MOST_STEPS: Final = 100_000
"""Moves of the clock for one block that is minted at once; more means that nothing will come of it."""


class WalletStaker:
    """A Staker over a wallet. The coins whose sum is `reserve` at least are kept out, the smallest first."""

    def __init__(self, wallet: Wallet, reserve: int = 0) -> None:
        self.wallet = wallet
        self.reserve = reserve
        self.outlook = Outlook("idle", "nothing was searched yet")
        self._keys: dict[bytes, bytes] = {}
        self._reached: tuple[bytes, int] = (b"", 0)

    @property
    def locked(self) -> bool:
        """Whether no signature can be had."""
        return self.wallet.is_locked

    def coins(self) -> Iterable[bytes]:
        """The confirmed coins that the wallet could spend, less the reserve."""
        state = self.wallet.state
        with state.guard:
            held = state.frozen | state.reserved
            coins = [
                c
                for c in state.history.unspent.values()
                if c.record.place is not None and c.outpoint not in held and state.can_spend(c)
            ]
            left = self.reserve
            chosen = []
            for coin in sorted(coins, key=lambda c: (c.value, c.outpoint)):
                if left > 0:
                    left -= coin.value
                elif self.key_of(coin.script) is not None:
                    chosen.append(coin.outpoint)
        return chosen

    def key_of(self, script: bytes) -> bytes | None:
        """The one public key of a script of ours."""
        known = self._keys.get(script)
        if known is None:
            expansion = self.wallet.state.expansion_of(script)
            keys = () if expansion is None else expansion.keys or (expansion.internal,)
            if len(keys) != 1 or keys[0] is None:
                return None
            known = self._keys[script] = keys[0].public
        return known

    def sign(self, tx: Transaction, spent: Sequence[TxOutput]) -> Transaction | None:
        """The coinstake with all inputs signed, None where the wallet cannot."""
        try:
            signed, unfinished = self.wallet.sign(tx)
        except WalletError as e:
            log.warning("staking with wallet %s: %s", self.wallet.name, e)
            return None
        return None if unfinished else signed

    def sign_block(self, public: bytes, digest: bytes) -> bytes | None:
        """A signature by the key of a coin of ours, None where the wallet is locked or does not know it."""
        state = self.wallet.state
        script = next((s for s, key in self._keys.items() if key == public), None)
        if script is None or self.wallet.is_locked:
            return None
        with state.guard:
            signer = state.signer()
            state.input_data(TxOutput(0, script), signer)
            secret = signer.secret_of(public)
        return None if secret is None else secp256k1.sign(secret, digest)

    @property
    def reached(self) -> int:
        """The second that the last search has reached, on whatever tip; 0 before the first."""
        return self._reached[1]

    def searched(self, tip: bytes) -> int:
        """The last second that was searched on this tip."""
        return self._reached[1] if self._reached[0] == tip else 0

    def tell(self, tip: bytes, until: int, outlook: Outlook) -> None:
        """Remember what a search found."""
        self._reached = (tip, until)
        self.outlook = outlook


class Staking:
    """Which wallets stake, and how it goes. All of it belongs to the loop; the searches run on the chain thread."""

    def __init__(self, node: Node, wallets: Wallets) -> None:
        self.node = node
        self.wallets = wallets
        self.reserve: dict[str, int] = {}
        self.stakers: dict[str, WalletStaker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._moved = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        node.clock_listeners.append(self._clock_moved)

    @property
    def engine(self) -> Stake:
        """The chain's engine. Raises Refused where there is no stake."""
        engine = self.node.spec.engine
        if not isinstance(engine, Stake):
            raise Refused("no-stake", f"{self.node.spec.name} has no proof of stake")
        return engine

    def staker(self, wallet: Wallet) -> WalletStaker:
        """The staker of a wallet, kept from call to call."""
        found = self.stakers.get(wallet.name)
        if found is None or found.wallet is not wallet:
            found = self.stakers[wallet.name] = WalletStaker(wallet)
            wallet.state.apart = lambda: self.apart(found)
        found.reserve = self.reserve.get(wallet.name, 0)
        return found

    def apart(self, staker: WalletStaker) -> Sequence[bytes]:
        """The coins that payments leave alone: while a wallet stakes with a reserve, the reserve is what is spent."""
        name = staker.wallet.name
        return list(staker.coins()) if self.is_on(name) and self.reserve.get(name) else ()

    def owned(self, staker: WalletStaker, at: Snapshot) -> tuple[Minting, list[Owned]]:
        """The coins of a wallet as the engine sees them at a snapshot."""
        engine = self.engine
        minting = Minting(engine.rules, engine.modifiers, engine.ages, engine.target_output)
        return minting, list(minting.owned(at.branch, at.view.state, staker))

    # Without end

    def start(self, wallet: Wallet) -> None:
        """Begin to stake with a wallet."""
        self.stop(wallet.name)
        staker = self.staker(wallet)
        self._loop = asyncio.get_running_loop()
        task = self._loop.create_task(self._run(staker), name=f"staking {wallet.name}")
        self._tasks[wallet.name] = task
        task.add_done_callback(_log_failure)

    def stop(self, name: str) -> None:
        """End it; a search that is under way on the chain thread ends by itself."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    def is_on(self, name: str) -> bool:
        """Whether a wallet stakes."""
        task = self._tasks.get(name)
        return task is not None and not task.done()

    async def _run(self, staker: WalletStaker) -> None:
        while not self.node.stopping.is_set() and self.wallets.get(staker.wallet.name) is staker.wallet:
            staker.reserve = self.reserve.get(staker.wallet.name, 0)
            block = await self._once(staker)
            if block is not None:
                log.info("minted block %s", block.header.hash[::-1].hex())
            moved = self._moved
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REST):
                    await moved.wait()

    def _clock_moved(self) -> None:
        """The clock was moved: search at once. On the chain thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def _once(self, staker: WalletStaker) -> Any | None:
        purse = Purse(b"", staker=staker)
        return await self.node.on_chain(lambda: self.node.make_block(purse))

    # At once, on a local network

    async def mint(self, wallet: Wallet, count: int, payee: bytes) -> list[bytes]:
        """Mint so many blocks, moving the node's clock as far as each needs; `payee` earns blocks of work where one has to come first.

        Returns hashes in wire order. Raises Refused with the search's own word where nothing can stake.
        """
        staker, hashes = self.staker(wallet), list[bytes]()
        for _ in range(MOST_STEPS):
            if len(hashes) == count or self.node.stopping.is_set():
                return hashes
            block = await self._once(staker)
            if block is not None:
                hashes.append(block.header.hash)
                continue
            outlook = staker.outlook
            if outlook.word == "tip-too-old":
                await self.node.generate(1, Purse(payee))
            elif outlook.word == "too-young" and outlook.earliest is not None:
                self.node.env.advance(max(1, outlook.earliest - self.node.env.now()))
            elif outlook.word in ("no-kernel", "too-few"):
                self.node.env.advance(WINDOW // 4)
            else:
                raise Refused(outlook.word, outlook.detail)
        raise Refused("no-kernel", f"no block in {MOST_STEPS} moves of the clock")


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended: %s", task.get_name(), error)
