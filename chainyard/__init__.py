"""Chainyard for other people's code: start nodes as processes, talk to them, and do to their chains what tests do.

It imports none of the program's packages, so that a project with a `node` or a `wallet` of its own is not disturbed.
"""

from chainyard.launcher import ProgramError
from chainyard.network import Network
from chainyard.node import Account, CoinAccount, Node
from chainyard.rpc import NoConnection, Rpc, RpcError

__all__ = ["Account", "CoinAccount", "Network", "NoConnection", "Node", "ProgramError", "Rpc", "RpcError"]
