"""The five transaction types of Ethereum (legacy, EIP-2930, EIP-1559, EIP-4844, EIP-7702): codec, hash, signing, sender.

Knows form and signatures only; whether a fork allows a type, and whether a sender can pay, is the ledger's affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from primitives import rlp, secp256k1
from primitives.errors import DecodeError, InvalidTx
from primitives.ethereum_fields import ADDRESS, HASH, as_bytes, as_list, as_number, as_recipient, number
from primitives.hashing import keccak256
from primitives.rlp import Item

LEGACY: Final = 0
ACCESS_LIST: Final = 1
DYNAMIC_FEE: Final = 2
BLOB: Final = 3
SET_CODE: Final = 4

AccessList = tuple[tuple[bytes, tuple[bytes, ...]], ...]
"""Addresses, each with storage keys, that the sender names ahead (EIP-2930)."""

CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_ORDER: Final = CURVE_ORDER // 2
_INVALID_SIGNATURE: Final = "invalid transaction v, r, s values"
_AUTHORIZATION_MAGIC: Final = b"\x05"
_FIELDS: Final = {ACCESS_LIST: 11, DYNAMIC_FEE: 12, BLOB: 14, SET_CODE: 13}


@dataclass(frozen=True, slots=True)
class Authorization:
    """One account's leave to run the code of `address` as its own (EIP-7702)."""

    chain_id: int
    address: bytes
    nonce: int
    y_parity: int
    r: int
    s: int

    @property
    def authority(self) -> bytes | None:
        """The account that signed, or None where the signature is not one (EIP-7702, behaviour 3)."""
        if self.y_parity > 1 or not 0 < self.r < CURVE_ORDER or not 0 < self.s <= HALF_ORDER:
            return None
        digest = authorization_digest(self.chain_id, self.address, self.nonce)
        return _recover(digest, self.y_parity, self.r, self.s)


def authorization_digest(chain_id: int, address: bytes, nonce: int) -> bytes:
    """What an authority signs: keccak256(5, rlp([chain id, address, nonce])) (EIP-7702)."""
    return keccak256(_AUTHORIZATION_MAGIC + rlp.encode([number(chain_id), address, number(nonce)]))


def authorize(key: bytes, chain_id: int, address: bytes, nonce: int) -> Authorization:
    """A signed authorization."""
    r, s, parity = _sign(key, authorization_digest(chain_id, address, nonce))
    return Authorization(chain_id, address, nonce, parity, r, s)


@dataclass(frozen=True, slots=True)
class BlobSidecar:
    """The blobs of a blob transaction with their commitments and proofs; travels with it, is in no block (EIP-4844, 7594)."""

    blobs: tuple[bytes, ...]
    commitments: tuple[bytes, ...]
    proofs: tuple[bytes, ...]
    version: int = 0

    def items(self) -> list[Item]:
        """The fields that follow the transaction in the network form."""
        head: list[Item] = [number(self.version)] if self.version else []
        return [*head, list(self.blobs), list(self.commitments), list(self.proofs)]


@dataclass(frozen=True, slots=True)
class EthereumTransaction:
    """A transaction of any type. Before EIP-1559 there is one price: `fee_cap` and `tip_cap` are both the gas price."""

    kind: int
    chain_id: int | None
    nonce: int
    tip_cap: int
    fee_cap: int
    gas_limit: int
    to: bytes | None
    value: int
    data: bytes
    v: int = 0
    r: int = 0
    s: int = 0
    access_list: AccessList = ()
    blob_fee_cap: int = 0
    blob_hashes: tuple[bytes, ...] = ()
    authorizations: tuple[Authorization, ...] = ()
    sidecar: BlobSidecar | None = field(default=None, compare=False, repr=False)
    _raw: bytes | None = field(default=None, init=False, compare=False, repr=False)
    _id: bytes | None = field(default=None, init=False, compare=False, repr=False)
    _sender: bytes | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def raw(self) -> bytes:
        """The canonical bytes: type byte and RLP, plain RLP for a legacy transaction."""
        if self._raw is None:
            body = rlp.encode(_payload(self, signed=True))
            object.__setattr__(self, "_raw", bytes((self.kind,)) + body if self.kind else body)
        assert self._raw is not None
        return self._raw

    @property
    def id(self) -> bytes:
        """The transaction hash."""
        if self._id is None:
            object.__setattr__(self, "_id", keccak256(self.raw))
        assert self._id is not None
        return self._id

    @property
    def y_parity(self) -> int:
        """The parity bit of the signature. Raises InvalidTx("invalid transaction v, r, s values")."""
        if self.kind != LEGACY:
            parity = self.v
        elif self.chain_id is None:
            parity = self.v - 27
        else:
            parity = self.v - 35 - 2 * self.chain_id
        if parity not in (0, 1):
            raise InvalidTx(_INVALID_SIGNATURE, f"v is {self.v}")
        return parity

    @property
    def sender(self) -> bytes:
        """The account that signed. Raises InvalidTx("invalid transaction v, r, s values"); a high s is the fork's affair."""
        if self._sender is None:
            if not (0 < self.r < CURVE_ORDER and 0 < self.s < CURVE_ORDER):
                raise InvalidTx(_INVALID_SIGNATURE, "r or s out of range")
            address = _recover(signing_digest(self), self.y_parity, self.r, self.s)
            if address is None:
                raise InvalidTx(_INVALID_SIGNATURE, "no public key")
            object.__setattr__(self, "_sender", address)
        assert self._sender is not None
        return self._sender

    @property
    def item(self) -> Item:
        """How the transaction lies in a block's RLP: a list if legacy, else a string."""
        return self.raw if self.kind else _payload(self, signed=True)

    @property
    def network(self) -> bytes:
        """How the transaction travels alone: `raw`, and with its side-car where it has one (EIP-4844, Networking)."""
        if self.sidecar is None:
            return self.raw
        return bytes((self.kind,)) + rlp.encode([_payload(self, signed=True), *self.sidecar.items()])


