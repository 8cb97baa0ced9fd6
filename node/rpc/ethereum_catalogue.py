"""Every file of Ethereum-style methods, and what a server of them is made of: the daemon asks here for a dispatcher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from node.dev_chain import DevChain
from node.node import Node, Snapshot
from node.rpc import (
    ethereum_chain_methods,
    ethereum_control_methods,
    ethereum_debug_methods,
    ethereum_edit_methods,
    ethereum_fee_methods,
    ethereum_log_methods,
    ethereum_mining_methods,
    ethereum_net_methods,
    ethereum_sending_methods,
    ethereum_state_methods,
    ethereum_testing_methods,
    ethereum_txpool_methods,
)
from node.rpc.api import Control, Peers
from node.rpc.dispatch import Call
from node.rpc.ethereum_dispatch import EthereumDispatcher, EthereumRegistry
from node.rpc.ethereum_mining_methods import WorkTable
from node.rpc.ethereum_session import Session
from node.rpc.events import Events

FILES = (
    ethereum_chain_methods,
    ethereum_control_methods,
    ethereum_debug_methods,
    ethereum_edit_methods,
    ethereum_fee_methods,
    ethereum_log_methods,
    ethereum_mining_methods,
    ethereum_net_methods,
    ethereum_sending_methods,
    ethereum_state_methods,
    ethereum_testing_methods,
    ethereum_txpool_methods,
)
"""Importing them fills the table."""


def given(value: Any) -> Any:
    """A provider that always gives this one thing."""

    @contextmanager
    def provide(_: Call) -> Iterator[Any]:
        yield value

    return provide


def ethereum_dispatcher(
    node: Node, dev: DevChain, events: Events, peers: Peers, control: Control
) -> EthereumDispatcher:
    """A dispatcher of the Ethereum-style methods of a node."""

    @contextmanager
    def snapshot(_: Call) -> Iterator[Snapshot]:
        with node.snapshot() as at:
            yield at

    @contextmanager
    def session(call: Call) -> Iterator[Session]:
        found: Session | None = getattr(call, "session", None)
        yield Session() if found is None else found

    providers = {
        Node: given(node),
        DevChain: given(dev),
        Events: given(events),
        Peers: given(peers),
        Control: given(control),
        WorkTable: given(WorkTable()),
        Snapshot: snapshot,
        Session: session,
    }
    dispatcher = EthereumDispatcher(EthereumRegistry(("ethereum",)), node.env, providers)
    dispatcher.as_job = node.whole.as_job
    return dispatcher
