"""Transaction and call objects, and the overrides of calls, from JSON. Knows no chain and fills nothing in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from node.rpc.ethereum_params import address, data, digest, fixed, quantity, word, wrong
from primitives.ethereum_tx import AccessList, Authorization


@dataclass(frozen=True, slots=True)
class CallObject:
    """What a client says of a call or a transaction; None is what it leaves open."""

    sender: bytes | None = None
    to: bytes | None = None
    gas: int | None = None
    gas_price: int | None = None
    fee_cap: int | None = None
    tip_cap: int | None = None
    value: int | None = None
    nonce: int | None = None
    data: bytes = b""
    chain_id: int | None = None
    access_list: AccessList | None = None
    blob_fee_cap: int | None = None
    blob_hashes: tuple[bytes, ...] | None = None
    authorizations: tuple[Authorization, ...] | None = None
    kind: int | None = None


def call_object(value: Any, name: str = "transaction") -> CallObject:
    """Read the object. Raises RpcError(-32602)."""
    if not isinstance(value, Mapping):
        raise wrong(f"{name} must be an object")
    get = value.get
    given = get("data"), get("input")
    if given[0] is not None and given[1] is not None and data(given[0]) != data(given[1]):
        raise wrong('both "data" and "input" are set and not equal. Please use "input" to pass transaction call data')
    payload = given[1] if given[1] is not None else given[0]
    fields = {k: _optional(get(key), read, key) for k, key, read in _FIELDS}
    if fields["gas_price"] is not None and (fields["fee_cap"] is not None or fields["tip_cap"] is not None):
        raise wrong("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    to = get("to")
    return CallObject(
        to=None if to in (None, "", "0x") else address(to, "to"),
        data=b"" if payload is None else data(payload, "input"),
        **fields,
    )


def _optional(value: Any, read: Any, name: str) -> Any:
    return None if value is None else read(value, name)


def _uint64(value: Any, name: str) -> int:
    return quantity(value, name, 64)


def access_list(value: Any, name: str = "accessList") -> AccessList:
    """An access list (EIP-2930)."""
    if not isinstance(value, list) or len(value) > 10_000:
        raise wrong(f"{name} must be an array")
    found = []
    for entry in value:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("storageKeys", []), list | None):
            raise wrong(f"{name} must hold objects with address and storageKeys")
        keys = tuple(word(k, "storageKeys").to_bytes(32, "big") for k in entry.get("storageKeys") or ())
        found.append((address(entry.get("address"), "address"), keys))
    return tuple(found)


def _hashes(value: Any, name: str) -> tuple[bytes, ...]:
    if not isinstance(value, list):
        raise wrong(f"{name} must be an array")
    return tuple(digest(h, name) for h in value)


def authorizations(value: Any, name: str = "authorizationList") -> tuple[Authorization, ...]:
    """An authorization list (EIP-7702)."""
    if not isinstance(value, list):
        raise wrong(f"{name} must be an array")
    found = []
    for a in value:
        if not isinstance(a, Mapping):
            raise wrong(f"{name} must hold objects")
        parity = a.get("yParity", a.get("v"))
        found.append(
            Authorization(
                quantity(a.get("chainId"), "chainId"), address(a.get("address")), _uint64(a.get("nonce"), "nonce"),
                quantity(parity, "yParity", 8), quantity(a.get("r"), "r"), quantity(a.get("s"), "s"),
            )
        )  # fmt: skip
    return tuple(found)


def _kind(value: Any, name: str) -> int:
    return quantity(value, name, 7)


_FIELDS = (
    ("sender", "from", address),
    ("gas", "gas", _uint64),
    ("gas_price", "gasPrice", quantity),
    ("fee_cap", "maxFeePerGas", quantity),
    ("tip_cap", "maxPriorityFeePerGas", quantity),
    ("value", "value", quantity),
    ("nonce", "nonce", _uint64),
    ("chain_id", "chainId", quantity),
    ("access_list", "accessList", access_list),
    ("blob_fee_cap", "maxFeePerBlobGas", quantity),
    ("blob_hashes", "blobVersionedHashes", _hashes),
    ("authorizations", "authorizationList", authorizations),
    ("kind", "type", _kind),
)


@dataclass(frozen=True, slots=True)
class AccountOverride:
    """What a call pretends of an account."""

    nonce: int | None = None
    code: bytes | None = None
    balance: int | None = None
    state: Mapping[int, int] | None = None
    """The whole storage."""
    state_diff: Mapping[int, int] | None = None
    """Single slots."""
    move_precompile_to: bytes | None = None


Overrides = Mapping[bytes, AccountOverride]


def _slots(value: Any, name: str) -> Mapping[int, int]:
    if not isinstance(value, Mapping):
        raise wrong(f"{name} must be an object")
    return {
        int.from_bytes(fixed(k, 32, "storage key"), "big"): int.from_bytes(fixed(v, 32, "storage value"), "big")
        for k, v in value.items()
    }


def overrides(value: Any, name: str = "state overrides") -> Overrides:
    """Accounts by address, each with what is pretended of it."""
    if not isinstance(value, Mapping):
        raise wrong(f"{name} must be an object")
    found = {}
    for key, fields in value.items():
        if not isinstance(fields, Mapping):
            raise wrong(f"{name} must hold objects")
        get = fields.get
        if get("state") is not None and get("stateDiff") is not None:
            raise wrong(f"account {key} has both 'state' and 'stateDiff'")
        found[address(key)] = AccountOverride(
            _optional(get("nonce"), _uint64, "nonce"),
            _optional(get("code"), data, "code"),
            _optional(get("balance"), quantity, "balance"),
            _optional(get("state"), _slots, "state"),
            _optional(get("stateDiff"), _slots, "stateDiff"),
            _optional(get("movePrecompileToAddress"), address, "movePrecompileToAddress"),
        )
    return found


@dataclass(frozen=True, slots=True)
class BlockOverride:
    """What a call pretends of its block."""

    number: int | None = None
    time: int | None = None
    gas_limit: int | None = None
    coinbase: bytes | None = None
    randao: bytes | None = None
    base_fee: int | None = None
    blob_base_fee: int | None = None
    difficulty: int | None = None
    beacon_root: bytes | None = None
    withdrawals: tuple[Any, ...] | None = None
    hashes: Mapping[int, bytes] = field(default_factory=dict)


def block_override(value: Any, name: str = "block overrides") -> BlockOverride:
    """Read the object; both of geth's and Anvil's names of fields are known."""
    if not isinstance(value, Mapping):
        raise wrong(f"{name} must be an object")

    def first(*keys: str) -> Any:
        return next((value[k] for k in keys if value.get(k) is not None), None)

    return BlockOverride(
        _optional(first("number"), quantity, "number"),
        _optional(first("time", "timestamp"), _uint64, "time"),
        _optional(first("gasLimit"), _uint64, "gasLimit"),
        _optional(first("feeRecipient", "coinbase"), address, "feeRecipient"),
        _optional(first("prevRandao", "random"), digest, "prevRandao"),
        _optional(first("baseFeePerGas", "baseFee"), quantity, "baseFeePerGas"),
        _optional(first("blobBaseFee"), quantity, "blobBaseFee"),
        _optional(first("difficulty"), quantity, "difficulty"),
        _optional(first("beaconRoot", "parentBeaconBlockRoot"), digest, "beaconRoot"),
    )


CallParam = Annotated[CallObject, call_object]
OverridesParam = Annotated[Overrides, overrides]
BlockOverrideParam = Annotated[BlockOverride, block_override]