def signing_digest(tx: EthereumTransaction) -> bytes:
    """What the sender signs (EIP-155 for legacy transactions with a chain id)."""
    body = rlp.encode(_payload(tx, signed=False))
    return keccak256(bytes((tx.kind,)) + body if tx.kind else body)


def sign(tx: EthereumTransaction, key: bytes) -> EthereumTransaction:
    """The transaction, signed with a private key."""
    r, s, parity = _sign(key, signing_digest(tx))
    v = parity
    if tx.kind == LEGACY:
        v = parity + (27 if tx.chain_id is None else 35 + 2 * tx.chain_id)
    return replace(tx, v=v, r=r, s=s)


def impersonated(tx: EthereumTransaction, sender: bytes) -> EthereumTransaction:
    """The transaction as if `sender` had signed it; lawful only where a chain allows dev edits."""
    twin = replace(tx)
    object.__setattr__(twin, "_sender", sender)
    return twin


def decode_transaction(data: bytes) -> EthereumTransaction:
    """Read the canonical bytes. Raises DecodeError."""
    if data and data[0] >= 0xC0:
        tx = _from_payload(LEGACY, rlp.decode(data))
    elif not data or data[0] not in _FIELDS:
        raise DecodeError("transaction type not supported")
    else:
        tx = _from_payload(data[0], rlp.decode(data[1:]))
    object.__setattr__(tx, "_raw", data)
    return tx


def transaction_from_item(item: Item) -> EthereumTransaction:
    """Read a transaction as it lies in a block: a list if legacy, else a string. Raises DecodeError."""
    if isinstance(item, bytes):
        if item and item[0] >= 0xC0:
            raise DecodeError("legacy transaction wrapped in a string")
        return decode_transaction(item)
    return _from_payload(LEGACY, item)


def decode_network_transaction(data: bytes) -> EthereumTransaction:
    """Read a transaction that travels alone, a blob transaction with or without its side-car. Raises DecodeError."""
    if not data or data[0] != BLOB:
        return decode_transaction(data)
    items = as_list(rlp.decode(data[1:]))
    if not items or isinstance(items[0], bytes):
        return decode_transaction(data)
    if len(items) not in (4, 5):
        raise DecodeError(f"blob transaction with {len(items)} parts")
    version = as_number(items[1], 8, "side-car version") if len(items) == 5 else 0
    blobs, commitments, proofs = (tuple(as_bytes(x) for x in as_list(part)) for part in items[-3:])
    if len(items) == 5 and version != 1:
        raise DecodeError(f"side-car version {version}")
    return replace(_from_payload(BLOB, items[0]), sidecar=BlobSidecar(blobs, commitments, proofs, version))


def versioned_hash(commitment: bytes) -> bytes:
    """How a blob transaction names a KZG commitment (EIP-4844)."""
    return b"\x01" + sha256(commitment).digest()[1:]


def account_of(public: bytes) -> bytes:
    """The address of a public key in its whole form (65 bytes)."""
    return keccak256(public[1:])[12:]


def _sign(key: bytes, digest: bytes) -> tuple[int, int, int]:
    compact, parity = secp256k1.sign_recoverable(key, digest)
    return int.from_bytes(compact[:32], "big"), int.from_bytes(compact[32:], "big"), parity


