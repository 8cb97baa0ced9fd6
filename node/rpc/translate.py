"""The one table from the chain's errors to RPC codes: which error a client sees when a method's work raises one of ours.

It knows no method's logic; a method that has codes of its own raises RpcError itself. Source: Bitcoin Core, rpc/util.cpp.
"""

from __future__ import annotations

from node.rpc.errors import (
    DESERIALIZATION_ERROR,
    INVALID_ADDRESS_OR_KEY,
    INVALID_PARAMETER,
    TYPE_ERROR,
    VERIFY_ERROR,
    VERIFY_REJECTED,
    WALLET_ENCRYPTION_FAILED,
    WALLET_ERROR,
    WALLET_INSUFFICIENT_FUNDS,
    WALLET_PASSPHRASE_INCORRECT,
    WALLET_UNLOCK_NEEDED,
    WALLET_WRONG_ENC_STATE,
    RpcError,
)
from node.rpc.registry import Method
from primitives.errors import ChainError, DecodeError, Invalid, Missing, Mutated, Premature, Refused
from wallet import errors as wallet_words
from wallet.errors import WalletError

MISSING_INPUTS = "bad-txns-inputs-missingorspent"

WALLET_CODES = {
    wallet_words.LOCKED: (
        WALLET_UNLOCK_NEEDED,
        "Error: Please enter the wallet passphrase with walletpassphrase first.",
    ),
    wallet_words.WRONG_PASSPHRASE: (
        WALLET_PASSPHRASE_INCORRECT,
        "Error: The wallet passphrase entered was incorrect.",
    ),
    wallet_words.WRONG_STATE: (WALLET_WRONG_ENC_STATE, ""),
    wallet_words.INSUFFICIENT: (WALLET_INSUFFICIENT_FUNDS, "Insufficient funds"),
    wallet_words.KEPT_APART: (WALLET_INSUFFICIENT_FUNDS, ""),
    wallet_words.BAD_ADDRESS: (INVALID_ADDRESS_OR_KEY, ""),
    wallet_words.BAD_AMOUNT: (TYPE_ERROR, ""),
    wallet_words.BAD_PARAMETER: (INVALID_PARAMETER, ""),
    wallet_words.DUST: (WALLET_INSUFFICIENT_FUNDS, ""),
    wallet_words.FEE: (WALLET_INSUFFICIENT_FUNDS, ""),
    wallet_words.UNSAFE_KEYSTORE: (WALLET_ENCRYPTION_FAILED, ""),
}
"""By the wallet's word: the code, and Core's sentence where it has one that says no less than ours. All others are WALLET_ERROR."""


def reason(error: ChainError) -> str:
    """The word that clients match on."""
    if isinstance(error, Missing):
        return MISSING_INPUTS
    return error.rule if isinstance(error, Invalid | Mutated | Premature | Refused) else str(error)


def full_reason(error: ChainError) -> str:
    """The word and its detail, as Core's ValidationState prints them."""
    return MISSING_INPUTS if isinstance(error, Missing) else str(error)


def of_wallet(error: WalletError) -> RpcError:
    """The answer that a wallet's refusal means, where a method has none of its own."""
    code, text = WALLET_CODES.get(error.rule, (WALLET_ERROR, ""))
    return RpcError(code, text or sentence(error.detail or error.rule))


def sentence(text: str) -> str:
    """A text of ours with a capital letter, as Core's clients show them."""
    return text[:1].upper() + text[1:]


def translate(method: Method, error: Exception) -> RpcError | None:
    """The answer that an error of ours means; None where it is a fault that the log must tell of."""
    if isinstance(error, DecodeError):
        return RpcError(DESERIALIZATION_ERROR, str(error))
    if isinstance(error, WalletError):
        return of_wallet(error)
    if isinstance(error, OSError) and method.family == "wallet":
        return RpcError(WALLET_ERROR, f"The wallet's files cannot be used: {error.strerror or error}")
    if isinstance(error, Missing):
        if method.group in ("rawtransactions", "mining", "generating"):
            return RpcError(VERIFY_ERROR, MISSING_INPUTS)
        return RpcError(INVALID_ADDRESS_OR_KEY, "Block not found")
    if isinstance(error, Invalid | Mutated | Premature | Refused):
        return RpcError(VERIFY_REJECTED, str(error))
    return None
