"""A node in memory with wallets behind a dispatcher, called by path as clients do; its key stretching is quick."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from chains.bitcoin import REGTEST
from chains.spec import ChainSpec
from node.rpc.catalogue import bitcoin_dispatcher, given
from node.rpc.dispatch import Call
from node.wallets import Wallets
from tests.node.rpc.harness import Client
from wallet.cipher import Scrypt
from wallet.wallet import Wallet

QUICK = Scrypt(n=64, r=8, p=1)


class QuickWallets(Wallets):
    """Wallets whose passphrases cost nothing to try."""

    def create(self, name: str, **options: Any) -> Wallet:
        return super().create(name, stretch=QUICK, **options)

    def load(self, name: str, progress: Any = None) -> Wallet:
        wallet = super().load(name, progress)
        wallet._stretch = QUICK
        return wallet


class WalletClient(Client):
    """A client of a node that hosts wallets."""

    def __init__(self, folder: Path, spec: ChainSpec = REGTEST) -> None:
        super().__init__(spec)
        self.folder = folder
        self.wallets = QuickWallets(self.node, folder / "wallets", self.env)
        self.path: str | None = None
        self.dispatcher = bitcoin_dispatcher(
            self.node, self.peers, self.control, {Wallets: given(self.wallets)}, ("bitcoin", "wallet")
        )

    def post(self, body: Any) -> tuple[Any, int]:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        answer, status = self.run(self.dispatcher.answer(raw, Call("user", self.path)))
        return (json.loads(answer, parse_float=Decimal) if answer else None), status

    def on(self, wallet: str) -> _At:
        """The same client on /wallet/<name>."""
        return _At(self, wallet)

    def made(self, name: str, **options: Any) -> _At:
        """A new wallet."""
        self.call("createwallet", wallet_name=name, **options)
        return self.on(name)

    def funded(self, name: str, blocks: int = 1) -> _At:
        """A new wallet with so many ripe rewards."""
        wallet = self.made(name)
        for _ in range(blocks):
            self.mine(1, wallet.call("getnewaddress"))
        self.mine(100)
        return wallet


class _At:
    """A client on the path of one wallet."""

    def __init__(self, client: WalletClient, name: str) -> None:
        self.client = client
        self.name = name

    def call(self, method: str, *params: Any, **named: Any) -> Any:
        before, self.client.path = self.client.path, self.name
        try:
            return self.client.call(method, *params, **named)
        finally:
            self.client.path = before

    def error(self, method: str, *params: Any, **named: Any) -> tuple[int, str]:
        before, self.client.path = self.client.path, self.name
        try:
            return self.client.error(method, *params, **named)
        finally:
            self.client.path = before
