"""The encoding of partially signed transactions: v0 (BIP174) with taproot (BIP371) and musig fields (BIP373), v2 (BIP370).

Refuses to know roles. What it does not know it keeps, and writes again.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from primitives.bitcoin import FINAL_SEQUENCE, Transaction, TxInput, TxOutput, outpoint, read_transaction
from primitives.buffer import Reader, Writer
from primitives.errors import DecodeError
from primitives.hashing import hash160
from wallet import hd
from wallet import psbt_fields as f
from wallet.psbt import TIME_THRESHOLD, Psbt, PsbtInput, PsbtOutput, Unknown
from wallet.psbt_fields import Field

# Reading.


def _keep(unknown: Unknown, found: Field) -> None:
    unknown[found.kind, found.key] = found.value


def _u32(found: Field) -> int:
    found.bare()
    return int.from_bytes(found.sized(4), "little")


def _read_unsigned(value: bytes) -> Transaction:
    """A transaction without witnesses; one without inputs must not be mistaken for one with them."""
    r = Reader(value)
    version, count = r.i32(), r.count(41)
    inputs = tuple(TxInput(r.bytes(36), r.var_bytes(), r.u32()) for _ in range(count))
    outputs = tuple(TxOutput(r.i64(), r.var_bytes()) for _ in range(r.count(9)))
    tx = Transaction(version, inputs, outputs, r.u32())
    r.finish()
    if any(i.script for i in inputs):
        raise DecodeError("the unsigned transaction of a PSBT has a script in an input")
    return tx


@dataclass(slots=True)
class _Global:
    tx: Transaction | None = None
    version: int | None = None
    tx_version: int | None = None
    lock_time: int | None = None
    inputs: int | None = None
    outputs: int | None = None
    modifiable: int | None = None


def _count(found: Field) -> int:
    found.bare()
    r = Reader(found.value)
    count = r.compact()
    r.finish()
    return count


def _read_global(fields: Iterable[Field], psbt: Psbt) -> _Global:
    g = _Global()
    for found in fields:
        kind = found.kind
        if kind == f.UNSIGNED_TX:
            g.tx = _read_unsigned(found.bare())
        elif kind == f.XPUB:
            node, origin = _xpub(found), f.read_origin(found.value, "global keypath")
            if len(origin.path) != node.depth:
                raise DecodeError("the depth of a PSBT xpub is not that of its path")
            psbt.xpubs[found.key] = origin
        elif kind == f.VERSION:
            g.version = _u32(found)
        elif kind == f.TX_VERSION:
            g.tx_version = int.from_bytes(found.value, "little", signed=True) if _u32(found) is not None else None
        elif kind == f.FALLBACK_LOCK_TIME:
            g.lock_time = _u32(found)
        elif kind == f.INPUT_COUNT:
            g.inputs = _count(found)
        elif kind == f.OUTPUT_COUNT:
            g.outputs = _count(found)
        elif kind == f.MODIFIABLE:
            found.bare()
            g.modifiable = found.sized(1)[0]
        else:
            _keep(psbt.unknown, found)
    return g


def _xpub(found: Field) -> hd.ExtendedPublic:
    if len(found.key) != 78:
        raise DecodeError("a PSBT xpub has 78 bytes")
    raw = found.key
    node = hd.ExtendedPublic(raw[45:], raw[13:45], raw[4], raw[5:9], int.from_bytes(raw[9:13], "big"))
    if raw[45] not in (2, 3):
        raise DecodeError("a PSBT xpub is not a public key")
    return node


def _check_global(g: _Global) -> int:
    """The version, if all its fields are there and no others. Raises DecodeError."""
    version = g.version or 0
    newer = (g.tx_version, g.lock_time, g.inputs, g.outputs, g.modifiable)
    if version == 0:
        if g.tx is None:
            raise DecodeError("a PSBT of version 0 has an unsigned transaction")
        if any(value is not None for value in newer):
            raise DecodeError("a PSBT of version 0 has fields of version 2")
    elif version == 2:
        if g.tx is not None:
            raise DecodeError("a PSBT of version 2 has no unsigned transaction")
        if g.tx_version is None or g.inputs is None or g.outputs is None:
            raise DecodeError("a PSBT of version 2 has a transaction version and the counts of inputs and outputs")
    else:
        raise DecodeError(f"unsupported PSBT version {version}")
    return version


def _read_input(fields: Iterable[Field], i: PsbtInput, version: int) -> None:
    data, seen = i.data, set()
    txid, vout = b"", -1
    for found in fields:
        kind, value = found.kind, found.value
        seen.add(kind)
        if version == 0 and f.IN_TXID <= kind <= f.IN_HEIGHT:
            if found.key:  # not BIP370's field, whose key is its type alone
                _keep(i.unknown, found)
                continue
            raise DecodeError("an input of a PSBT of version 0 has a field of version 2")
        if kind == f.IN_PREVIOUS_TX:
            r = Reader(found.bare())
            i.previous = read_transaction(r)
            r.finish()
        elif kind == f.IN_WITNESS_UTXO:
            r = Reader(found.bare())
            i.witness_utxo = TxOutput(r.i64(), r.var_bytes())
            r.finish()
        elif kind == f.IN_PARTIAL_SIG:
            data.signatures[found.public_key()] = f.check_signature(value)
        elif kind == f.IN_SIGHASH:
            data.hash_type = _u32(found)
        elif kind == f.IN_REDEEM:
            data.redeem = found.bare()
        elif kind == f.IN_WITNESS_SCRIPT:
            data.witness_script = found.bare()
        elif kind == f.IN_BIP32:
            i.origins[found.public_key()] = f.read_origin(value, "input keypath")
        elif kind == f.IN_FINAL_SCRIPT:
            data.final_script = found.bare()
        elif kind == f.IN_FINAL_WITNESS:
            r = Reader(found.bare())
            data.final_witness = r.many(Reader.var_bytes)
            r.finish()
        elif kind in f.PREIMAGE_SIZES:
            if len(found.key) != f.PREIMAGE_SIZES[kind]:
                raise DecodeError("a PSBT preimage is for a hash of another size")
            i.preimages[kind, found.key] = value
        elif kind == f.IN_TXID:
            found.bare()
            txid = found.sized(32)
        elif kind == f.IN_INDEX:
            vout = _u32(found)
        elif kind == f.IN_SEQUENCE:
            i.sequence = _u32(found)
        elif kind == f.IN_TIME:
            i.least_time = _u32(found)
            if i.least_time < TIME_THRESHOLD:
                raise DecodeError("the lock time that a PSBT input asks for is no time")
        elif kind == f.IN_HEIGHT:
            i.least_height = _u32(found)
            if not 0 < i.least_height < TIME_THRESHOLD:
                raise DecodeError("the lock time that a PSBT input asks for is no height")
        elif not _read_taproot(found, i):
            _keep(i.unknown, found)
    if version == 2:
        if f.IN_TXID not in seen or f.IN_INDEX not in seen:
            raise DecodeError("an input of a PSBT of version 2 names the output it spends")
        i.point = outpoint(txid, vout)
    _check_input(i)


def _read_taproot(found: Field, i: PsbtInput) -> bool:
    """Read a field of BIP371 or BIP373; False if it is none."""
    kind, key, value, data = found.kind, found.key, found.value, i.data
    if kind == f.IN_TAP_KEY_SIG:
        found.bare()
        data.key_signature = found.sized(64, 65)
    elif kind == f.IN_TAP_LEAF_SIG:
        if len(key) != 64:
            raise DecodeError("a PSBT taproot signature is for a key and a leaf of 32 bytes each")
        data.leaf_signatures[key[:32], key[32:]] = found.sized(64, 65)
    elif kind == f.IN_TAP_LEAF:
        if not value:
            raise DecodeError("a PSBT taproot leaf has at least its version")
        data.leaves[f.check_control(key)] = value[:-1], value[-1]
    elif kind == f.IN_TAP_BIP32:
        i.tap_origins[_xonly(key)] = f.read_tap_origin(value)
    elif kind == f.IN_TAP_INTERNAL:
        found.bare()
        data.internal = _xonly(value)
    elif kind == f.IN_TAP_ROOT:
        found.bare()
        data.merkle_root = found.sized(32)
    elif kind == f.IN_MUSIG_PARTICIPANTS:
        f.check_participants(found)
        i.musig[kind, key] = value
    elif kind in (f.IN_MUSIG_NONCE, f.IN_MUSIG_SIG):
        f.check_musig(found, 66 if kind == f.IN_MUSIG_NONCE else 32)
        i.musig[kind, key] = value
    else:
        return False
    return True


def _xonly(key: bytes) -> bytes:
    if len(key) != 32:
        raise DecodeError("a PSBT taproot key has 32 bytes")
    return key


def _check_input(i: PsbtInput) -> None:
    if i.previous is not None:
        if i.previous.id != i.point[:32]:
            raise DecodeError("non-witness UTXO does not match outpoint hash")
        if int.from_bytes(i.point[32:], "little") >= len(i.previous.outputs):
            raise DecodeError("input specifies output index that does not exist")
    i.data.spent = i.spent


def _read_output(fields: Iterable[Field], o: PsbtOutput, version: int) -> None:
    seen = set()
    for found in fields:
        kind, value = found.kind, found.value
        seen.add(kind)
        if version == 0 and kind in (f.OUT_AMOUNT, f.OUT_SCRIPT):
            if found.key:
                _keep(o.unknown, found)
                continue
            raise DecodeError("an output of a PSBT of version 0 has a field of version 2")
        if kind == f.OUT_REDEEM:
            o.redeem = found.bare()
        elif kind == f.OUT_WITNESS_SCRIPT:
            o.witness_script = found.bare()
        elif kind == f.OUT_BIP32:
            o.origins[found.public_key()] = f.read_origin(value, "output keypath")
        elif kind == f.OUT_AMOUNT:
            found.bare()
            o.value = int.from_bytes(found.sized(8), "little", signed=True)
        elif kind == f.OUT_SCRIPT:
            o.script = found.bare()
        elif kind == f.OUT_TAP_INTERNAL:
            found.bare()
            o.internal = _xonly(value)
        elif kind == f.OUT_TAP_TREE:
            o.tree = f.check_tap_tree(found.bare())
        elif kind == f.OUT_TAP_BIP32:
            o.tap_origins[_xonly(found.key)] = f.read_tap_origin(value)
        elif kind == f.OUT_MUSIG_PARTICIPANTS:
            f.check_participants(found)
            o.musig[kind, found.key] = value
        else:
            _keep(o.unknown, found)
    if version == 2 and not {f.OUT_AMOUNT, f.OUT_SCRIPT} <= seen:
        raise DecodeError("an output of a PSBT of version 2 has an amount and a script")


def decode(data: bytes) -> Psbt:
    """The PSBT that these bytes are, all of them. Raises DecodeError."""
    r = Reader(data)
    if data[:5] != f.MAGIC:
        raise DecodeError("not a PSBT: the magic bytes are missing")
    r.bytes(5)
    psbt = Psbt()
    g = _read_global(f.read_map(r), psbt)
    psbt.version, psbt.states_version = _check_global(g), g.version == 0
    if g.tx is not None:
        psbt.tx_version, psbt.lock_time = g.tx.version, g.tx.lock_time
        psbt.inputs = [PsbtInput(i.outpoint, i.sequence) for i in g.tx.inputs]
        psbt.outputs = [PsbtOutput(o.value, o.script) for o in g.tx.outputs]
    else:
        psbt.tx_version, psbt.lock_time, psbt.modifiable = g.tx_version or 0, g.lock_time, g.modifiable
        if (g.inputs or 0) + (g.outputs or 0) > r.left:
            raise DecodeError("a PSBT announces more inputs and outputs than it has bytes")
        psbt.inputs = [PsbtInput() for _ in range(g.inputs or 0)]
        psbt.outputs = [PsbtOutput() for _ in range(g.outputs or 0)]
    for i in psbt.inputs:
        _read_input(f.read_map(r), i, psbt.version)
    for o in psbt.outputs:
        _read_output(f.read_map(r), o, psbt.version)
    r.finish()
    return psbt


def from_base64(text: str) -> Psbt:
    """The PSBT that a text is. Raises DecodeError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError("invalid base64") from None
    return decode(data)


