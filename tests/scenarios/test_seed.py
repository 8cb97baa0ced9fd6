"""Seeded chains: two runs with one seed and the same inputs make byte-equal chains, whatever the machine does meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chainyard import Node

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
ACCOUNT = "0x00000000000000000000000000000000000000aa"
WEI = 10**15


def of_coins(node: Node, more: bool) -> None:
    """A wallet is paid, pays, and a reorganisation undoes part of it."""
    node.mine(2, to=ADDRESS)
    node.rpc.createwallet("w")
    wallet = node.wallet("w")
    node.faucet(wallet.getnewaddress(), 5)
    wallet.sendtoaddress(ADDRESS, "1.5")
    node.travel(1_000)
    node.mine(2)
    node.reorg(2)
    if more:
        wallet.sendtoaddress(ADDRESS, "0.1")
    node.mine()


def of_accounts(node: Node, more: bool) -> None:
    """An account pays another; edits, time travel and a reorganisation go by."""
    first = node.eth.eth_accounts()[0]
    payment = {"from": first, "to": ACCOUNT, "value": hex(WEI), "gas": "0x5208", "gasPrice": hex(10**11)}
    node.eth.eth_sendTransaction(payment)
    node.set_balance(ACCOUNT, 7)
    node.travel(1_000)
    node.eth.eth_sendTransaction(payment)
    node.reorg(1)
    if more:
        node.eth.eth_sendTransaction({**payment, "value": "0x1"})
    node.mine()


def of_both(node: Node, more: bool) -> None:
    """Both worlds on one chain."""
    of_coins(node, False)
    of_accounts(node, more)


RUNS: dict[str, Callable[[Node, bool], None]] = {
    "regtest": of_coins, "dev": of_accounts, "twin": of_both, "twin-ethash": of_both, "twin-stake": of_both,
}  # fmt: skip


def tip(chain: str, seed: int, file: Path | None = None, more: bool = False) -> str:
    """The tip after one run; the whole chain in a file where one is named."""
    with Node(chain, seed=seed) as node:
        RUNS[chain](node, more)
        if file is not None:
            node.dump(file)
        return node.tip


@pytest.mark.scenario
@pytest.mark.parametrize("chain", RUNS)
def test_a_seed_makes_one_chain(chain: str, tmp_path: Path) -> None:
    first = tip(chain, 7, tmp_path / "one")
    assert tip(chain, 7, tmp_path / "two") == first
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert tip(chain, 8) != first
    assert tip(chain, 7, more=True) != first
