"""Which wallet a call means, and where its work runs: off the loop, with Core's codes and words where the wallet refuses.

It knows no method. Sources: Bitcoin Core, wallet/rpc/util.cpp (GetWalletForJSONRPCRequest).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from node.rpc.dispatch import Call
from node.rpc.errors import (
    INVALID_ADDRESS_OR_KEY,
    WALLET_INVALID_LABEL_NAME,
    WALLET_NOT_FOUND,
    WALLET_NOT_SPECIFIED,
    RpcError,
)
from node.rpc.params import display_hex
from node.rpc.registry import injected
from node.wallets import Wallets
from wallet.errors import BAD_ADDRESS, WalletError
from wallet.wallet import Wallet

T = TypeVar("T")
injected(Wallets)

NOT_LOADED = "Requested wallet does not exist or is not loaded"
NO_WALLET = (
    "No wallet is loaded. Load a wallet using loadwallet or create a new one with createwallet. "
    "(Note: A default wallet is no longer automatically created)"
)
SEVERAL = "Multiple wallets are loaded. Please select which wallet to use by requesting the RPC through the /wallet/<walletname> URI path."


def chosen(wallets: Wallets, call: Call) -> Wallet:
    """The wallet in the path, else the only loaded one. Raises RpcError."""
    if call.wallet is not None:
        found = wallets.get(call.wallet)
        if found is None:
            raise RpcError(WALLET_NOT_FOUND, NOT_LOADED)
        return found
    loaded = list(wallets.loaded.values())
    if not loaded:
        raise RpcError(WALLET_NOT_FOUND, NO_WALLET)
    if len(loaded) > 1:
        raise RpcError(WALLET_NOT_SPECIFIED, SEVERAL)
    return loaded[0]


async def on_wallet(wallets: Wallets, call: Call, work: Callable[[Wallet], T]) -> T:
    """Run on a worker thread with the wallet that the call means: wallets wait for their guard, the disk and the chain."""
    wallet = chosen(wallets, call)
    return await wallets.env.on_worker(lambda: work(wallet))


@contextmanager
def answering(answers: Mapping[str, RpcError]) -> Iterator[None]:
    """Give these errors for these words of the wallet; all others go the usual way (translate.py)."""
    try:
        yield
    except WalletError as e:
        if e.rule in answers:
            raise answers[e.rule] from None
        raise


def script_of(wallet: Wallet, address: str, wrong: str = "Invalid Bitcoin address") -> bytes:
    """The script that an address stands for. Raises RpcError."""
    with answering({BAD_ADDRESS: RpcError(INVALID_ADDRESS_OR_KEY, wrong)}):
        return wallet.state.script_of(address)


def check_label(label: str) -> str:
    """A label that addresses may have. Raises RpcError as Core's LabelFromValue."""
    if label == "*":
        raise RpcError(WALLET_INVALID_LABEL_NAME, "Invalid label name")
    return label


def last_processed(wallet: Wallet) -> dict[str, Any]:
    """The block up to which the wallet knows the chain."""
    tip = wallet.state.history.tip
    return {"hash": display_hex(tip.hash), "height": tip.height}
