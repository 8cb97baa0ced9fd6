"""The util group: addresses, descriptors, multisigs, message signatures, fee estimates, the state of the indices."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from node.filters import FilterIndex
from node.indexes import TransactionIndex, enabled
from node.node import Snapshot
from node.rpc import message_signatures
from node.rpc.address_faults import address_fault
from node.rpc.api import Memory
from node.rpc.descriptor_use import inferred, parse_all, parse_range
from node.rpc.errors import INVALID_ADDRESS_OR_KEY, INVALID_PARAMETER, TYPE_ERROR, RpcError
from node.rpc.fee_estimates import FALLBACK, estimate
from node.rpc.params import coins, is_hex, shown
from node.rpc.registry import rpc
from primitives import address as addresses
from primitives import secp256k1
from primitives.errors import DecodeError
from vm.script.templates import Kind, classify
from wallet import checksum
from wallet.descriptor_keys import Key
from wallet.descriptors import Descriptor

MAX_TARGET = 1_008
MAX_KEYS = 20
MAX_REDEEM_SCRIPT = 520
INDEXES = {"txindex": TransactionIndex().name, "basic block filter index": FilterIndex().name}
MODES = ("unset", "economical", "conservative")


# -- addresses -------------------------------------------------------------------------------------------------------


@rpc("validateaddress", family="bitcoin", group="util")
def validate_address(at: Snapshot, address: str) -> dict[str, Any]:
    """Whether a text is an address of this chain, which script it stands for, or what is wrong with it."""
    style = at.spec.addresses
    try:
        script = addresses.decode(address, style)
    except DecodeError:
        message, places = address_fault(address, style)
        return {"isvalid": False, "error_locations": places, "error": message}
    shown = addresses.encode(script, style)
    return {"isvalid": True, "address": shown, "scriptPubKey": script.hex(), **describe_script(script)}


def describe_script(script: bytes) -> dict[str, Any]:
    """What kind of address a script has (Bitcoin Core, DescribeAddress)."""
    found = classify(script)
    if found.kind is Kind.ANCHOR:
        return {"isscript": True, "iswitness": True}
    program = addresses.witness_program(script)
    if program is None:
        return {"isscript": found.kind is Kind.SCRIPTHASH, "iswitness": False}
    row: dict[str, Any] = {}
    if program[0] == 0 or found.kind is Kind.WITNESS_V1_TAPROOT:
        row["isscript"] = len(program[1]) == 32
    return {**row, "iswitness": True, "witness_version": program[0], "witness_program": program[1].hex()}


@rpc("createmultisig", family="bitcoin", group="util")
def create_multisig(at: Snapshot, nrequired: int, keys: list[str], address_type: str = "legacy") -> dict[str, Any]:
    """The address, script and descriptor that want `nrequired` signatures of these public keys (legacy, p2sh-segwit or bech32)."""
    publics = [_public_key(text) for text in keys]
    if address_type not in ("legacy", "p2sh-segwit", "bech32", "bech32m"):
        raise RpcError(INVALID_ADDRESS_OR_KEY, f"Unknown address type '{shown(address_type)}'")
    if address_type == "bech32m":
        raise RpcError(INVALID_ADDRESS_OR_KEY, "createmultisig cannot create bech32m multisig addresses")
    if nrequired < 1:
        raise RpcError(INVALID_PARAMETER, "a multisignature address must require at least one key to redeem")
    if len(publics) < nrequired:
        raise RpcError(
            INVALID_PARAMETER,
            f"not enough keys supplied (got {len(publics)} keys, but need at least {nrequired} to redeem)",
        )
    if len(publics) > MAX_KEYS:
        raise RpcError(
            INVALID_PARAMETER,
            "Number of keys involved in the multisignature address creation > 20\nReduce the number",
        )
    kind = address_type if all(len(key) == 33 for key in publics) else "legacy"
    inner = Descriptor("multi", tuple(Key(key) for key in publics), nrequired)
    inside = inner.expand()[0].script
    if kind != "bech32" and kind != "p2sh-segwit" and len(inside) > MAX_REDEEM_SCRIPT:
        raise RpcError(INVALID_PARAMETER, f"redeemScript exceeds size limit: {len(inside)} > {MAX_REDEEM_SCRIPT}")
    whole = Descriptor("sh" if kind == "legacy" else "wsh", inner=inner)
    if kind == "p2sh-segwit":
        whole = Descriptor("sh", inner=whole)
    script = whole.expand()[0].script
    style = at.spec.addresses
    result: dict[str, Any] = {
        "address": addresses.encode(script, style),
        "redeemScript": inside.hex(),
        "descriptor": inferred(whole, 0, 0, script, style),
    }
    if kind != address_type:
        result["warnings"] = [
            "Unable to make chosen address type, please ensure no uncompressed public keys are present."
        ]
    return result


def _public_key(text: str) -> bytes:
    quoted = shown(text)
    if not is_hex(text):
        raise RpcError(INVALID_ADDRESS_OR_KEY, f'Pubkey "{quoted}" must be a hex string')
    if len(text) not in (66, 130):
        wrong = f'Pubkey "{quoted}" must have a length of either 33 or 65 bytes'
        raise RpcError(INVALID_ADDRESS_OR_KEY, wrong)
    key = bytes.fromhex(text)
    if not secp256k1.is_public(key):
        raise RpcError(INVALID_ADDRESS_OR_KEY, f'Pubkey "{quoted}" must be cryptographically valid.')
    return key


# -- descriptors -----------------------------------------------------------------------------------------------------


@rpc("getdescriptorinfo", family="bitcoin", group="util")
def get_descriptor_info(at: Snapshot, descriptor: str) -> dict[str, Any]:
    """A descriptor in its public form with its checksum, the checksum of the text as it was given, and what it can do."""
    style = at.spec.addresses
    found = parse_all(descriptor, style)
    public = [one.public_form().text(style) for one in found]
    result: dict[str, Any] = {"descriptor": public[0]}
    if len(found) > 1:
        result["multipath_expansion"] = public
    return result | {
        "checksum": checksum.checksum(descriptor.partition("#")[0]),
        "isrange": found[0].is_range,
        "issolvable": found[0].is_solvable,
        "hasprivatekeys": any(one.has_private for one in found),
    }


@rpc("deriveaddresses", family="bitcoin", group="util", cost="heavy")
def derive_addresses(at: Snapshot, descriptor: str, range_: Any = None) -> list[Any]:
    """The addresses of a descriptor (with its checksum), of a ranged one from [begin,end]; of a multipath one list each."""
    style = at.spec.addresses
    low, high = (0, 0) if range_ is None else parse_range(range_)
    found = parse_all(descriptor, style, checksum_required=True)
    if not found[0].is_range and range_ is not None:
        raise RpcError(INVALID_PARAMETER, "Range should not be specified for an un-ranged descriptor")
    if found[0].is_range and range_ is None:
        raise RpcError(INVALID_PARAMETER, "Range must be specified for a ranged descriptor")
    rows = [_addresses(one, low, high, style) for one in found]
    return rows[0] if len(rows) == 1 else rows


def _addresses(found: Descriptor, low: int, high: int, style: addresses.AddressStyle) -> list[str]:
    rows = []
    for index in range(low, high + 1):
        try:
            scripts = [e.script for e in found.expand(index)]
        except DecodeError:
            raise RpcError(INVALID_ADDRESS_OR_KEY, "Cannot derive script without private keys") from None
        for script in scripts:
            address = addresses.encode(script, style)
            if address is None:
                if len(scripts) > 1 and classify(script).kind is Kind.PUBKEY:
                    continue
                raise RpcError(INVALID_ADDRESS_OR_KEY, "Descriptor does not have a corresponding address")
            rows.append(address)
    return rows


# -- messages --------------------------------------------------------------------------------------------------------


@rpc("verifymessage", family="bitcoin", group="util")
def verify_message(at: Snapshot, address: str, signature: str, message: str) -> bool:
    """Whether the key of an address signed a message."""
    try:
        script = addresses.decode(address, at.spec.addresses)
    except DecodeError:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Invalid address") from None
    found = classify(script)
    if found.kind is not Kind.PUBKEYHASH:
        raise RpcError(TYPE_ERROR, "Address does not refer to key")
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise RpcError(TYPE_ERROR, "Malformed base64 encoding") from None
    return message_signatures.signer(raw, message.encode()) == found.items[0]


@rpc("signmessagewithprivkey", family="bitcoin", group="util")
def sign_message_with_privkey(at: Snapshot, privkey: str, message: str) -> str:
    """Sign a message with a private key."""
    try:
        secret, compressed = addresses.wif_decode(privkey, at.spec.addresses)
    except DecodeError:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Invalid private key") from None
    return base64.b64encode(message_signatures.sign(secret, compressed, message.encode())).decode()


# -- fees ------------------------------------------------------------------------------------------------------------


def _target(conf_target: int) -> int:
    if not 1 <= conf_target <= MAX_TARGET:
        raise RpcError(INVALID_PARAMETER, f"Invalid conf_target, must be between 1 and {MAX_TARGET}")
    return max(2, conf_target)


@rpc("estimatesmartfee", family="bitcoin", group="util", cost="heavy")
def estimate_smart_fee(
    at: Snapshot, memory: Memory, conf_target: int, estimate_mode: str = "economical"
) -> dict[str, Any]:
    """The fee rate, in coins per 1,000 virtual bytes, that gets a transaction into one of the next `conf_target` blocks.

    It is read off recent blocks. On a local network there always is an answer.
    """
    target = _target(conf_target)
    mode = estimate_mode.lower()
    if mode not in MODES:
        names = '", "'.join(MODES)
        raise RpcError(INVALID_PARAMETER, f'Invalid estimate_mode parameter, must be one of: "{names}"')
    found = estimate(at, memory, target, mode == "conservative")
    if at.spec.network.local:
        found = max(found or 0, FALLBACK)
    if found is None:
        return {"errors": ["Insufficient data or no feerate found"], "blocks": target}
    least = getattr(at.spec.ledger.policy, "min_relay_rate", 0)
    return {"feerate": coins(max(found, least, at.node.pool.min_rate(at.now))), "blocks": target}


@rpc("estimaterawfee", family="bitcoin", group="hidden", cost="heavy")
def estimate_raw_fee(at: Snapshot, memory: Memory, conf_target: int, threshold: float = 0.95) -> dict[str, Any]:
    """The estimate behind estimatesmartfee, from recent blocks alone and without a fallback."""
    target = _target(conf_target)
    if not 0 <= threshold <= 1:
        raise RpcError(INVALID_PARAMETER, "Invalid threshold")
    found = estimate(at, memory, target, threshold > 0.9)
    if found is None:
        return {"short": {"errors": ["Insufficient data or no feerate found which meets threshold"]}}
    return {"short": {"feerate": coins(found), "decay": 1.0, "scale": 1}}


# -- indices ---------------------------------------------------------------------------------------------------------


@rpc("getindexinfo", family="bitcoin", group="util")
def get_index_info(at: Snapshot, index_name: str = "") -> dict[str, Any]:
    """The optional indices that are kept, or the one named."""
    return {
        name: {"synced": True, "best_block_height": at.tip.height}
        for name, own in INDEXES.items()
        if enabled(at.state, own) and index_name in ("", name)
    }
