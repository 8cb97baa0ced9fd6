"""What a wallet refuses, as stable words. Refuses to know which RPC code or exit code a word becomes.

No message ever holds a key, a mnemonic word or a passphrase.
"""

from typing import Final

from primitives.errors import RuleError

LOCKED: Final = "wallet-locked"
WRONG_PASSPHRASE: Final = "wrong-passphrase"
WRONG_STATE: Final = "wrong-encryption-state"
INSUFFICIENT: Final = "insufficient-funds"
KEPT_APART: Final = "coins-kept-apart"
BAD_ADDRESS: Final = "bad-address"
BAD_AMOUNT: Final = "bad-amount"
BAD_PARAMETER: Final = "bad-parameter"
DUST: Final = "dust"
FEE: Final = "bad-fee"
NO_KEY: Final = "no-key"
NOT_FOUND: Final = "not-found"
UNSAFE_KEYSTORE: Final = "unsafe-keystore"
CORRUPT: Final = "wallet-corrupt"
TOO_NEW: Final = "wallet-too-new"
EXISTS: Final = "wallet-exists"
REJECTED: Final = "rejected"
NOT_SIGNED: Final = "not-signed"


class WalletError(RuleError):
    """The wallet cannot, or will not, do what was asked; `rule` is one of the words of this file."""
