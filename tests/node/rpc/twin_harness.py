"""A twin chain's node in memory behind both its dispatchers: one process as the clients of both worlds call it."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from chains.catalogue import load
from node.config import Config
from node.dev_chain import DevChain
from node.dev_keys import keys_of
from node.env import RealEnv
from node.halves import halves_of
from node.node import Node
from node.opening import indexes_of
from node.rpc.catalogue import bitcoin_dispatcher, given
from node.rpc.dispatch import Call
from node.rpc.ethereum_catalogue import ethereum_dispatcher
from node.rpc.ethereum_server import EthereumCall
from node.rpc.ethereum_session import Session
from node.rpc.events import Events
from node.rpc.twin_methods import Accounts
from node.staking import Staking
from node.wallets import Wallets
from storage.durability import Durability
from storage.kv import Store
from storage.memory import MemoryStore
from tests.node.rpc.ethereum.harness import RpcFailure
from tests.node.rpc.harness import FakeControl, FakePeers, result_of
from tests.node.rpc.wallet_harness import QuickWallets


class TwinClient:
    """`btc` and `eth` are one request each through the dispatcher of their world."""

    def __init__(self, folder: Path, chain: str = "twin", store: Store | None = None, automine: bool = False) -> None:
        self.spec = load(chain)
        self.env = RealEnv(seed=1)
        self.loop = asyncio.new_event_loop()
        config = Config(chain=chain, txindex=True, blockfilterindex=True)
        kept = MemoryStore(Durability.NONE) if store is None else store
        self.node: Node = self.run(
            self.env.on_chain(lambda: Node(self.spec, self.env, kept, indexes=indexes_of(config, self.spec)))
        )
        self.node.attach(self.loop)
        halves = halves_of(self.node)
        self.coins, self.accounts = halves.coins, halves.accounts
        self.wallets = QuickWallets(self.coins, folder / "wallets", self.env)
        self.dev = DevChain(self.accounts, keys_of(self.accounts.spec), automine)
        self.events = Events(self.accounts)
        more: dict[Any, Any] = {
            Wallets: given(self.wallets),
            Accounts: given(Accounts(self.accounts, self.dev)),
            Staking: given(Staking(self.coins, self.wallets)),
        }
        families = tuple(f for f in self.spec.rpc if f != "ethereum")
        self.bitcoin = bitcoin_dispatcher(self.coins, FakePeers(), FakeControl(), more, families)
        self.ethereum = ethereum_dispatcher(self.accounts, self.dev, self.events, FakePeers(), FakeControl())
        self.told: list[Any] = []
        self.session = Session(self.told.append)

    def run(self, work: Any) -> Any:
        """Run a coroutine to its end, and what it caused on the loop."""
        found = self.loop.run_until_complete(work)
        self.loop.run_until_complete(asyncio.sleep(0))
        return found

    def btc(self, method: str, *params: Any) -> Any:
        """The result of a Bitcoin-style method. Raises RpcError."""
        request = orjson.dumps({"method": method, "params": params, "id": 1}, default=str)
        answer, _ = self.run(self.bitcoin.answer(request, Call("user", None)))
        return result_of(json.loads(answer, parse_float=Decimal))

    def eth(self, method: str, *params: Any) -> Any:
        """The result of an Ethereum-style method. Raises RpcFailure."""
        request = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        body, _ = self.run(self.ethereum.answer(request, EthereumCall("", None, "", self.session)))
        answer = orjson.loads(body)
        if "error" in answer:
            raise RpcFailure(answer["error"])
        return answer["result"]

    def balance(self, account: str, block: str = "latest") -> int:
        """Wei of an account."""
        return int(self.eth("eth_getBalance", account, block), 16)

    def rich(self) -> str:
        """A wallet with one ripe reward; an address of it."""
        self.btc("createwallet", "alice")
        address: str = self.btc("getnewaddress", "", "bech32")
        maturity = self.coins.spec.ledger.rules.maturity  # type: ignore[attr-defined]
        self.btc("generatetoaddress", maturity + 1, address)
        return address

    def close(self) -> None:
        """End its threads and the loop."""
        self.dev.close()
        self.wallets.close()
        self.node.stop()
        self.env.close()
        self.loop.close()