def _recover(digest: bytes, parity: int, r: int, s: int) -> bytes | None:
    public = secp256k1.recover(r.to_bytes(32, "big") + s.to_bytes(32, "big"), parity, digest)
    return None if public is None else account_of(public)


def _access_list_item(access_list: AccessList) -> Item:
    return [[address, list(keys)] for address, keys in access_list]


def _payload(tx: EthereumTransaction, signed: bool) -> list[Item]:
    to = tx.to if tx.to is not None else b""
    seal: list[Item] = [number(tx.v), number(tx.r), number(tx.s)] if signed else []
    if tx.kind == LEGACY:
        if not signed and tx.chain_id is not None:
            seal = [number(tx.chain_id), b"", b""]
        return [number(tx.nonce), number(tx.fee_cap), number(tx.gas_limit), to, number(tx.value), tx.data, *seal]
    assert tx.chain_id is not None
    fees = [number(tx.fee_cap)] if tx.kind == ACCESS_LIST else [number(tx.tip_cap), number(tx.fee_cap)]
    body: list[Item] = [number(tx.chain_id), number(tx.nonce), *fees, number(tx.gas_limit), to, number(tx.value)]
    body += [tx.data, _access_list_item(tx.access_list)]
    if tx.kind == BLOB:
        body += [number(tx.blob_fee_cap), list(tx.blob_hashes)]
    elif tx.kind == SET_CODE:
        body.append([_authorization_item(a) for a in tx.authorizations])
    return body + seal


def _authorization_item(a: Authorization) -> Item:
    return [number(a.chain_id), a.address, number(a.nonce), number(a.y_parity), number(a.r), number(a.s)]


def _authorization(item: Item) -> Authorization:
    chain_id, address, nonce, parity, r, s = as_list(item, 6, "authorization")
    return Authorization(
        as_number(chain_id),
        as_bytes(address, ADDRESS),
        as_number(nonce, 64),
        as_number(parity, 8),
        as_number(r),
        as_number(s),
    )


def _access_list(item: Item) -> AccessList:
    entries = []
    for entry in as_list(item, name="access list"):
        address, keys = as_list(entry, 2, "access list entry")
        entries.append((as_bytes(address, ADDRESS), tuple(as_bytes(k, HASH, "storage key") for k in as_list(keys))))
    return tuple(entries)


def _from_payload(kind: int, payload: Item) -> EthereumTransaction:
    if kind == LEGACY:
        return _legacy(as_list(payload, 9, "transaction"))
    f: Sequence[Item] = as_list(payload, _FIELDS[kind], "transaction")
    chain_id, nonce = as_number(f[0], name="chain id"), as_number(f[1], 64, "nonce")
    tip_cap = as_number(f[2], name="fee")
    i = 3
    fee_cap = tip_cap
    if kind != ACCESS_LIST:
        fee_cap = as_number(f[3], name="fee")
        i = 4
    gas_limit, to, value = as_number(f[i], 64, "gas limit"), as_recipient(f[i + 1]), as_number(f[i + 2], name="value")
    data, access_list = as_bytes(f[i + 3], name="data"), _access_list(f[i + 4])
    blob_fee_cap = 0
    blob_hashes: tuple[bytes, ...] = ()
    authorizations: tuple[Authorization, ...] = ()
    if kind in (BLOB, SET_CODE) and to is None:
        raise DecodeError("transaction of this type must have a recipient")
    if kind == BLOB:
        blob_fee_cap = as_number(f[i + 5], name="blob fee")
        blob_hashes = tuple(as_bytes(h, HASH, "blob hash") for h in as_list(f[i + 6]))
    elif kind == SET_CODE:
        authorizations = tuple(_authorization(a) for a in as_list(f[i + 5]))
    v, r, s = as_number(f[-3], 8, "v"), as_number(f[-2], name="r"), as_number(f[-1], name="s")
    return EthereumTransaction(
        kind, chain_id, nonce, tip_cap, fee_cap, gas_limit, to, value, data, v, r, s,
        access_list, blob_fee_cap, blob_hashes, authorizations,
    )  # fmt: skip


def _legacy(f: Sequence[Item]) -> EthereumTransaction:
    v = as_number(f[6], name="v")
    price = as_number(f[1], name="gas price")
    return EthereumTransaction(
        LEGACY, (v - 35) >> 1 if v >= 35 else None, as_number(f[0], 64, "nonce"), price, price,
        as_number(f[2], 64, "gas limit"), as_recipient(f[3]), as_number(f[4], name="value"), as_bytes(f[5]),
        v, as_number(f[7], name="r"), as_number(f[8], name="s"),
    )  # fmt: skip
