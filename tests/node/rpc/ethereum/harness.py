"""An account chain in memory behind its dispatcher, so that methods are called as clients call them."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from chains.ethereum import SPECS
from chains.spec import ChainSpec
from node.dev_chain import DevChain
from node.dev_keys import keys_of
from node.env import RealEnv
from node.indexes import TransactionIndex
from node.node import Node
from node.receipts import ReceiptIndex
from node.rpc.ethereum_catalogue import ethereum_dispatcher
from node.rpc.ethereum_server import EthereumCall
from node.rpc.ethereum_session import Session
from node.rpc.events import Events
from storage.durability import Durability
from storage.memory import MemoryStore
from tests.node.rpc.harness import FakeControl, FakePeers


class RpcFailure(Exception):
    """An error that a method answered."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]
        self.message = error["message"]
        self.data = error.get("data")


class AccountNode:
    """A node with its controls; `call` is one request through the dispatcher."""

    def __init__(self, spec: ChainSpec | None = None, automine: bool = True) -> None:
        self.spec = SPECS["dev"] if spec is None else spec
        self.env = RealEnv(seed=1)
        store = MemoryStore(Durability.NONE)
        self.loop = asyncio.new_event_loop()
        self.node: Node = self.loop.run_until_complete(
            self.env.on_chain(lambda: Node(self.spec, self.env, store, indexes=(TransactionIndex(), ReceiptIndex())))
        )
        self.node.attach(self.loop)
        self.dev = DevChain(self.node, keys_of(self.spec), automine)
        self.events = Events(self.node)
        self.dispatcher = ethereum_dispatcher(self.node, self.dev, self.events, FakePeers(), FakeControl())
        self.told: list[Any] = []
        self.session = Session(self.told.append)

    def ask(self, request: Any) -> Any:
        """The answer to a request, as decoded JSON."""
        call = EthereumCall("", None, "", self.session)
        body, _ = self.loop.run_until_complete(self.dispatcher.answer(orjson.dumps(request), call))
        self.loop.run_until_complete(asyncio.sleep(0))
        return orjson.loads(body) if body else None

    def call(self, method: str, *params: Any) -> Any:
        """The result of a method. Raises RpcFailure."""
        answer = self.ask({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        if "error" in answer:
            raise RpcFailure(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """End its threads."""
        self.dev.close()
        self.env.close()
        self.loop.close()
