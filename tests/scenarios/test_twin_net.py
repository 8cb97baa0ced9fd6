"""One chain, real clients of both worlds at the same time: python-bitcoinlib and embit, web3.py, viem and cast, over two processes.

Coins become ether and are spent in the EVM, ether becomes coins and is spent by a Bitcoin transaction, and six blocks of all of it are
taken back and made again: both clients of both nodes tell one story.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitcoin
import bitcoin.rpc
import pytest
from bitcoin.core import CTransaction, lx
from embit import ec, script
from embit.networks import NETWORKS
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from ledger.account.requests import EXITS
from node.dev_keys import dev_keys
from node.testnet import Testnet, wait_for
from tests.scenarios.conftest import NetMaker
from tests.scenarios.ethereum.tools import HERE, compiled, foundry, npm_folder, run_node, web3_python
from tests.scenarios.processes import COMMAND, ROOT

pytestmark = pytest.mark.scenario

KEY = ec.PrivateKey(b"\x07" * 32)
LOCK = script.p2wpkh(KEY.get_public_key())
HOME = str(LOCK.address(NETWORKS["regtest"]))
FEE = 10_000
COIN = 100_000_000
OWNER = "0x" + "11" * 32
"""The key of the account that coins are deposited to: the node does not hold it."""
FRIEND = "0x00000000000000000000000000000000000000f0"
CONTRACT = "0x" + EXITS.hex()


@dataclass
class Coins:
    """embit's side: coins under KEY, and transactions that spend them."""

    proxy: Any

    def spend(self, txid: str, vout: int, value: int, *outputs: TransactionOutput) -> Transaction:
        """A transaction of one coin, signed by embit."""
        tx = Transaction(vin=[TransactionInput(bytes.fromhex(txid), vout)], vout=list(outputs))
        digest = tx.sighash_segwit(0, script.p2pkh(KEY.get_public_key()), value)
        tx.vin[0].witness = script.witness_p2wpkh(KEY.sign(digest), KEY.get_public_key())
        return tx

    def send(self, tx: Transaction) -> str:
        """Hand it to the node through python-bitcoinlib."""
        from io import BytesIO

        self.proxy.sendrawtransaction(CTransaction.stream_deserialize(BytesIO(tx.serialize())))
        return str(tx.txid().hex())


