"""Partially signed transactions as Core's JSON shows them: decoded field by field, and analysed. Pure: data in, plain values out.

Sources: Bitcoin Core, rpc/rawtransaction.cpp (decodepsbt, analyzepsbt); BIP174, 370, 371, 373.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from node.rpc.bitcoin_json import script_json, tx_json
from node.rpc.params import coins, display_hex
from primitives.address import AddressStyle
from primitives.buffer import Reader
from primitives.errors import DecodeError
from vm.script.asm import to_asm
from vm.script.templates import classify
from wallet import hd
from wallet import psbt_fields as f
from wallet.descriptor_keys import Origin
from wallet.psbt import Psbt, PsbtInput, PsbtOutput, TapOrigins, Unknown
from wallet.psbt_roles import Analysis, InputState
from wallet.signing import InputData

_HASH_TYPES = {
    0x00: "DEFAULT",
    0x01: "ALL",
    0x02: "NONE",
    0x03: "SINGLE",
    0x81: "ALL|ANYONECANPAY",
    0x82: "NONE|ANYONECANPAY",
    0x83: "SINGLE|ANYONECANPAY",
}
_PREIMAGES = {
    f.IN_RIPEMD160: "ripemd160_preimages",
    f.IN_SHA256: "sha256_preimages",
    f.IN_HASH160: "hash160_preimages",
    f.IN_HASH256: "hash256_preimages",
}
_COMPRESSED = 33


def psbt_json(psbt: Psbt, style: AddressStyle) -> dict[str, Any]:
    """A PSBT as `decodepsbt` shows it; one of version 2 also with what that version alone has. Raises DecodeError."""
    result: dict[str, Any] = {"tx": tx_json(psbt.tx, style, with_hex=False)}
    result["global_xpubs"] = [
        {
            "xpub": _xpub(key, style),
            "master_fingerprint": origin.fingerprint.hex(),
            "path": _path(origin),
        }
        for key, origin in psbt.xpubs.items()
    ]
    result["psbt_version"] = psbt.version
    if psbt.version >= 2:
        result["tx_version"] = psbt.tx_version
        if psbt.lock_time is not None:
            result["fallback_locktime"] = psbt.lock_time
        result["input_count"], result["output_count"] = len(psbt.inputs), len(psbt.outputs)
        if psbt.modifiable is not None:
            result["inputs_modifiable"] = bool(psbt.modifiable & 1)
            result["outputs_modifiable"] = bool(psbt.modifiable & 2)
            result["has_sighash_single"] = bool(psbt.modifiable & 4)
    result["proprietary"] = _proprietary(psbt.unknown)
    result["unknown"] = _unknown(psbt.unknown)
    result["inputs"] = [_input(i, psbt.version, style) for i in psbt.inputs]
    result["outputs"] = [_output(o, psbt.version, style) for o in psbt.outputs]
    fee = psbt.fee()
    if fee is not None:
        result["fee"] = coins(fee)
    return result


def _path(origin: Origin) -> str:
    return "m" + hd.format_path(origin.path, "h")


def _xpub(key: bytes, style: AddressStyle) -> str:
    node = hd.ExtendedPublic(key[45:], key[13:45], key[4], key[5:9], int.from_bytes(key[9:13], "big"))
    return node.encode(style.bip32_public)


def _derivations(origins: dict[bytes, Origin]) -> list[dict[str, Any]]:
    return [
        {"pubkey": key.hex(), "master_fingerprint": origin.fingerprint.hex(), "path": _path(origin)}
        for key, origin in sorted(origins.items())
    ]


def _tap_derivations(origins: TapOrigins) -> list[dict[str, Any]]:
    return [
        {
            "pubkey": key.hex(),
            "master_fingerprint": origin.fingerprint.hex(),
            "path": _path(origin),
            "leaf_hashes": [leaf.hex() for leaf in leaves],
        }
        for key, (leaves, origin) in sorted(origins.items())
    ]


def _key_hex(kind: int, key: bytes) -> str:
    return (bytes([kind]) + key).hex() if kind < 0xFD else (b"\xfd" + kind.to_bytes(2, "little") + key).hex()


def _unknown(fields: Unknown) -> dict[str, str]:
    return {_key_hex(kind, key): value.hex() for (kind, key), value in fields.items() if kind != f.PROPRIETARY}


def _proprietary(fields: Unknown) -> list[dict[str, Any]]:
    """Proprietary fields taken apart; one whose key is not of that form is left whole."""
    found = []
    for (kind, key), value in sorted(fields.items()):
        if kind != f.PROPRIETARY:
            continue
        r = Reader(key)
        try:
            identifier, subtype, rest = r.var_bytes(), r.compact(), key[r.pos :]
        except DecodeError:
            identifier, subtype, rest = b"", 0, key
        found.append({"identifier": identifier.hex(), "subtype": subtype, "key": rest.hex(), "value": value.hex()})
    return found


def _script(script: bytes) -> dict[str, Any]:
    return {"asm": to_asm(script), "hex": script.hex(), "type": classify(script).kind.value}


def _scripts(redeem: bytes, witness: bytes) -> dict[str, Any]:
    return {name: _script(s) for name, s in (("redeem_script", redeem), ("witness_script", witness)) if s}


def _rest(fields: Unknown) -> dict[str, Any]:
    result: dict[str, Any] = {}
    proprietary, unknown = _proprietary(fields), _unknown(fields)
    if proprietary:
        result["proprietary"] = proprietary
    if unknown:
        result["unknown"] = unknown
    return result


def _input(i: PsbtInput, version: int, style: AddressStyle) -> dict[str, Any]:
    data = i.data
    result: dict[str, Any] = {}
    if version >= 2:
        result["previous_txid"] = display_hex(i.point[:32])
        result["previous_vout"] = int.from_bytes(i.point[32:], "little")
        result["sequence"] = i.sequence
        if i.least_time is not None:
            result["time_locktime"] = i.least_time
        if i.least_height is not None:
            result["height_locktime"] = i.least_height
    if i.witness_utxo is not None:
        out = i.witness_utxo
        result["witness_utxo"] = {"amount": coins(out.value), "scriptPubKey": script_json(out.script, style)}
    if i.previous is not None:
        result["non_witness_utxo"] = tx_json(i.previous, style, with_hex=False)
    if data.signatures:
        result["partial_signatures"] = {key.hex(): signature.hex() for key, signature in data.signatures.items()}
    if data.hash_type is not None:
        result["sighash"] = _HASH_TYPES.get(data.hash_type, "")
    result |= _scripts(data.redeem, data.witness_script)
    if i.origins:
        result["bip32_derivs"] = _derivations(i.origins)
    if data.final_script:
        result["final_scriptSig"] = {"asm": to_asm(data.final_script, True), "hex": data.final_script.hex()}
    if data.final_witness:
        result["final_scriptwitness"] = [item.hex() for item in data.final_witness]
    for (kind, key), value in sorted(i.preimages.items()):
        result.setdefault(_PREIMAGES[kind], {})[key.hex()] = value.hex()
    result |= _taproot(i, data) | _musig(i.musig) | _rest(i.unknown)
    return result


def _taproot(i: PsbtInput, data: InputData) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if data.key_signature:
        result["taproot_key_path_sig"] = data.key_signature.hex()
    if data.leaf_signatures:
        result["taproot_script_path_sigs"] = [
            {"pubkey": key.hex(), "leaf_hash": leaf.hex(), "sig": signature.hex()}
            for (key, leaf), signature in sorted(data.leaf_signatures.items())
        ]
    if data.leaves:
        controls: dict[tuple[bytes, int], list[str]] = {}
        for control, leaf in sorted(data.leaves.items()):
            controls.setdefault(leaf, []).append(control.hex())
        result["taproot_scripts"] = [
            {"script": script.hex(), "leaf_ver": version, "control_blocks": found}
            for (script, version), found in sorted(controls.items())
        ]
    if i.tap_origins:
        result["taproot_bip32_derivs"] = _tap_derivations(i.tap_origins)
    if data.internal:
        result["taproot_internal_key"] = data.internal.hex()
    if data.merkle_root:
        result["taproot_merkle_root"] = data.merkle_root.hex()
    return result


def _participants(fields: Iterable[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    return [
        {
            "aggregate_pubkey": key.hex(),
            "participant_pubkeys": [value[n : n + _COMPRESSED].hex() for n in range(0, len(value), _COMPRESSED)],
        }
        for key, value in fields
    ]


def _musig(fields: Unknown) -> dict[str, Any]:
    """The fields of MuSig2 sessions (BIP373)."""
    result: dict[str, Any] = {}
    groups = [(key, value) for (kind, key), value in sorted(fields.items()) if kind == f.IN_MUSIG_PARTICIPANTS]
    if groups:
        result["musig2_participant_pubkeys"] = _participants(groups)
    for wanted, name, what in (
        (f.IN_MUSIG_NONCE, "musig2_pubnonces", "pubnonce"),
        (f.IN_MUSIG_SIG, "musig2_partial_sigs", "partial_sig"),
    ):
        for (kind, key), value in sorted(fields.items()):
            if kind != wanted:
                continue
            one = {"participant_pubkey": key[:_COMPRESSED].hex(), "aggregate_pubkey": key[_COMPRESSED:66].hex()}
            if len(key) > 66:
                one["leaf_hash"] = key[66:].hex()
            result.setdefault(name, []).append({**one, what: value.hex()})
    return result


def _output(o: PsbtOutput, version: int, style: AddressStyle) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if version >= 2:
        result["amount"], result["script"] = coins(o.value), script_json(o.script, style)
    result |= _scripts(o.redeem, o.witness_script)
    if o.origins:
        result["bip32_derivs"] = _derivations(o.origins)
    if o.internal:
        result["taproot_internal_key"] = o.internal.hex()
    if o.tree:
        result["taproot_tree"] = _tree(o.tree)
    if o.tap_origins:
        result["taproot_bip32_derivs"] = _tap_derivations(o.tap_origins)
    if o.musig:
        result["musig2_participant_pubkeys"] = _participants((k, v) for (_, k), v in sorted(o.musig.items()))
    return result | _rest(o.unknown)


def _tree(data: bytes) -> list[dict[str, Any]]:
    r = Reader(data)
    leaves: list[dict[str, Any]] = []
    while r.left:
        depth, version = r.u8(), r.u8()
        leaves.append({"depth": depth, "leaf_ver": version, "script": r.var_bytes().hex()})
    return leaves


# -- analysis --------------------------------------------------------------------------------------------------------


def analysis_json(found: Analysis) -> dict[str, Any]:
    """How far a PSBT is, as `analyzepsbt` shows it."""
    result: dict[str, Any] = {}
    if found.inputs:
        result["inputs"] = [_state(one) for one in found.inputs]
    if found.vsize is not None and found.fee is not None:
        result["estimated_vsize"] = found.vsize
        result["estimated_feerate"] = coins(found.fee * 1000 // found.vsize)
    if found.fee is not None:
        result["fee"] = coins(found.fee)
    result["next"] = found.next
    if found.error:
        result["error"] = found.error
    return result


def _state(one: InputState) -> dict[str, Any]:
    missing: dict[str, Any] = {}
    if one.missing_keys:
        missing["pubkeys"] = [key.hex() for key in one.missing_keys]
    if one.missing_redeem is not None:
        missing["redeemscript"] = one.missing_redeem.hex()
    if one.missing_witness_script is not None:
        missing["witnessscript"] = one.missing_witness_script.hex()
    if one.missing_signatures:
        missing["signatures"] = [key.hex() for key in one.missing_signatures]
    result: dict[str, Any] = {"has_utxo": one.has_utxo, "is_final": one.is_final, "next": one.next}
    return result | ({"missing": missing} if missing else {})
