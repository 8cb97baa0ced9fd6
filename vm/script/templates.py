"""The customary output scripts: which of them a script is, and how each is built.

Refuses to know addresses. The shapes that are law are in shapes.py. Source: Bitcoin Core, script/solver.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from primitives.hashing import hash160, sha256
from vm.script.asm import push_number
from vm.script.errors import ScriptError
from vm.script.opcodes import (
    OP_0,
    OP_1,
    OP_16,
    OP_CHECKMULTISIG,
    OP_CHECKSIG,
    OP_DUP,
    OP_EQUAL,
    OP_EQUALVERIFY,
    OP_HASH160,
    OP_PUSHDATA4,
    OP_RETURN,
    Truncated,
    is_minimal_push,
    push,
    read_op,
)
from vm.script.shapes import is_push_only, is_script_hash, witness_program
from vm.script.stack import MAX_MULTISIG_KEYS, to_number

_KEY_SIZES: Final = {2: 33, 3: 33, 4: 65, 6: 65, 7: 65}
_P2PKH_HEAD: Final = bytes((OP_DUP, OP_HASH160, 20))
_P2PKH_TAIL: Final = bytes((OP_EQUALVERIFY, OP_CHECKSIG))
ANCHOR: Final = b"\x51\x02\x4e\x73"
"""Anyone may spend it (BIP433)."""


class Kind(Enum):
    """The kinds of output scripts, by Core's names for them."""

    NONSTANDARD = "nonstandard"
    ANCHOR = "anchor"
    PUBKEY = "pubkey"
    PUBKEYHASH = "pubkeyhash"
    SCRIPTHASH = "scripthash"
    MULTISIG = "multisig"
    NULLDATA = "nulldata"
    WITNESS_V0_KEYHASH = "witness_v0_keyhash"
    WITNESS_V0_SCRIPTHASH = "witness_v0_scripthash"
    WITNESS_V1_TAPROOT = "witness_v1_taproot"
    WITNESS_UNKNOWN = "witness_unknown"


class Template(NamedTuple):
    """A kind and what fills it: key, keys, hash or program; for a multisig its threshold, for a witness its version."""

    kind: Kind
    items: tuple[bytes, ...] = ()
    number: int = 0


def classify(script: bytes) -> Template:
    """Which template a script is. Source: Bitcoin Core, Solver."""
    if is_script_hash(script):
        return Template(Kind.SCRIPTHASH, (script[2:22],))
    if (found := witness_program(script)) is not None:
        return _witness(*found)
    if script[:1] == bytes((OP_RETURN,)) and is_push_only(script, 1):
        return Template(Kind.NULLDATA)
    if len(script) in (35, 67) and script[0] == len(script) - 2 and script[-1] == OP_CHECKSIG:
        return Template(Kind.PUBKEY, (script[1:-1],)) if is_key_sized(script[1:-1]) else Template(Kind.NONSTANDARD)
    if len(script) == 25 and script.startswith(_P2PKH_HEAD) and script.endswith(_P2PKH_TAIL):
        return Template(Kind.PUBKEYHASH, (script[3:23],))
    return _multisig(script) or Template(Kind.NONSTANDARD)


def _witness(version: int, program: bytes) -> Template:
    kind = {
        (0, 20): Kind.WITNESS_V0_KEYHASH,
        (0, 32): Kind.WITNESS_V0_SCRIPTHASH,
        (1, 32): Kind.WITNESS_V1_TAPROOT,
    }.get((version, len(program)))
    if kind is not None:
        return Template(kind, (program,), version)
    if (version, program) == (1, ANCHOR[2:]):
        return Template(Kind.ANCHOR, (program,), version)
    return Template(Kind.WITNESS_UNKNOWN, (program,), version) if version else Template(Kind.NONSTANDARD)


def is_key_sized(key: bytes) -> bool:
    """True if the first byte and the length are those of a public key. Source: Bitcoin Core, CPubKey::ValidSize."""
    return bool(key) and _KEY_SIZES.get(key[0]) == len(key)


def _small_number(op: int, data: bytes, least: int) -> int | None:
    """A number in its shortest push, between `least` and the most keys that a multisig may have."""
    if OP_1 <= op <= OP_16:
        number = op - OP_1 + 1
    elif OP_0 < op <= OP_PUSHDATA4 and is_minimal_push(op, data):
        try:
            number = to_number(data, True)
        except ScriptError:
            return None
    else:
        return None
    return number if least <= number <= MAX_MULTISIG_KEYS else None


def _multisig(script: bytes) -> Template | None:
    if not script or script[-1] != OP_CHECKMULTISIG:
        return None
    try:
        op, data, at = read_op(script, 0)
        threshold = _small_number(op, data, 1)
        if threshold is None:
            return None
        keys = []
        op, data, at = read_op(script, at)
        while is_key_sized(data):
            keys.append(data)
            op, data, at = read_op(script, at)
    except (Truncated, IndexError):
        return None
    if at + 1 != len(script) or _small_number(op, data, threshold) != len(keys):
        return None
    return Template(Kind.MULTISIG, tuple(keys), threshold)


def pay_to_key(key: bytes) -> bytes:
    """Key, CHECKSIG."""
    return push(key) + bytes((OP_CHECKSIG,))


def pay_to_key_hash(key_hash: bytes) -> bytes:
    """The script for whoever has the key of a 20-byte hash."""
    return _P2PKH_HEAD + key_hash + _P2PKH_TAIL


def pay_to_script_hash(script: bytes) -> bytes:
    """The script for whoever satisfies this one (BIP16)."""
    return bytes((OP_HASH160, 20)) + hash160(script) + bytes((OP_EQUAL,))


def pay_to_multisig(threshold: int, keys: Sequence[bytes]) -> bytes:
    """The script that wants so many signatures of these keys, in their order."""
    return b"".join((push_number(threshold), *map(push, keys), push_number(len(keys)), bytes((OP_CHECKMULTISIG,))))


def pay_to_witness(version: int, program: bytes) -> bytes:
    """A witness program of a version from 0 to 16 (BIP141)."""
    return push_number(version) + push(program)


def pay_to_witness_script(script: bytes) -> bytes:
    """The witness program for whoever satisfies this script."""
    return pay_to_witness(0, sha256(script))


def null_data(*items: bytes) -> bytes:
    """RETURN and what it carries: unspendable."""
    return bytes((OP_RETURN,)) + b"".join(map(push, items))
