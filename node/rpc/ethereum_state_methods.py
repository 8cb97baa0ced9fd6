"""Methods that read accounts at a block, and carry out calls on them."""

from __future__ import annotations

from typing import Annotated, Any

from ledger.account.state import NEW
from node.node import Snapshot
from node.rpc.errors import INVALID_PARAMS, RpcError
from node.rpc.ethereum_allowance import Allowance
from node.rpc.ethereum_call_params import BlockOverrideParam, CallParam, OverridesParam
from node.rpc.ethereum_calls import access_list_of, estimate, returned, run_call, scene_at
from node.rpc.ethereum_json import Json, access_list_json, hexed
from node.rpc.ethereum_lookup import state_at
from node.rpc.ethereum_params import LATEST, Address, Block, Word, address, word, wrong
from node.rpc.ethereum_simulate import PlanParam, Simulation
from node.rpc.registry import rpc

MOST_SLOTS = 1_024


@rpc("eth_getBalance", "ethereum", "eth")
def balance(at: Snapshot, address: Address, block: Block = LATEST) -> str:
    """Wei of an account."""
    return hex(state_at(at, block).balance(address))


@rpc("eth_getTransactionCount", "ethereum", "eth")
def transaction_count(at: Snapshot, address: Address, block: Block = LATEST) -> str:
    """The next nonce of an account; under `pending` the one after its pooled transactions."""
    nonce = state_at(at, block).nonce(address)
    if block.tag == "pending":
        givers = at.node.pool.givers
        while address + nonce.to_bytes(8, "big") in givers:
            nonce += 1
    return hex(nonce)


@rpc("eth_getCode", "ethereum", "eth")
def code(at: Snapshot, address: Address, block: Block = LATEST) -> str:
    """Code of a contract, or the delegation of an account (EIP-7702)."""
    return hexed(state_at(at, block).code(address))


def _value(number: int) -> str:
    return f"0x{number:064x}"


@rpc("eth_getStorageAt", "ethereum", "eth")
def storage_at(at: Snapshot, address: Address, slot: Word, block: Block = LATEST) -> str:
    """Value of a slot of a contract's storage, 32 bytes."""
    return _value(state_at(at, block).storage(address, slot))


def storage_request(value: Any, name: str) -> dict[bytes, list[int]]:
    """Slots by address."""
    if not isinstance(value, dict):
        raise wrong(f"{name} must be an object")
    found = {}
    for key, slots in value.items():
        if not isinstance(slots, list):
            raise wrong(f"{name} must hold arrays of slots")
        found[address(key)] = [word(s, "slot") for s in slots]
    return found


@rpc("eth_getStorageValues", "ethereum", "eth")
def storage_values(
    at: Snapshot, request: Annotated[dict[bytes, list[int]], storage_request], block: Block = LATEST
) -> dict[str, list[str]]:
    """Values of several slots of several contracts."""
    if not request:
        raise RpcError(INVALID_PARAMS, "empty request")
    if sum(map(len, request.values())) > MOST_SLOTS:
        raise RpcError(INVALID_PARAMS, f"too many slots (max {MOST_SLOTS})")
    state = state_at(at, block)
    return {hexed(a): [_value(state.storage(a, s)) for s in slots] for a, slots in request.items()}


def _slot_keys(value: Any, name: str) -> list[tuple[int, str]]:
    """Slots with the form in which the answer repeats them: short ones as numbers, whole words as words."""
    if not isinstance(value, list):
        raise wrong(f"{name} must be an array")
    if len(value) > MOST_SLOTS:
        raise wrong(f"too many keys (max {MOST_SLOTS})")
    found = []
    for key in value:
        slot = word(key, name)
        whole = isinstance(key, str) and len(key.removeprefix("0x")) == 64
        found.append((slot, _value(slot) if whole else hex(slot)))
    return found


@rpc("eth_getProof", "ethereum", "eth")
def proof(
    at: Snapshot, address: Address, keys: Annotated[list[tuple[int, str]], _slot_keys], block: Block = LATEST
) -> Json:
    """An account and slots of its storage with Merkle proofs of them (EIP-1186)."""
    state = state_at(at, block)
    account = state.account(address) or NEW
    account_proof, storage_proofs = state.prove(address, [slot for slot, _ in keys])
    return {
        "address": hexed(address),
        "accountProof": [hexed(node) for node in account_proof],
        "balance": hex(account.balance),
        "codeHash": hexed(account.code_hash),
        "nonce": hex(account.nonce),
        "storageHash": hexed(account.storage_root),
        "storageProof": [
            {"key": shown, "value": hex(state.storage(address, slot)), "proof": [hexed(n) for n in nodes]}
            for (slot, shown), nodes in zip(keys, storage_proofs, strict=True)
        ],
    }


@rpc("eth_getAccount", "ethereum", "eth", aliases=("eth_getAccountInfo",))
def account_info(at: Snapshot, address: Address, block: Block = LATEST) -> Json:
    """Balance, nonce, code, code hash and storage root of an account."""
    state = state_at(at, block)
    account = state.account(address) or NEW
    return {
        "balance": hex(account.balance),
        "nonce": hex(account.nonce),
        "code": hexed(state.code(address)),
        "codeHash": hexed(account.code_hash),
        "storageRoot": hexed(account.storage_root),
    }


@rpc("eth_call", "ethereum", "eth", cost="job")
def call(
    at: Snapshot,
    allowance: Allowance,
    transaction: CallParam,
    block: Block = LATEST,
    overrides: OverridesParam | None = None,
    blockOverrides: BlockOverrideParam | None = None,
) -> str:
    """What a call returns, on the state of a block and without changing it. A revert is error 3 with the raw data."""
    return hexed(returned(run_call(transaction, scene_at(at, block, overrides, blockOverrides, allowance)).result))


@rpc("eth_estimateGas", "ethereum", "eth", cost="job")
def estimate_gas(
    at: Snapshot,
    allowance: Allowance,
    transaction: CallParam,
    block: Block = LATEST,
    overrides: OverridesParam | None = None,
    blockOverrides: BlockOverrideParam | None = None,
) -> str:
    """Gas with which a transaction goes through, found by trying."""
    return hex(estimate(transaction, scene_at(at, block, overrides, blockOverrides, allowance)))


@rpc("eth_createAccessList", "ethereum", "eth", cost="job")
def create_access_list(
    at: Snapshot,
    allowance: Allowance,
    transaction: CallParam,
    block: Block = LATEST,
    overrides: OverridesParam | None = None,
) -> Json:
    """The access list (EIP-2930) with which a call touches nothing cold, and the gas that it takes then."""
    found, gas, error = access_list_of(transaction, scene_at(at, block, overrides, stop=allowance))
    answer: Json = {"accessList": access_list_json(found), "gasUsed": hex(gas)}
    if error is not None:
        answer["error"] = error
    return answer


@rpc("eth_simulateV1", "ethereum", "eth", cost="job")
def simulate(at: Snapshot, allowance: Allowance, plan: PlanParam, block: Block = LATEST) -> list[Json]:
    """Blocks of calls on top of a block, with overrides; nothing is kept."""
    return Simulation(at, block, plan, allowance).run()