# Writing.


def _write_unknown(w: Writer, unknown: Unknown) -> None:
    for (kind, key), value in sorted(unknown.items()):
        f.write_field(w, kind, value, key)


def _write_global(w: Writer, psbt: Psbt) -> None:
    if psbt.version == 0:
        f.write_field(w, f.UNSIGNED_TX, psbt.tx.base)
    for key, origin in sorted(psbt.xpubs.items(), key=lambda item: (f.write_origin(item[1]), item[0])):
        f.write_field(w, f.XPUB, f.write_origin(origin), key)
    if psbt.version >= 2:
        f.write_field(w, f.TX_VERSION, psbt.tx_version.to_bytes(4, "little", signed=True))
        if psbt.lock_time is not None:
            f.write_field(w, f.FALLBACK_LOCK_TIME, psbt.lock_time.to_bytes(4, "little"))
        f.write_field(w, f.INPUT_COUNT, Writer().compact(len(psbt.inputs)).done())
        f.write_field(w, f.OUTPUT_COUNT, Writer().compact(len(psbt.outputs)).done())
        if psbt.modifiable is not None:
            f.write_field(w, f.MODIFIABLE, bytes([psbt.modifiable]))
    if psbt.version or psbt.states_version:
        f.write_field(w, f.VERSION, psbt.version.to_bytes(4, "little"))
    _write_unknown(w, psbt.unknown)
    w.u8(0)


