"""The one table from the chain's errors to RPC codes: which error a client sees when a method's work raises one of ours.

It knows no method's logic; a method that has codes of its own raises RpcError itself. Source: Bitcoin Core, rpc/util.cpp.
"""

from __future__ import annotations

from node.rpc.errors import (
    DESERIALIZATION_ERROR,
    INVALID_ADDRESS_OR_KEY,
    MISC_ERROR,
    VERIFY_ERROR,
    VERIFY_REJECTED,
    RpcError,
)
from node.rpc.registry import Method
from primitives.errors import ChainError, DecodeError, Invalid, Missing, Mutated, Premature, Refused
from wallet.errors import WalletError

MISSING_INPUTS = "bad-txns-inputs-missingorspent"


def reason(error: ChainError) -> str:
    """The word that clients match on."""
    if isinstance(error, Missing):
        return MISSING_INPUTS
    return error.rule if isinstance(error, Invalid | Mutated | Premature | Refused) else str(error)


def full_reason(error: ChainError) -> str:
    """The word and its detail, as Core's ValidationState prints them."""
    return MISSING_INPUTS if isinstance(error, Missing) else str(error)


def translate(method: Method, error: Exception) -> RpcError | None:
    """The answer that an error of ours means; None where it is a fault that the log must tell of."""
    if isinstance(error, DecodeError):
        return RpcError(DESERIALIZATION_ERROR, str(error))
    if isinstance(error, WalletError):
        return RpcError(MISC_ERROR, str(error))
    if isinstance(error, Missing):
        if method.group in ("rawtransactions", "mining", "generating"):
            return RpcError(VERIFY_ERROR, MISSING_INPUTS)
        return RpcError(INVALID_ADDRESS_OR_KEY, "Block not found")
    if isinstance(error, Invalid | Mutated | Premature | Refused):
        return RpcError(VERIFY_REJECTED, str(error))
    return None
