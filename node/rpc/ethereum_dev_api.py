"""What methods of account chains are given beside the node: the controls of a local chain, filters and subscriptions, the process."""

from __future__ import annotations

from node.dev_chain import DevChain
from node.rpc.registry import injected

Dev = DevChain
injected(DevChain)