def _write_input(w: Writer, i: PsbtInput, version: int) -> None:
    data = i.data
    if i.previous is not None:
        f.write_field(w, f.IN_PREVIOUS_TX, i.previous.raw)
    if i.witness_utxo is not None:
        f.write_field(w, f.IN_WITNESS_UTXO, i.witness_utxo.encode())
    for public, signature in sorted(data.signatures.items(), key=lambda item: hash160(item[0])):
        f.write_field(w, f.IN_PARTIAL_SIG, signature, public)
    if data.hash_type is not None:
        f.write_field(w, f.IN_SIGHASH, data.hash_type.to_bytes(4, "little"))
    for kind, script in ((f.IN_REDEEM, data.redeem), (f.IN_WITNESS_SCRIPT, data.witness_script)):
        if script:
            f.write_field(w, kind, script)
    for public, origin in sorted(i.origins.items()):
        f.write_field(w, f.IN_BIP32, f.write_origin(origin), public)
    _write_unknown(w, i.preimages)
    _write_taproot(w, i)
    if data.final_script:
        f.write_field(w, f.IN_FINAL_SCRIPT, data.final_script)
    if data.final_witness:
        f.write_field(w, f.IN_FINAL_WITNESS, Writer().many(data.final_witness, Writer.var_bytes).done())
    if version >= 2:
        f.write_field(w, f.IN_TXID, i.point[:32])
        f.write_field(w, f.IN_INDEX, i.point[32:])
        if i.sequence != FINAL_SEQUENCE:
            f.write_field(w, f.IN_SEQUENCE, i.sequence.to_bytes(4, "little"))
        for kind, least in ((f.IN_TIME, i.least_time), (f.IN_HEIGHT, i.least_height)):
            if least is not None:
                f.write_field(w, kind, least.to_bytes(4, "little"))
    _write_unknown(w, i.unknown)
    w.u8(0)


