"""The local group, edits of accounts: balance, nonce, code and storage, each a directive in a block of its own."""

from __future__ import annotations

from typing import Any

from node.rpc.errors import INVALID_PARAMETER, RpcError
from node.rpc.local_methods import Local, account_of, wei_of
from node.rpc.params import is_hex, shown
from node.rpc.registry import rpc
from primitives.ethereum_directives import Edit, set_balance, set_code, set_nonce, set_storage


@rpc("setbalance", family="local-account", group="local", cost="write")
def control_balance(local: Local, address: str, wei: Any) -> None:
    """Give an account so many wei, in a block of its own."""
    _edit(local, set_balance(account_of(local, address), wei_of(wei)))


@rpc("setnonce", family="local-account", group="local", cost="write")
def control_nonce(local: Local, address: str, nonce: int) -> None:
    """Give an account this next nonce, in a block of its own."""
    if not 0 <= nonce < (1 << 63):
        raise RpcError(INVALID_PARAMETER, "nonce is out of range")
    _edit(local, set_nonce(account_of(local, address), nonce))


@rpc("setcode", family="local-account", group="local", cost="write")
def control_code(local: Local, address: str, code: str) -> None:
    """Give an account this code, in a block of its own."""
    text = code.removeprefix("0x")
    if not is_hex(text):
        raise RpcError(INVALID_PARAMETER, f"code must be hexadecimal string (not '{shown(code)}')")
    _edit(local, set_code(account_of(local, address), bytes.fromhex(text)))


@rpc("setstorage", family="local-account", group="local", cost="write")
def control_storage(local: Local, address: str, slot: Any, value: Any) -> None:
    """Give a slot of a contract this value, in a block of its own."""
    _edit(local, set_storage(account_of(local, address), wei_of(slot), wei_of(value)))


def _edit(local: Local, edit: Edit) -> None:
    assert local.dev is not None, "account_of refuses chains without"
    local.dev.edit([edit])
