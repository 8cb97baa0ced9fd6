"""Bitcoin things as Core's JSON shows them: scripts, transactions, headers, blocks. Pure: bytes in, plain values out.

Sources: Bitcoin Core core_write.cpp (TxToUniv, ScriptToUniv), rpc/blockchain.cpp (blockToJSON).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from node.rpc.params import coins, display_hex
from primitives import address as addresses
from primitives.address import AddressStyle, p2sh_script
from primitives.bitcoin import BitcoinHeader, Transaction, TxInput, TxOutput
from primitives.hashing import hash160, sha256
from primitives.target import expand
from vm.script.asm import to_asm
from vm.script.opcodes import NAMES, Truncated, read_op
from vm.script.shapes import is_unspendable
from vm.script.templates import Kind, classify
from wallet.checksum import checksum


class SpentCoin(Protocol):
    """What is known of a coin that an input spends."""

    @property
    def value(self) -> int: ...
    @property
    def script(self) -> bytes: ...
    @property
    def height(self) -> int: ...
    @property
    def coinbase(self) -> bool: ...


def address_of(script: bytes, style: AddressStyle) -> str | None:
    """The address that pays to a script, where there is one; a bare key has none."""
    if classify(script).kind in (Kind.PUBKEY, Kind.MULTISIG):
        return None
    return addresses.encode(script, style)


def descriptor_of(script: bytes, style: AddressStyle) -> str:
    """The output descriptor that Core infers without a wallet, with its checksum."""
    found = classify(script)
    address = address_of(script, style)
    if found.kind is Kind.PUBKEY:
        text = f"pk({found.items[0].hex()})"
    elif found.kind is Kind.MULTISIG:
        text = f"multi({found.number},{','.join(k.hex() for k in found.items)})"
    elif address is not None:
        text = f"addr({address})"
    else:
        text = f"raw({script.hex()})"
    return f"{text}#{checksum(text)}"


def script_json(
    script: bytes, style: AddressStyle, with_hex: bool = True, with_descriptor: bool = True
) -> dict[str, Any]:
    """A scriptPubKey."""
    result: dict[str, Any] = {"asm": to_asm(script)}
    if with_descriptor:
        result["desc"] = descriptor_of(script, style)
    if with_hex:
        result["hex"] = script.hex()
    address = address_of(script, style)
    if address is not None:
        result["address"] = address
    result["type"] = classify(script).kind.value
    return result


_WRAPPED = {Kind.MULTISIG, Kind.NONSTANDARD, Kind.PUBKEY, Kind.PUBKEYHASH}
_P2SH_TOO = _WRAPPED | {Kind.WITNESS_V0_KEYHASH, Kind.WITNESS_V0_SCRIPTHASH}


def decode_script(script: bytes, style: AddressStyle) -> dict[str, Any]:
    """`decodescript`: the script, and how it would look wrapped in P2SH and in segwit."""
    result = script_json(script, style, with_hex=False)
    kind = classify(script).kind
    if not _can_wrap(script, kind):
        return result
    result["p2sh"] = addresses.encode(p2sh_script(hash160(script)), style)
    if kind in _WRAPPED and _can_wrap_in_witness(script, kind):
        items = classify(script).items
        if kind is Kind.PUBKEY:
            program = b"\x00\x14" + hash160(items[0])
        elif kind is Kind.PUBKEYHASH:
            program = b"\x00\x14" + items[0]
        else:
            program = b"\x00\x20" + sha256(script)
        segwit = script_json(program, style)
        segwit["p2sh-segwit"] = addresses.encode(p2sh_script(hash160(program)), style)
        result["segwit"] = segwit
    return result


def _can_wrap(script: bytes, kind: Kind) -> bool:
    if kind not in _P2SH_TOO or is_unspendable(script):
        return False
    return kind is not Kind.NONSTANDARD or has_valid_ops(script)


def has_valid_ops(script: bytes) -> bool:
    """Every opcode is one that exists, no push is cut off or too large, and none is OP_CHECKSIGADD (Core's decodescript)."""
    at = 0
    while at < len(script):
        try:
            op, data, at = read_op(script, at)
        except Truncated:
            return False
        if (
            len(data) > 520
            or op > 0xB9
            or op == 0xBA
            or (op > 0x4E and op not in NAMES)
            or op in (0x50, 0x62, 0x65, 0x66, 0x89, 0x8A)
        ):
            return False
    return True


def _can_wrap_in_witness(script: bytes, kind: Kind) -> bool:
    items = classify(script).items
    return kind not in (Kind.PUBKEY, Kind.MULTISIG) or all(len(key) == 33 for key in items)


def input_json(
    one: TxInput, coinbase: bool, spent: SpentCoin | None, style: AddressStyle, with_prevout: bool
) -> dict[str, Any]:
    """An input; with what it spends where that is known and wanted."""
    result: dict[str, Any] = {}
    if coinbase:
        result["coinbase"] = one.script.hex()
    else:
        result["txid"] = display_hex(one.txid)
        result["vout"] = one.vout
        result["scriptSig"] = {"asm": to_asm(one.script, True), "hex": one.script.hex()}
    if one.witness:
        result["txinwitness"] = [item.hex() for item in one.witness]
    if with_prevout and spent is not None:
        result["prevout"] = {
            "generated": spent.coinbase,
            "height": spent.height,
            "value": coins(spent.value),
            "scriptPubKey": script_json(spent.script, style),
        }
    result["sequence"] = one.sequence
    return result


def output_json(out: TxOutput, n: int, style: AddressStyle) -> dict[str, Any]:
    """An output."""
    return {"value": coins(out.value), "n": n, "scriptPubKey": script_json(out.script, style)}


def tx_json(
    tx: Transaction,
    style: AddressStyle,
    with_hex: bool = True,
    spent: Sequence[SpentCoin] | None = None,
    with_prevout: bool = False,
) -> dict[str, Any]:
    """A transaction; with its fee where the spent coins are given."""
    result: dict[str, Any] = {
        "txid": display_hex(tx.id),
        "hash": display_hex(tx.wtxid),
        "version": tx.version & 0xFFFFFFFF,
        "size": len(tx.raw),
        "vsize": tx.vsize,
        "weight": tx.weight,
        "locktime": tx.lock_time,
    }
    if tx.time is not None:
        result["time"] = tx.time
    result["vin"] = [
        input_json(one, tx.is_coinbase, spent[n] if spent is not None and n < len(spent) else None, style, with_prevout)
        for n, one in enumerate(tx.inputs)
    ]
    result["vout"] = [output_json(out, n, style) for n, out in enumerate(tx.outputs)]
    if spent is not None and not tx.is_coinbase and len(spent) == len(tx.inputs):
        result["fee"] = coins(sum(c.value for c in spent) - sum(o.value for o in tx.outputs))
    if with_hex:
        result["hex"] = tx.raw.hex()
    return result


def difficulty(bits: int) -> float:
    """How many times harder than the easiest mainnet target (Core's GetDifficulty)."""
    shift, mantissa = bits >> 24 & 0xFF, bits & 0x00FFFFFF
    if not mantissa:
        return 0.0
    result = 0x0000FFFF / mantissa
    while shift < 29:
        result *= 256.0
        shift += 1
    while shift > 29:
        result /= 256.0
        shift -= 1
    return result


def header_json(
    header: BitcoinHeader,
    height: int,
    weight: int,
    median_time: int,
    confirmations: int,
    following: bytes | None,
    txs: int,
) -> dict[str, Any]:
    """A block header as `getblockheader` shows it."""
    result: dict[str, Any] = {
        "hash": display_hex(header.hash),
        "confirmations": confirmations,
        "height": height,
        "version": header.version,
        "versionHex": f"{header.version & 0xFFFFFFFF:08x}",
        "merkleroot": display_hex(header.merkle_root),
        "time": header.timestamp,
        "mediantime": median_time,
        "nonce": header.nonce,
        "bits": f"{header.bits:08x}",
        "target": f"{expand(header.bits).target:064x}",
        "difficulty": difficulty(header.bits),
        "chainwork": f"{weight:064x}",
        "nTx": txs,
    }
    if any(header.parent):
        result["previousblockhash"] = display_hex(header.parent)
    if following is not None:
        result["nextblockhash"] = display_hex(following)
    return result


def coinbase_json(tx: Transaction) -> dict[str, Any]:
    """What a coinbase says beside its outputs."""
    only = tx.inputs[0]
    result: dict[str, Any] = {
        "version": tx.version & 0xFFFFFFFF,
        "locktime": tx.lock_time,
        "sequence": only.sequence,
        "coinbase": only.script.hex(),
    }
    if only.witness:
        result["witness"] = only.witness[0].hex()
    return result


def block_json(block: Any, head: dict[str, Any], txs: list[Any], coinbase: dict[str, Any]) -> dict[str, Any]:
    """A block as `getblock` shows it: the header's fields, the sizes, and the transactions as they were rendered."""
    sizes = {"strippedsize": block.base_size, "size": block.size, "weight": block.weight}
    return {**head, **sizes, "coinbase_tx": coinbase, "tx": txs}
