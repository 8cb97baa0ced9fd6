"""A chain, a clock and a disk for wallet tests: blocks without proof, a mempool that refuses double spends, bytes in a dict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from primitives.address import AddressStyle
from primitives.bitcoin import (
    NULL_OUTPOINT,
    BitcoinBlock,
    BitcoinHeader,
    Transaction,
    TxInput,
    TxOutput,
    outpoint,
)
from primitives.errors import Refused
from vm.script.flags import STANDARD
from vm.script.sighash import SpendContext
from vm.script.verify import verify_input
from wallet import hd
from wallet.api import CoinNet, Point
from wallet.cipher import Scrypt
from wallet.errors import WalletError
from wallet.wallet import Wallet

STYLE = AddressStyle(b"\x6f", b"\xc4", b"\xef", "bcrt", hd.TPUB, hd.TPRV)
NET = CoinNet("regtest", STYLE)
FAST = Scrypt(n=64, r=8, p=1)
ANYONE = b"\x51"
REWARD = 50 * 100_000_000
PHRASE = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"


class MemoryDisk:
    """Files in a dict; it counts writes, and can fail at one of them."""

    def __init__(self) -> None:
        self.files: dict[Path, bytes] = {}
        self.modes: dict[Path, int] = {}
        self.writes = 0
        self.fail_at: int | None = None

    def read(self, path: Path) -> bytes | None:
        return self.files.get(path)

    def write(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        self.writes += 1
        if self.fail_at is not None and self.writes >= self.fail_at:
            raise OSError("the disk was pulled")
        self.files[path], self.modes[path] = data, mode

    def remove(self, path: Path) -> None:
        self.files.pop(path, None)


class World:
    """Clocks, randomness and a disk: what a wallet takes from Env."""

    def __init__(self, seed: int = 1) -> None:
        self.random = Random(seed)
        self.disk = MemoryDisk()
        self.clock = 0.0
        self.second = 1_700_000_000

    def monotonic(self) -> float:
        return self.clock

    def now(self) -> int:
        return self.second


class Chain:
    """An active chain, its mempool, and the wallets that hear of both."""

    def __init__(self) -> None:
        self.blocks: list[BitcoinBlock] = []
        self.pool: dict[bytes, Transaction] = {}
        self.outputs: dict[bytes, TxOutput] = {}
        self.wallets: list[Wallet] = []
        self.refuse: Callable[[Transaction], None] | None = None
        self.salt = 0
        self.mine(ANYONE)

    # ChainSource.

    def tip(self) -> Point:
        return Point(len(self.blocks) - 1, self.blocks[-1].header.hash)

    def hash_at(self, height: int) -> bytes | None:
        return self.blocks[height].header.hash if 0 <= height < len(self.blocks) else None

    def block_at(self, height: int) -> BitcoinBlock | None:
        return self.blocks[height] if 0 <= height < len(self.blocks) else None

    def pooled(self) -> Sequence[Transaction]:
        return list(self.pool.values())

    def fee_rate(self, blocks: int) -> int | None:
        return 2_000

    def submit(self, tx: Transaction) -> None:
        if tx.id in self.pool:
            return
        if self.refuse is not None:
            self.refuse(tx)
        spent = [self.outputs.get(i.outpoint) for i in tx.inputs]
        if None in spent:
            raise Refused("missing-inputs")
        context = SpendContext(tx, spent)
        for index in range(len(tx.inputs)):
            verify_input(context, index, STANDARD)
        points = {i.outpoint for i in tx.inputs}
        rivals = [other for other in self.pool.values() if points & {i.outpoint for i in other.inputs}]
        for other in rivals:
            if all(i.sequence >= 0xFFFFFFFE for i in other.inputs) or self.fee(tx) <= self.fee(other):
                raise Refused("txn-mempool-conflict")
        for other in rivals:
            self.evict(other)
        self.add(tx)

    # What happens.

    def fee(self, tx: Transaction) -> int:
        return sum(self.outputs[i.outpoint].value for i in tx.inputs) - sum(o.value for o in tx.outputs)

    def add(self, tx: Transaction) -> None:
        self.pool[tx.id] = tx
        self._index(tx)
        for wallet in self.wallets:
            wallet.on_mempool_added(tx)

    def evict(self, tx: Transaction) -> None:
        del self.pool[tx.id]
        for wallet in self.wallets:
            wallet.on_mempool_removed(tx)

    def _index(self, tx: Transaction) -> None:
        for at, out in enumerate(tx.outputs):
            self.outputs[outpoint(tx.id, at)] = out

    def mine(self, script: bytes = ANYONE, txs: Sequence[Transaction] | None = None, count: int = 1) -> BitcoinBlock:
        for _ in range(count):
            height = len(self.blocks)
            self.salt += 1
            chosen = list(self.pool.values()) if txs is None else list(txs)
            tag = height.to_bytes(4, "little") + self.salt.to_bytes(4, "little")
            coinbase = Transaction(1, (TxInput(NULL_OUTPOINT, tag),), (TxOutput(REWARD, script),))
            parent = self.blocks[-1].header.hash if self.blocks else bytes(32)
            header = BitcoinHeader(1, parent, coinbase.id, 1_600_000_000 + 600 * height, 0x207FFFFF, self.salt)
            self.connect(BitcoinBlock(header, (coinbase, *chosen)))
        return self.blocks[-1]

    def connect(self, block: BitcoinBlock) -> None:
        self.blocks.append(block)
        points = {i.outpoint for tx in block.txs for i in tx.inputs}
        for tx in block.txs:
            self._index(tx)
        for wallet in self.wallets:
            wallet.on_block_connected(block, len(self.blocks) - 1)
        for tx in list(self.pool.values()):
            if tx in block.txs or points & {i.outpoint for i in tx.inputs}:
                self.evict(tx)

    def disconnect(self, count: int = 1) -> list[BitcoinBlock]:
        gone = []
        for _ in range(count):
            block = self.blocks.pop()
            gone.append(block)
            for wallet in self.wallets:
                wallet.on_block_disconnected(block.header, len(self.blocks))
        for block in reversed(gone):
            for tx in block.txs[1:]:
                self.add(tx)
        return gone


def make(
    chain: Chain,
    world: World | None = None,
    name: str = "w",
    folder: str = "/wallets/w",
    gap: int = 5,
    **kwargs: object,
) -> Wallet:
    """A new wallet on a chain that hears of everything."""
    world = world or World(sum(name.encode()))
    wallet = Wallet.create(name, Path(folder), world, NET, chain, gap=gap, stretch=FAST, **kwargs)  # type: ignore[arg-type]
    chain.wallets.append(wallet)
    return wallet


def reopen(wallet: Wallet, chain: Chain) -> Wallet:
    """The wallet as a new process would have it, in step with the chain."""
    state = wallet.state
    again = Wallet.open(state.name, state.folder, state.env, NET, chain, FAST)
    if wallet in chain.wallets:
        chain.wallets.remove(wallet)
    chain.wallets.append(again)
    again.resume()
    return again


def script_of(wallet: Wallet, kind: str | None = None) -> bytes:
    """The script of a new address."""
    return wallet.state.script_of(wallet.new_address(kind=kind))


def funded(chain: Chain, count: int = 1, **kwargs: object) -> Wallet:
    """A wallet with so many ripe rewards."""
    wallet = make(chain, **kwargs)  # type: ignore[arg-type]
    for _ in range(count):
        chain.mine(script_of(wallet))
    chain.mine(count=100)
    return wallet


def rule(work: object) -> str:
    """The word of the WalletError that a call raises."""
    with pytest.raises(WalletError) as caught:
        work()  # type: ignore[operator]
    return caught.value.rule


def picture(wallet: Wallet) -> object:
    """What the chain alone decides: balances, coins, places of transactions."""
    history = wallet.state.history
    return (
        wallet.balances(),
        sorted(history.unspent),
        sorted((txid, r.place, r.pooled, history.depth(r)) for txid, r in history.records.items() if r.is_active),
    )