def _write_taproot(w: Writer, i: PsbtInput) -> None:
    data = i.data
    if data.key_signature:
        f.write_field(w, f.IN_TAP_KEY_SIG, data.key_signature)
    for (key, leaf), signature in sorted(data.leaf_signatures.items()):
        f.write_field(w, f.IN_TAP_LEAF_SIG, signature, key + leaf)
    for control, (script, version) in sorted(data.leaves.items(), key=lambda item: (item[1], item[0])):
        f.write_field(w, f.IN_TAP_LEAF, script + bytes([version]), control)
    for key, (hashes, origin) in sorted(i.tap_origins.items()):
        f.write_field(w, f.IN_TAP_BIP32, f.write_tap_origin(hashes, origin), key)
    if data.internal:
        f.write_field(w, f.IN_TAP_INTERNAL, data.internal)
    if data.merkle_root:
        f.write_field(w, f.IN_TAP_ROOT, data.merkle_root)
    _write_unknown(w, i.musig)


def _write_output(w: Writer, o: PsbtOutput, version: int) -> None:
    for kind, script in ((f.OUT_REDEEM, o.redeem), (f.OUT_WITNESS_SCRIPT, o.witness_script)):
        if script:
            f.write_field(w, kind, script)
    for public, origin in sorted(o.origins.items()):
        f.write_field(w, f.OUT_BIP32, f.write_origin(origin), public)
    if version >= 2:
        f.write_field(w, f.OUT_AMOUNT, o.value.to_bytes(8, "little", signed=True))
        f.write_field(w, f.OUT_SCRIPT, o.script)
    for kind, value in ((f.OUT_TAP_INTERNAL, o.internal), (f.OUT_TAP_TREE, o.tree)):
        if value:
            f.write_field(w, kind, value)
    for key, (hashes, origin) in sorted(o.tap_origins.items()):
        f.write_field(w, f.OUT_TAP_BIP32, f.write_tap_origin(hashes, origin), key)
    _write_unknown(w, o.musig)
    _write_unknown(w, o.unknown)
    w.u8(0)


def encode(psbt: Psbt) -> bytes:
    """The bytes of a PSBT, its maps in Bitcoin Core's order."""
    w = Writer().bytes(f.MAGIC)
    _write_global(w, psbt)
    for i in psbt.inputs:
        _write_input(w, i, psbt.version)
    for o in psbt.outputs:
        _write_output(w, o, psbt.version)
    return w.done()


def to_base64(psbt: Psbt) -> str:
    """The text of a PSBT."""
    return base64.b64encode(encode(psbt)).decode()