class World:
    """Two nodes of a net, and the clients of the first."""

    def __init__(self, net: Testnet, folder: Path) -> None:
        self.net = net
        self.python, self.npm = web3_python(), npm_folder()
        self.contracts = str(compiled(self.npm))
        self.proxies = [self._proxy(at, folder) for at in range(2)]
        self.proxy = self.proxies[0]
        self.coins = Coins(self.proxy)
        self.urls = [f"http://127.0.0.1:{member.ethereum_rpc_port}" for member in net.members]

    def _proxy(self, at: int, folder: Path) -> Any:
        member = self.net.members[at]
        conf = folder / f"bitcoin{at}.conf"
        conf.write_text(f"rpcport={member.bitcoin_rpc_port}\nregtest=1\n")
        bitcoin.SelectParams("regtest")
        cookie = next(Path(member.folder).glob("*/.cookie")).read_text()
        return bitcoin.rpc.Proxy(
            service_url=f"http://{cookie}@127.0.0.1:{member.bitcoin_rpc_port}", btc_conf_file=str(conf)
        )

    def mine(self, count: int = 1) -> list[str]:
        """Blocks, by the Bitcoin client."""
        found: list[str] = self.proxy.call("generatetoaddress", count, HOME)
        return found

    def web3(self, step: str, *arguments: object, at: int = 0, mining: bool = False) -> Any:
        """A step of the web3.py script; with `mining` the Bitcoin client mines one block once the transaction is pooled."""
        script_path = str(HERE / "clients" / "twin_client.py")
        words = [str(self.python), script_path, self.urls[at], self.contracts, step, *(str(a) for a in arguments)]
        return json.loads(self._beside(words, mining))

    def viem(self, *arguments: object) -> Any:
        """The viem script, while the Bitcoin client mines."""
        return json.loads(self._running(lambda: run_node(self.npm, "twin_client.mjs", *(str(a) for a in arguments))))

    def _beside(self, words: list[str], mining: bool) -> str:
        def run() -> str:
            made = subprocess.run(words, capture_output=True, text=True, timeout=120)
            assert made.returncode == 0, made.stderr[-3000:]
            return made.stdout

        return self._running(run) if mining else run()

    def _running(self, work: Callable[[], str]) -> str:
        """Do it while a block is mined for what it sends."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(work)
            wait_for(lambda: done.done() or self.eth("txpool_status")["pending"] != "0x0", 90, 0.05)
            if not done.done():
                self.mine()
            return done.result()

    def cast(self, *arguments: str) -> str:
        """A verb of cast."""
        made = subprocess.run(
            [str(foundry("cast")), *arguments],
            env={**os.environ, "ETH_RPC_URL": self.urls[0]},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def eth(self, method: str, *params: Any, at: int = 0) -> Any:
        """A plain call of the Ethereum-style RPC."""
        return self.net.accounts(self.net.members[at]).call(method, *params)

    def chainyard(self, *arguments: str) -> Any:
        """Chainyard's own command line; its result as JSON."""
        member = self.net.members[0]
        cookie = next(Path(member.folder).glob("*/.cookie")).read_text()
        url = f"http://{cookie}@127.0.0.1:{member.bitcoin_rpc_port}"
        words = [*COMMAND, *arguments, "--rpc-url", url, "--json"]
        made = subprocess.run(
            words, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        assert made.returncode == 0, made.stderr
        return json.loads(made.stdout)

    def agreed(self) -> None:
        """Both nodes have one tip, and their clients of both worlds see the same block there."""

        def tips() -> set[Any]:
            return {p.call("getbestblockhash") for p in self.proxies}

        assert wait_for(lambda: len(tips()) == 1, 60), tips()
        for proxy, at in zip(self.proxies, range(2), strict=True):
            payload = proxy.call("getpayload", proxy.call("getbestblockhash"))
            head = self.eth("eth_getBlockByNumber", "latest", False, at=at)
            assert (head["hash"], int(head["number"], 16)) == (payload["payload"], proxy.call("getblockcount"))


@pytest.mark.parametrize("chain", ["twin", "twin-ethash", "twin-stake"])
def test_two_worlds_on_one_chain(chain: str, make_net: NetMaker, tmp_path: Path) -> None:
    world = World(make_net(2, chain=chain), tmp_path)
    proxy, coins = world.proxy, world.coins
    maturity = proxy.call("getmovesinfo")["maturity"]
    rewards = [proxy.getblock(lx(key)).vtx[0] for key in world.mine(4)]
    world.mine(maturity)
    keys = ["0x" + key.hex() for key in dev_keys().values()]
    owner = world.cast("wallet", "address", OWNER)

    def reward(at: int) -> tuple[str, int, int]:
        return rewards[at].GetTxid()[::-1].hex(), 0, rewards[at].vout[0].nValue

    # an exit by cast matures, and a Bitcoin transaction spends it
    program = LOCK.data[2:].hex()
    world.cast("send", "--async", "--private-key", keys[1], "--value", "0.5ether", CONTRACT, "0x00" + program)
    assert wait_for(lambda: world.eth("txpool_status")["pending"] == "0x1", 30)
    world.mine()
    (move,) = world.chainyard("wallet", "moves")
    assert (move["kind"], move["status"], float(move["amount"]), move["address"]) == ("exit", "immature", 0.5, HOME)
    early = coins.spend(move["txid"], move["vout"], COIN // 2, TransactionOutput(COIN // 2 - FEE, LOCK))
    refused = proxy.call("testmempoolaccept", [early.serialize().hex()])[0]
    assert refused["reject-reason"].startswith("bad-txns-premature-spend-of-coinbase")
    world.mine(maturity - 1)
    spent = coins.send(early)
    world.mine()
    assert world.chainyard("wallet", "moves")[0]["status"] == "mature"
    assert proxy.call("gettxout", move["txid"], move["vout"]) is None and proxy.call("gettxout", spent, 0) is not None
    world.agreed()

    # six blocks: a contract, a deposit by a foreign signature, ether of it spent, tokens moved, an exit, a payment
    watch = world.eth("eth_newFilter", {})
    fork = proxy.call("getblockcount")
    made = world.web3("deploy", mining=True)
    txid, vout, value = reward(0)
    output = TransactionOutput(2 * COIN, script.Script(bytes.fromhex("6a18") + b"DEPO" + bytes.fromhex(owner[2:])))
    deposited = coins.send(coins.spend(txid, vout, value, output, TransactionOutput(value - 2 * COIN - FEE, LOCK)))
    world.mine()
    assert world.eth("eth_getBalance", owner, "latest") == hex(2 * 10**18)
    paid = world.web3("spend", OWNER, FRIEND, 10**18, mining=True)
    moved = world.viem(world.urls[0], world.contracts, keys[0], made["address"], FRIEND, 1_000)
    left = world.cast("send", "--async", "--private-key", keys[2], "--value", "0.25ether", CONTRACT, "0x00" + program)
    assert wait_for(lambda: world.eth("txpool_status")["pending"] == "0x1", 30)
    world.mine()
    payment = coins.spend(*reward(1), TransactionOutput(reward(1)[2] - FEE, LOCK))
    coins.send(payment)
    world.mine()
    assert proxy.call("getblockcount") == fork + 6
    world.agreed()
    told = world.eth("eth_getFilterChanges", watch)
    assert told and not any(log["removed"] for log in told)
    before = world.web3("story", made["address"], owner, FRIEND)
    assert before["deployed"] and before["tokens"][1] == "1000" and before["balances"][1] == str(10**18)
    assert before == world.web3("story", made["address"], owner, FRIEND, at=1)
    moves = [(m["kind"], float(m["amount"])) for m in world.chainyard("wallet", "moves")]
    assert moves == [("exit", 0.5), ("deposit", 2.0), ("exit", 0.25)]

    # all of it is taken back
    proxy.call("invalidateblock", proxy.call("getblockhash", fork + 1))
    gone = world.web3("story", made["address"], owner, FRIEND)
    assert gone["number"] == fork and not gone["deployed"] and gone["balances"] == ["0", "0"]
    removed = world.eth("eth_getFilterChanges", watch)
    assert len(removed) == len(told) and all(log["removed"] for log in removed)
    assert {log["transactionHash"] for log in removed} == {log["transactionHash"] for log in told}
    for hash_ in (made["hash"], paid["hash"], moved["hash"], left):
        assert world.eth("eth_getTransactionReceipt", hash_) is None
    pooled = set(proxy.call("getrawmempool"))
    assert pooled == {deposited, payment.txid().hex()}
    status = {m["kind"]: m["status"] for m in world.chainyard("wallet", "moves") if m["confirmations"] == 0}
    assert status == {"deposit": "pooled", "exit": "pooled"}

    # and made again, in another order of blocks: the second node follows the longer branch
    world.mine()
    world.eth("eth_sendRawTransaction", paid["raw"])  # it could not wait: the account had nothing meanwhile
    world.mine(6)
    world.agreed()
    after = world.web3("story", made["address"], owner, FRIEND)
    assert after == world.web3("story", made["address"], owner, FRIEND, at=1)
    assert (after["number"], after["hash"] == before["hash"]) == (fork + 7, False)
    assert {k: after[k] for k in ("deployed", "supply", "tokens", "transfers")} == {
        k: before[k] for k in ("deployed", "supply", "tokens", "transfers")
    }
    assert after["balances"][1] == before["balances"][1] and proxy.call("getrawmempool") == []
    for at, other in enumerate(world.proxies):
        for hash_ in (made["hash"], paid["hash"], moved["hash"], left):
            receipt = world.eth("eth_getTransactionReceipt", hash_, at=at)
            payload = other.call("getpayload", other.call("getblockhash", int(receipt["blockNumber"], 16)))
            assert receipt["status"] == "0x1" and receipt["blockHash"] == payload["payload"]
        assert other.call("gettxout", payment.txid().hex(), 0) is not None
        rows = other.call("listmoves")
        assert [(m["kind"], float(m["amount"]), m["status"]) for m in rows] == [
            ("exit", 0.5, "mature"),
            ("deposit", 2.0, "credited"),
            ("exit", 0.25, "immature"),
        ]
    again = proxy.call("getrawtransaction", deposited, True, proxy.call("listmoves")[1]["blockhash"])
    assert again["confirmations"] == 7


def test_the_command_line_moves_value_both_ways(make_net: NetMaker, tmp_path: Path) -> None:
    net = make_net(1, chain="twin")
    member = net.members[0]
    cookie = next(Path(member.folder).glob("*/.cookie")).read_text()
    to_coins = ("--rpc-url", f"http://{cookie}@127.0.0.1:{member.bitcoin_rpc_port}")
    to_accounts = ("--eth-rpc-url", f"http://127.0.0.1:{member.ethereum_rpc_port}")

    def run(*words: str, fails: bool = False) -> Any:
        made = subprocess.run(
            [sys.executable, "-m", "cli.main", *words, "--json"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
        )
        assert bool(made.returncode) is fails, made.stdout + made.stderr
        return made.stderr if fails else json.loads(made.stdout)

    run("wallet", "create", "alice", *to_coins)
    home = run("wallet", "address", *to_coins)
    home = home["address"] if isinstance(home, dict) else home
    run("rpc", *to_coins, "generatetoaddress", "101", home)
    assert "there is no terminal" in run("wallet", "deposit", "1btc", FRIEND, *to_coins, fails=True)
    assert "has no unit" in run("wallet", "deposit", "1", FRIEND, "--yes", *to_coins, fails=True)
    assert "of another network" in run(
        "wallet", "exit", "1btc", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "--yes", *to_accounts, fails=True
    )
    made = run("wallet", "deposit", "1btc", FRIEND, "--fee-rate", "5", "--yes", *to_coins)
    left = run("wallet", "exit", "25000000sat", home, "--yes", "--no-wait", *to_accounts)
    rows = run("wallet", "moves", *to_coins)
    assert [(r["kind"], r["status"]) for r in rows] == [("deposit", "pooled"), ("exit", "pooled")]
    run("rpc", *to_coins, "generatetoaddress", "1", home)
    rows = run("wallet", "moves", *to_coins)
    assert [(r["kind"], r["status"]) for r in rows] == [("deposit", "credited"), ("exit", "immature")]
    assert rows[0]["txid"] == made["txid"] and rows[1]["hash"] == left["hash"]
