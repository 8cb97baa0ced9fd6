"""The twin chain: its start, five nodes, a block of 1,000 mixed transactions by each engine, a second node's sync; beside pure chains.

`python -m benchmarks.twin`. The pure chains (regtest, dev) have as many blocks, each with their half of the twin's transactions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, cpu_seconds, resident
from benchmarks.report import Row, against, run
from benchmarks.start import command
from chains.catalogue import load
from node.bootstrap import write_blocks
from node.chain import Chain
from node.testnet import Testnet, wait_for
from primitives.bitcoin import Transaction, TxOutput
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from storage.memory import MemoryStore
from tests.staking import never
from tests.twins import KEY, MINER, admission, call, deposit, exit_call, pay

ENGINES = ("twin", "twin-ethash", "twin-stake")
MIXED = 1_000
ROUNDS = 3
BLOCKS, EACH = 200, 25
"""Of a chain to be synced: blocks with transactions, and how many of each kind in one."""
MATURE = 101
LIMIT = 600.0
FEE = 1_000


@dataclass(frozen=True, slots=True)
class Purse:
    """Who is paid."""

    payee: bytes
    threads: int = 1
    staker: Any = None


class Maker:
    """One chain in memory whose blocks are made to measure: coins of one key, transfers of one account, or both."""

    def __init__(self, name: str) -> None:
        self.spec: Any = load(name)
        self.chain = Chain(self.spec, MemoryStore())
        self.coins: list[tuple[Transaction, int]] = []
        self.nonce = 0
        self.has_coins, self.has_accounts = "bitcoin" in self.spec.rpc, "ethereum" in self.spec.rpc
        self.now = self.spec.genesis.header.timestamp
        self.payee = KEY.script if self.has_coins else MINER

    def make(self, txs: Sequence[Any] = ()) -> tuple[Any, float]:
        """A sealed block on the tip, not yet connected, and the processor time that it took to assemble."""
        self.now += 60
        tip = self.chain.tip
        purse = Purse(self.payee)
        with self.chain.view() as view, self.chain.state_at(tip) as state:
            branch = view.entries.branch(tip)
            draft = self.spec.engine.propose(branch, state, purse, self.now, never)
            assert draft is not None, "work is always proposed"
            draft = replace(draft, payee=purse.payee, extra=tip.height.to_bytes(4, "little"))
            admitted = [admission(tx) for tx in txs]
            began = time.process_time()
            made, _, _ = self.spec.ledger.assemble(draft, admitted, branch, state)
            return self.spec.engine.seal(made, purse, never), time.process_time() - began

    def mine(self, txs: Sequence[Any] = ()) -> Any:
        """A block on the tip, connected."""
        made, _ = self.make(txs)
        self.chain.accept(made, self.now)
        if self.chain.tip.hash != made.header.hash or len(made.txs) < len(txs):
            raise SystemExit(f"{self.spec.name}: a block was not made of what it was to be made of")
        return made

    def split(self, count: int) -> None:
        """So many coins of the key, from mature work; on a chain without coins as many blocks."""
        first = self.mine()
        for _ in range(MATURE):
            self.mine()
        if not self.has_coins:
            self.mine()
            return
        coinbase = (first.outer if hasattr(first, "outer") else first).txs[0]
        each = (coinbase.outputs[0].value - 100_000) // count
        tx = pay([(coinbase, 0)], [TxOutput(each, KEY.script)] * count)
        self.mine([tx])
        self.coins = [(tx, n) for n in range(count)]

    def txs(self, count: int, moves: int) -> list[Any]:
        """So many transactions of each kind that the chain has; where it has both, `moves` of each go from one side to the other."""
        both = self.has_coins and self.has_accounts
        moves = moves if both else 0
        found: list[Any] = []
        if self.has_coins:
            for at in range(count):
                coin = self.coins.pop(0)
                left = coin[0].outputs[coin[1]].value - FEE
                tx = deposit(coin, b"\x77" * 20, 2_000) if at < moves else pay([coin], [TxOutput(left, KEY.script)])
                self.coins.append((tx, len(tx.outputs) - 1))
                found.append(tx)
        if self.has_accounts:
            for at in range(count):
                found.append(exit_call(self.nonce, FEE) if at < moves else call(self.nonce, gas_limit=21_000))
                self.nonce += 1
        return found

    def again(self, block: Any) -> Any:
        """The block as another node reads it."""
        w = Writer()
        self.spec.ledger.format.write_block(w, block, Form.STORE)
        return self.spec.ledger.format.read_block(Reader(w.done()), Form.STORE)


def begin() -> tuple[float, float]:
    """Wall and processor seconds from the command `chainyard dev` to its banner."""
    ports = [word for name in ("--port", "--bitcoin-rpc-port", "--ethereum-rpc-port") for word in (name, "0")]
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "dev", *ports], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.lstrip().startswith(b"curl"):
                break
        found = time.perf_counter() - began, cpu_seconds(process.pid)
        process.terminate()
        process.stdout.read()
    return found


def five() -> tuple[float, float, float]:
    """Seconds from `chainyard net up -n 5` until all answer; until each knows the four others; and the resident MiB of one."""
    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        command("net", "up", "-n", "5", "--datadir", root)
        answered = time.perf_counter() - began
        net = Testnet.open(Path(root) / "net")
        clients = [net.client(member) for member in net.members]
        if not wait_for(lambda: all(len(client.call("getpeerinfo")) >= 4 for client in clients), 60):
            raise SystemExit("five nodes do not know each other after a minute")
        found = answered, time.perf_counter() - began, resident(net.members[0].pid)
        net.stop()
    return found


def mixed(name: str) -> tuple[int, float, float]:
    """Transactions of a block, processor seconds to build it of a pool's transactions, and for another node to connect it."""
    count = MIXED // 2 if name.startswith("twin") else MIXED
    maker, other = Maker(name), Maker(name)
    maker.split(count)
    with maker.chain.view() as view:
        before = [view.block(entry.hash) for h in range(1, view.tip.height + 1) if (entry := view.at(h)) is not None]
    other.chain.extend(iter([maker.again(block) for block in before]), maker.now)
    txs = maker.txs(count, 10)
    built = []
    for _ in range(ROUNDS):
        block, seconds = maker.make(txs)
        built.append(seconds)
    own = len(block.txs) - int(maker.has_coins)
    if own != len(txs):
        raise SystemExit(f"{name}: the block has {own} transactions of {len(txs)}")
    seen = maker.again(block)
    began = time.process_time()
    other.chain.accept(seen, maker.now)
    seconds = time.process_time() - began
    if other.chain.tip.hash != block.header.hash:
        raise SystemExit(f"{name}: the block was not connected")
    return own, min(built), seconds


