"""What the published suites call a reason to refuse, and which of our words may answer it."""

from __future__ import annotations

from collections.abc import Sequence

from primitives.errors import ChainError, DecodeError, RuleError

DECODE = "(decode)"
FUNDS = "insufficient funds for gas * price + value"
INTRINSIC = "intrinsic gas too low"
FLOOR = "insufficient gas for floor data gas cost"
KIND = "transaction type not supported"
SIGNATURE = "invalid transaction v, r, s values"
BASE_FEE = "max fee per gas less than block base fee"
LIMIT = "gas limit reached"
NONCE_MAX = "nonce has max value"
INITCODE = "max initcode size exceeded"
CODE = "sender not an eoa"

WORDS: dict[str, tuple[str, ...]] = {
    "IntrinsicGas": (INTRINSIC,),
    "SenderNotEOA": (CODE,),
    "SenderNotEOAorNoCASH": (CODE, FUNDS),
    "TR_BLOBCREATE": ("blob transaction of type create", DECODE),
    "TR_BLOBLIST_OVERSIZE": ("blob gas limit reached", "blob transaction has too many blobs"),
    "TR_BLOBVERSION_INVALID": ("blob has invalid hash version",),
    "TR_EMPTYBLOB": ("blob transaction missing blob hashes",),
    "TR_FeeCapLessThanBlocks": (BASE_FEE,),
    "TR_FeeCapLessThanBlocksORGasLimitReached": (BASE_FEE, LIMIT),
    "TR_FeeCapLessThanBlocksORNoFunds": (BASE_FEE, FUNDS),
    "TR_GasLimitReached": (LIMIT,),
    "TR_InitCodeLimitExceeded": (INITCODE,),
    "TR_IntrinsicGas": (INTRINSIC,),
    "TR_NoFunds": (FUNDS,),
    "TR_NoFundsOrGas": (FUNDS, INTRINSIC, LIMIT),
    "TR_NonceHasMaxValue": (NONCE_MAX,),
    "TR_NonceTooLow": ("nonce too low",),
    "TR_TipGtFeeCap": ("max priority fee per gas higher than max fee per gas",),
    "TR_TypeNotSupported": (KIND, DECODE),
    "ADDRESS_TOO_LONG": (DECODE,),
    "ADDRESS_TOO_SHORT": (DECODE,),
    "EC_RECOVERY_FAIL": (SIGNATURE,),
    "GASLIMIT_OVERFLOW": (DECODE,),
    "GASLIMIT_PRICE_PRODUCT_OVERFLOW": (DECODE, FUNDS),
    "GASPRICE_OVERFLOW": (DECODE,),
    "GAS_ALLOWANCE_EXCEEDED": (LIMIT,),
    "GAS_LIMIT_EXCEEDS_MAXIMUM": ("transaction gas limit too high",),
    "INITCODE_SIZE_EXCEEDED": (INITCODE,),
    "INSUFFICIENT_ACCOUNT_FUNDS": (FUNDS,),
    "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS": ("max fee per blob gas less than block blob gas fee",),
    "INSUFFICIENT_MAX_FEE_PER_GAS": (BASE_FEE,),
    "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST": (FLOOR,),
    "INTRINSIC_GAS_TOO_LOW": (INTRINSIC, FLOOR),
    "INVALID_CHAINID": ("invalid chain id for signer", SIGNATURE),
    "INVALID_SIGNATURE_VRS": (SIGNATURE, DECODE),
    "NONCE_MISMATCH_TOO_LOW": ("nonce too low",),
    "NONCE_OVERFLOW": (DECODE,),
    "NONCE_TOO_BIG": (NONCE_MAX,),
    "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS": ("max priority fee per gas higher than max fee per gas",),
    "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2": ("max priority fee per gas higher than max fee per gas",),
    "PRIORITY_OVERFLOW": (DECODE,),
    "SENDER_NOT_EOA": (CODE,),
    "TYPE_3_TX_BLOB_COUNT_EXCEEDED": ("blob transaction has too many blobs",),
    "TYPE_3_TX_CONTRACT_CREATION": ("blob transaction of type create", DECODE),
    "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH": ("blob has invalid hash version",),
    "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED": ("blob gas limit reached", "blob gas used exceeds maximum allowance"),
    "TYPE_3_TX_PRE_FORK": (KIND,),
    "TYPE_3_TX_WITH_FULL_BLOBS": (DECODE,),
    "TYPE_3_TX_ZERO_BLOBS": ("blob transaction missing blob hashes",),
    "TYPE_4_EMPTY_AUTHORIZATION_LIST": ("EIP-7702 transaction with empty auth list",),
    "TYPE_4_TX_CONTRACT_CREATION": ("EIP-7702 transaction cannot be used to create contract", DECODE),
    "TYPE_4_TX_PRE_FORK": (KIND,),
    "TYPE_NOT_SUPPORTED": (KIND, DECODE),
    "1559BlockImportImpossible_HeaderIsLegacy": ("invalid baseFee before fork",),
    "3675PoSBlockRejected": ("invalid terminal block", "invalid difficulty"),
    "3675PoWBlockRejected": ("invalid difficulty",),
    "3675PreParis1559BlockRejected": ("invalid difficulty", "invalid uncle hash"),
    "ExtraDataIncorrectDAO": ("bad DAO pro-fork extra-data",),
    "ExtraDataTooBig": ("extra-data too long",),
    "INCORRECT_EXCESS_BLOB_GAS": ("invalid excessBlobGas",),
    "INVALID_DEPOSIT_EVENT_LAYOUT": ("unable to parse deposit data",),
    "INVALID_REQUESTS": ("invalid requests hash",),
    "InvalidTransactionsRoot": ("transaction root hash mismatch", DECODE),
    "InvalidUncleParentHash": ("uncle's parent is not ancestor",),
    "OutOfGasIntrinsic": (INTRINSIC,),
    "InvalidBlockNonce": ("invalid mix digest", "invalid proof-of-work"),
    "InvalidDifficulty": ("invalid difficulty", "invalid terminal block"),
    "InvalidGasLimit": ("invalid gas limit",),
    "InvalidGasLimit2": ("invalid gas limit", "invalid gasLimit", "invalid gasUsed"),
    "InvalidGasUsed": ("invalid gas used",),
    "InvalidLogBloom": ("invalid bloom",),
    "InvalidNumber": ("invalid block number",),
    "InvalidReceiptsStateRoot": ("invalid receipt root hash", "invalid gas used"),
    # receipts hold state roots before Byzantium
    "InvalidStateRoot": ("invalid merkle root", "invalid receipt root hash"),
    "InvalidTimestamp": ("timestamp older than parent", "invalid difficulty"),  # of an ommer: the engine sees it first
    "InvalidTimestampOlderParent": ("timestamp older than parent", "invalid difficulty"),
    "InvalidUnclesHash": ("uncle root hash mismatch",),
    "InvalidWithdrawals": ("withdrawals root hash mismatch",),
    "LegacyBlockImportImpossible": ("header is missing baseFee",),
    "LegacyBlockImportImpossible2": ("header is missing baseFee",),
    "ParisBlockImportImpossible": ("header is missing withdrawalsRoot",),
    "PostParisDifficultyIsNot0": ("invalid difficulty",),
    "PostParisUncleHashIsNotEmpty": ("invalid uncle hash",),
    "RLP_ExpectedAsList": (DECODE, "missing withdrawals in block body"),
    "RLP_BLOCK_LIMIT_EXCEEDED": ("block RLP-encoded size exceeds maximum",),
    "SYSTEM_CONTRACT_CALL_FAILED": ("system call failed to execute",),
    "SYSTEM_CONTRACT_EMPTY": ("system contract is empty",),
    "ShanghaiBlockImportImpossible": ("invalid withdrawalsRoot before fork",),
    "TooMuchGasUsed": ("invalid gasUsed",),
    "UncleInChain": ("duplicate uncle", "uncle is ancestor"),
    "UncleIsAncestor": ("uncle is ancestor",),
    "UncleParentIsNotAncestor": ("uncle's parent is not ancestor",),
    "UncleTooOld": ("uncle's parent is not ancestor",),
    "UnknownParent": ("Missing",),
    "UnknownParent2": ("Missing",),
}

SEAL_WORDS = ("invalid proof-of-work", "invalid mix digest")
"""Where seals are real, a header that was changed has lost its seal."""
TRANSACTION_ROOT = "transaction root hash mismatch"
"""In old block tests the header does not commit to the unlawful transaction; a client sees that first."""


def word(failure: ChainError) -> str:
    """The stable word of a refusal."""
    if isinstance(failure, DecodeError):
        return DECODE
    return failure.rule if isinstance(failure, RuleError) else type(failure).__name__


def expect(names: str, failure: ChainError | None, also: Sequence[str] = ()) -> None:
    """What a suite wants refused was refused, for one of the reasons that it names (or that are `also` lawful)."""
    assert failure is not None, f"accepted, should be refused: {names}"
    lawful = list(also)
    for name in names.split("|"):
        short = name.split(".")[-1]
        lawful += (DECODE,) if short.startswith(("RLP_", "INPUT_UNMARSHAL")) and short not in WORDS else WORDS[short]
        if name.startswith(("TR_", "TransactionException.")) or name in ("IntrinsicGas", "SenderNotEOAorNoCASH"):
            lawful.append(TRANSACTION_ROOT)
    assert any(word(failure).startswith(w) for w in lawful), f"refused with {failure!r}, should be {names}"
