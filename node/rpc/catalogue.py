"""Every file of Bitcoin-style methods, and what a server of them is made of: the daemon asks here for a dispatcher."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from node.node import Node, Snapshot
from node.rpc import (
    account_chain_methods,
    blockchain_methods,
    chain_control_methods,
    coins_methods,
    control_methods,
    generating_methods,
    mempool_methods,
    mining_methods,
    network_methods,
    psbt_methods,
    rawtransaction_methods,
    sending_methods,
    signing_methods,
    statistics_methods,
    util_methods,
    wallet_address_methods,
    wallet_bump_methods,
    wallet_coins_methods,
    wallet_control_methods,
    wallet_descriptor_methods,
    wallet_history_methods,
    wallet_lock_methods,
    wallet_psbt_methods,
    wallet_scan_methods,
    wallet_sending_methods,
    wallet_transaction_methods,
)
from node.rpc.api import Control, Memory, Peers
from node.rpc.dispatch import Call, Dispatcher, Provider
from node.rpc.registry import Registry
from node.rpc.translate import translate

FILES = (
    account_chain_methods,
    blockchain_methods,
    chain_control_methods,
    coins_methods,
    control_methods,
    generating_methods,
    mempool_methods,
    mining_methods,
    network_methods,
    psbt_methods,
    rawtransaction_methods,
    sending_methods,
    signing_methods,
    statistics_methods,
    util_methods,
    wallet_address_methods,
    wallet_bump_methods,
    wallet_coins_methods,
    wallet_control_methods,
    wallet_descriptor_methods,
    wallet_history_methods,
    wallet_lock_methods,
    wallet_psbt_methods,
    wallet_scan_methods,
    wallet_sending_methods,
    wallet_transaction_methods,
)
"""Importing them fills the table."""
LATER = {
    "peercoin": "node.rpc.stake_methods",
    "twin": "node.rpc.twin_methods",
    "local": "node.rpc.local_methods",
    "local-account": "node.rpc.local_account_methods",
}
"""By family: files of methods that are imported when a chain serves the family, since other chains need not load what they need."""


def given(value: Any) -> Provider:
    """A provider that always gives this one thing."""

    @contextmanager
    def provide(_: Call) -> Iterator[Any]:
        yield value

    return provide


def providers(node: Node, peers: Peers, control: Control) -> dict[Any, Provider]:
    """What methods of the Bitcoin family ask for, for one node."""

    @contextmanager
    def snapshot(_: Call) -> Iterator[Snapshot]:
        with node.snapshot() as at:
            yield at

    found: dict[Any, Provider] = {Node: given(node), Peers: given(peers), Control: given(control)}
    return {**found, Memory: given(Memory()), Snapshot: snapshot}


def bitcoin_dispatcher(
    node: Node,
    peers: Peers,
    control: Control,
    more: Mapping[Any, Provider] | None = None,
    families: tuple[str, ...] = ("bitcoin",),
    allowed: Callable[[str, str], bool] = lambda _user, _method: True,
) -> Dispatcher:
    """A dispatcher of the Bitcoin-style methods of a node; `more` provides what further families ask for."""
    for family in families:
        if family in LATER:
            importlib.import_module(LATER[family])
    return Dispatcher(
        Registry(families),
        node.env,
        {**providers(node, peers, control), **(more or {})},
        translate=translate,
        allowed=allowed,
        decimals=node.spec.network.coin_decimals,
    )