@dataclass(frozen=True, slots=True)
class Synced:
    """What a second node's sync took."""

    blocks: int
    txs: int
    wall: float
    cpu: float


def sync(name: str) -> Synced:
    """A second process from nothing to the tip of the first; fails where their halves are not equal in the end."""
    maker = Maker(name)
    maker.split(EACH)
    for _ in range(BLOCKS):
        maker.mine(maker.txs(EACH, 1))
    tip = maker.chain.tip.height
    with tempfile.TemporaryDirectory() as root:
        file = Path(root) / "blocks.dat"
        with maker.chain.view() as view:
            write_blocks(view, maker.spec.ledger.format, maker.spec.network.magic, file, 1)
        nets = [Testnet.create(Path(root) / folder, name, 1) for folder in ("first", "second")]
        first = nets[0].members[0]
        command("chain", "import", str(file), "--chain", name, "--datadir", first.folder)
        for net in nets:
            net.start()
        served, peer = (net.client(net.members[0]) for net in nets)
        pid = nets[1].members[0].pid
        began, used = time.perf_counter(), cpu_seconds(pid)
        peer.call("addnode", f"127.0.0.1:{first.port}", "onetry")
        if not wait_for(lambda: peer.call("getblockcount") == tip, LIMIT, 0.02):
            raise SystemExit(f"{name}: sync ended at {peer.call('getblockcount')} of {tip}")
        wall, cpu = time.perf_counter() - began, cpu_seconds(pid) - used
        _compare(maker, nets, [served, peer])
        for net in nets:
            net.stop()
    kinds = int(maker.has_coins) + int(maker.has_accounts)
    return Synced(tip, BLOCKS * EACH * kinds, wall, cpu)


def _compare(maker: Maker, nets: list[Testnet], clients: Sequence[Any]) -> None:
    told: list[list[str]] = []
    for net, client in zip(nets, clients, strict=True):
        said = [client.call("getbestblockhash")]
        if maker.has_coins:
            said.append(client.call("gettxoutsetinfo", "hash_serialized_3")["hash_serialized_3"])
        if maker.has_accounts:
            said.append(json.dumps(net.accounts(net.members[0]).call("eth_getBlockByNumber", "latest", False)))
        told.append(said)
    if told[0] != told[1]:
        raise SystemExit(f"{maker.spec.name}: two nodes at one height differ: {told}")


def _starts() -> Iterator[Row]:
    wall, cpu = min(begin() for _ in range(ROUNDS))
    yield Row("chainyard dev, to its banner", wall, "s", most=1.5, beside=f"{cpu:.2f} s of processor")
    answered, known, memory = min(five() for _ in range(ROUNDS))
    beside = f"{known:.2f} s until each knows the four others; one is {memory:.0f} MiB, most of it shared"
    yield Row("chainyard net up -n 5, until all answer", answered, "s", most=4, beside=beside)


def _rates(measure: Callable[[str], tuple[int, float, float]]) -> Iterator[Row]:
    pure = {name: measure(name) for name in ("regtest", "dev")}
    for name in ENGINES:
        count, built, connected = measure(name)
        for what, seconds, at in (("build", built, 1), ("connect", connected, 2)):
            peers = {f"{p} alone": found[0] / found[at] for p, found in pure.items()}
            beside = f"{1000 * seconds:.0f} ms; " + against(count / seconds, peers)
            yield Row(f"{name}: {what} a block of {count:,} mixed transactions", count / seconds, "tx/s", beside=beside)


def rows() -> Iterator[Row]:
    """The twin chain: starts, mixed blocks, sync; rates of blocks by processor time, all else by the wall"""
    yield from _starts()
    yield from _rates(mixed)
    pure = {name: sync(name) for name in ("regtest", "dev")}
    for name in ENGINES:
        found = sync(name)
        note = f"{found.cpu:.1f} s of processor; "
        peers = {f"{p} alone": s.blocks / s.wall for p, s in pure.items()}
        yield Row(f"{name}: sync, {BLOCKS} of {found.blocks} blocks full", found.blocks / found.wall, "blocks/s",
                  beside=note + against(found.blocks / found.wall, peers))  # fmt: skip
        peers = {f"{p} alone": s.txs / s.wall for p, s in pure.items()}
        yield Row(
            "the same, transactions", found.txs / found.wall, "tx/s", beside=against(found.txs / found.wall, peers)
        )


if __name__ == "__main__":
    sys.exit(run(rows))
