"""The books of a twin chain, kept from its blocks alone: coins, ether and the queue of exits, by the rules as docs/twin.md tells them.

It reads no state and shares no rule with the ledgers, so that what both agree on is not one mistake made twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from primitives.bitcoin import Transaction
from primitives.ethereum_tx import EthereumTransaction
from primitives.twin import TwinBlock

WEI = 10**10
CONTRACT = b"twin" + bytes(12) + b"exit"
RETURN = 0x6A
GENESIS_WEI = 10 * 10_000 * 10**18
FORCE = bytes.fromhex("73") + CONTRACT + b"\xff"
"""Init code that sends what it was given to the exit contract, asked or not."""
BURN = b"\x30\xff"
"""Init code that destroys what it was given."""


@dataclass
class Books:
    """What the blocks so far come to."""

    subsidy: Callable[[int], int] | None
    """What work mints at a height; None where rewards are what the blocks claim, and fees are burnt."""
    coins: dict[bytes, int] = field(default_factory=dict)
    queue: deque[tuple[bytes, int]] = field(default_factory=deque)
    height: int = 0
    minted: int = 0
    fees: int = 0
    deposited: int = 0
    exited: int = 0
    paid: int = 0
    lost: int = 0
    burnt_wei: int = 0
    forced_wei: int = 0

    def add(self, block: TwinBlock) -> None:
        """One block more; asserts what must hold in it."""
        self.height += 1
        outer, payload = block.outer, block.payload
        stake = len(outer.txs) > 1 and outer.txs[1].outputs[0] == (0, b"") and len(outer.txs[1].outputs) > 1
        credits: list[tuple[bytes, int]] = []
        fees = made = 0
        for at, tx in enumerate(outer.txs[1:], 1):
            spent = sum(self.coins.pop(i.outpoint, 0) for i in tx.inputs)
            out = sum(o.value for o in tx.outputs)
            granted = not any(i.witness or i.script for i in tx.inputs)
            if granted:
                assert spent == 0
                self.minted += out
            elif at == 1 and stake:
                made += out - spent
            else:
                assert spent >= out
                fees += spent - out
            for value, script in tx.outputs:
                if value and len(script) == 26 and script.startswith(b"\x6a\x18DEPO"):
                    credits.append((script[6:], value))
            self._keep(tx)
        self._keep(outer.txs[0])
        made += sum(o.value for o in outer.txs[0].outputs)
        assert [(w.address, w.amount_gwei) for w in payload.withdrawals or ()] == [(a, 10 * v) for a, v in credits]
        self.deposited += sum(v for _, v in credits)
        for call in payload.txs:
            self._account(call)
        assert payload.header.base_fee is not None
        self.burnt_wei += payload.header.gas_used * payload.header.base_fee
        due = [self.queue.popleft() for _ in range(min(16, len(self.queue)))]
        carrier = outer.txs[1 if stake else 0]
        assert carrier.outputs[-1].script == b"\x6a\x24TWIN" + payload.header.hash
        assert [(o.script, o.value) for o in carrier.outputs[-1 - len(due) : -1]] == due
        owed = sum(value for _, value in due)
        self.exited += owed
        self.paid += len(due)
        self.fees += fees
        reward = made - owed
        if self.subsidy is not None:
            assert reward == self.subsidy(self.height) + fees
            reward -= fees
        self.minted += reward

    def _keep(self, tx: Transaction) -> None:
        for n, (value, script) in enumerate(tx.outputs):
            if script[:1] != bytes((RETURN,)):
                if not value and self.subsidy is None:
                    continue  # PeerCoin: what is worth nothing is no coin
                self.coins[tx.id + n.to_bytes(4, "little")] = value
            elif not (tx.inputs[0].outpoint[:32] != bytes(32) and script.startswith(b"\x6a\x18DEPO")):
                self.lost += value

    def _account(self, tx: EthereumTransaction) -> None:
        if tx.to == CONTRACT:
            size = {0: 21, 1: 33}.get(tx.data[0]) if tx.data else None
            if size == len(tx.data) and tx.value % WEI == 0 and 1_000 <= tx.value // WEI <= 10**13:
                program = tx.data[1:]
                script = (b"\x00\x14" if tx.data[0] == 0 else b"\x51\x20") + program
                self.queue.append((script, tx.value // WEI))
        elif tx.to is None and tx.data == FORCE:
            self.forced_wei += tx.value
        elif tx.to is None and tx.data == BURN:
            self.burnt_wei += tx.value

    @property
    def total(self) -> int:
        """What the coin set is worth by sums alone."""
        burnt = self.fees if self.subsidy is None else 0
        return self.minted - burnt - self.deposited - self.lost + self.exited

    @property
    def wei(self) -> int:
        """What all balances are worth."""
        return GENESIS_WEI + self.deposited * WEI - self.burnt_wei

    @property
    def locked(self) -> int:
        """What the exit contract holds."""
        return (self.exited + sum(value for _, value in self.queue)) * WEI + self.forced_wei
