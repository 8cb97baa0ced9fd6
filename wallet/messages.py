"""Signed messages: Bitcoin's legacy form, BIP322 for any script, and Ethereum's personal messages (EIP-191).

Refuses to know where keys come from. A check answers True or False; only what cannot be read at all is a DecodeError.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Final

from primitives import secp256k1
from primitives.bitcoin import Transaction, TxInput, TxOutput, decode_transaction
from primitives.buffer import Reader, Writer, compact_size
from primitives.errors import DecodeError
from primitives.ethereum_tx import account_of
from primitives.hashing import hash160, keccak256, sha256d, tagged_hash
from vm.script.errors import ScriptError
from vm.script.flags import STANDARD
from vm.script.sighash import SpendContext
from vm.script.verify import verify_input
from wallet import scripts, signing, spend_utxo
from wallet.errors import NO_KEY, WalletError
from wallet.signing import InputData

BITCOIN: Final = "Bitcoin Signed Message:\n"
_NULL: Final = bytes(32) + b"\xff\xff\xff\xff"


def message_hash(message: str, magic: str = BITCOIN) -> bytes:
    """What a legacy signature signs."""
    parts = (text.encode("utf-8", "surrogatepass") for text in (magic, message))
    return sha256d(b"".join(compact_size(len(part)) + part for part in parts))


def sign_legacy(message: str, secret: bytes, compressed: bool = True, magic: str = BITCOIN) -> str:
    """A signature in base64 from which the public key can be recovered. Source: Bitcoin Core, common/signmessage.cpp."""
    signature, parity = secp256k1.sign_recoverable(secret, message_hash(message, magic))
    return base64.b64encode(bytes([27 + parity + (4 if compressed else 0)]) + signature).decode()


def _bytes(signature: str) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError("malformed base64 encoding") from None


def recover_legacy(message: str, signature: str, magic: str = BITCOIN) -> bytes | None:
    """The public key that made a legacy signature, in the form that it names; None for none. Raises DecodeError."""
    raw = _bytes(signature)
    if len(raw) != 65 or not 27 <= raw[0] <= 34:
        return None
    public = secp256k1.recover(raw[1:], (raw[0] - 27) & 3, message_hash(message, magic))
    return None if public is None else secp256k1.serialize(public, raw[0] >= 31)


def verify_legacy(message: str, signature: str, script: bytes, magic: str = BITCOIN) -> bool:
    """Whether the owner of a P2PKH script signed a message. Raises DecodeError."""
    public = recover_legacy(message, signature, magic)
    return public is not None and scripts.pkh_in(script) == hash160(public)


# BIP322.


def to_spend(message: bytes, script: bytes) -> Transaction:
    """The virtual transaction that commits to the message and pays to the script."""
    commitment = b"\x00\x20" + tagged_hash(b"BIP0322-signed-message", message)
    return Transaction(0, (TxInput(_NULL, commitment, 0),), (TxOutput(0, script),))


def to_sign(spend: Transaction) -> Transaction:
    """The virtual transaction that spends it, and is signed."""
    return Transaction(0, (TxInput(spend.id + bytes(4), b"", 0),), (TxOutput(0, b"\x6a"),))


def sign_full(
    message: bytes,
    data: InputData,
    secret_of: signing.SecretOf,
    key_of_hash: Callable[[bytes], bytes | None],
) -> Transaction:
    """The signed virtual transaction for the script of an input's data. Raises WalletError("no-key")."""
    if data.spent is None:
        raise WalletError(NO_KEY, "a message is signed for a script")
    spend = to_spend(message, data.spent.script)
    data.spent = TxOutput(0, data.spent.script)
    tx, missing = spend_utxo.sign_partly(to_sign(spend), [data], secret_of, key_of_hash)
    if missing:
        raise WalletError(NO_KEY, "no key for the script that is to sign the message")
    return tx


def encode_simple(tx: Transaction) -> str:
    """The short form: the witness alone."""
    return base64.b64encode(Writer().many(tx.inputs[0].witness, Writer.var_bytes).done()).decode()


def encode_full(tx: Transaction) -> str:
    """The long form, for scripts that need more than a witness."""
    return base64.b64encode(tx.raw).decode()


def sign_bip322(
    message: bytes,
    data: InputData,
    secret_of: signing.SecretOf,
    key_of_hash: Callable[[bytes], bytes | None],
) -> str:
    """A signature of the short form where a witness suffices, else of the long one. Raises WalletError("no-key")."""
    tx = sign_full(message, data, secret_of, key_of_hash)
    return encode_full(tx) if tx.inputs[0].script else encode_simple(tx)


def verify_bip322(message: bytes, signature: str, script: bytes) -> bool:
    """Whether the owner of any script signed a message. Raises DecodeError for what is no base64."""
    raw = _bytes(signature)
    spend = to_spend(message, script)
    tx = _signed_simple(raw, to_sign(spend)) or _signed_full(raw, spend)
    if tx is None:
        return False
    try:
        verify_input(SpendContext(tx, [spend.outputs[0]]), 0, STANDARD)
    except ScriptError:
        return False
    return True


def _signed_simple(raw: bytes, blank: Transaction) -> Transaction | None:
    r = Reader(raw)
    try:
        witness = r.many(Reader.var_bytes)
        r.finish()
    except DecodeError:
        return None
    return Transaction(0, (blank.inputs[0]._replace(witness=witness),), blank.outputs)


def _signed_full(raw: bytes, spend: Transaction) -> Transaction | None:
    """The virtual transaction, if it is one that BIP322 allows here: one input, one output, any version and time but ours."""
    try:
        tx = decode_transaction(raw)
    except DecodeError:
        return None
    blank = to_sign(spend)
    alike = tx.outputs == blank.outputs and [i.outpoint for i in tx.inputs] == [blank.inputs[0].outpoint]
    return tx if alike and tx.version in (0, 2) else None


# EIP-191.


def personal_hash(message: bytes) -> bytes:
    """What eth_sign and personal_sign sign."""
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)


def sign_personal(message: bytes, secret: bytes) -> bytes:
    """A signature of 65 bytes: r, s, and v as 27 or 28."""
    return sign_digest(personal_hash(message), secret)


def sign_digest(digest: bytes, secret: bytes) -> bytes:
    """A signature of a hash: r, s, and v as 27 or 28."""
    signature, parity = secp256k1.sign_recoverable(secret, digest)
    return signature + bytes([27 + parity])


def recover_account(digest: bytes, signature: bytes) -> bytes | None:
    """The account that signed a hash; None for a signature that is none, or has a high s (EIP-2)."""
    if len(signature) != 65 or signature[64] not in (0, 1, 27, 28):
        return None
    if int.from_bytes(signature[32:64], "big") > secp256k1.HALF_N:
        return None
    public = secp256k1.recover(signature[:64], signature[64] % 27, digest)
    return None if public is None else account_of(public)


def recover_personal(message: bytes, signature: bytes) -> bytes | None:
    """The account that signed a personal message."""
    return recover_account(personal_hash(message), signature)
