"""The scripts that a wallet pays to and can spend: made from keys and hashes, and told apart again.

Refuses to know who owns a key.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from primitives.hashing import hash160, sha256
from vm.script.opcodes import Truncated, operations, push
from vm.script.shapes import is_unspendable, witness_program

OP_CHECKSIG: Final = 0xAC
OP_CHECKSIGADD: Final = 0xBA
OP_CHECKMULTISIG: Final = 0xAE
OP_NUMEQUAL: Final = 0x9C


class Multisig(NamedTuple):
    """k signatures of these keys."""

    threshold: int
    keys: tuple[bytes, ...]


def p2pk(key: bytes) -> bytes:
    """Pays to a key."""
    return push(key) + b"\xac"


def p2pkh(key_hash: bytes) -> bytes:
    """Pays to the hash of a key."""
    return b"\x76\xa9\x14" + key_hash + b"\x88\xac"


def p2sh(script: bytes) -> bytes:
    """Pays to the hash of a redeem script."""
    return b"\xa9\x14" + hash160(script) + b"\x87"


def p2wpkh(key_hash: bytes) -> bytes:
    """Pays to the hash of a key, by witness."""
    return b"\x00\x14" + key_hash


def p2wsh(script: bytes) -> bytes:
    """Pays to the hash of a witness script."""
    return b"\x00\x20" + sha256(script)


def p2tr(output_key: bytes) -> bytes:
    """Pays to a taproot output key."""
    return b"\x51\x20" + output_key


def _number(n: int) -> bytes:
    return bytes([0x50 + n]) if 1 <= n <= 16 else push(bytes([n]) if n < 128 else n.to_bytes(2, "little"))


def multisig(threshold: int, keys: Sequence[bytes]) -> bytes:
    """Wants so many signatures of these keys, in their order."""
    return _number(threshold) + b"".join(push(key) for key in keys) + _number(len(keys)) + b"\xae"


def multisig_tapscript(threshold: int, keys: Sequence[bytes]) -> bytes:
    """The same in tapscript, of x-only keys: a chain of CHECKSIGADD (BIP387)."""
    head = push(keys[0]) + b"\xac" + b"".join(push(key) + b"\xba" for key in keys[1:])
    return head + _number(threshold) + b"\x9c"


def pkh_in(script: bytes) -> bytes | None:
    """The key hash that a P2PKH script pays to."""
    return script[3:23] if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac" else None


def pk_in(script: bytes) -> bytes | None:
    """The key that a P2PK script, or a tapscript of one key, pays to."""
    if len(script) in (34, 35, 67) and script[0] == len(script) - 2 and script[-1] == OP_CHECKSIG:
        return script[1:-1]
    return None


def _small(op: int, data: bytes) -> int | None:
    if 0x51 <= op <= 0x60:
        return op - 0x50
    return int.from_bytes(data, "little") if 1 <= len(data) <= 2 and data[-1] < 128 else None


def multisig_in(script: bytes) -> Multisig | None:
    """The threshold and keys of a multisig script."""
    if len(script) < 37 or script[-1] != OP_CHECKMULTISIG:
        return None
    try:
        ops = list(operations(script))
    except Truncated:
        return None
    if len(ops) < 4:
        return None
    threshold, count = _small(*ops[0]), _small(*ops[-2])
    keys = tuple(data for _, data in ops[1:-2])
    if threshold is None or count != len(keys) or not 1 <= threshold <= len(keys) <= 20:
        return None
    return Multisig(threshold, keys) if all(len(key) in (33, 65) for key in keys) else None


def multisig_tapscript_in(script: bytes) -> Multisig | None:
    """The threshold and x-only keys of a multisig tapscript."""
    if len(script) < 37 or script[-1] != OP_NUMEQUAL:
        return None
    try:
        ops = list(operations(script))
    except Truncated:
        return None
    threshold, keys = _small(*ops[-2]), tuple(data for _, data in ops[:-2:2])
    checks = [op for op, _ in ops[1:-2:2]]
    if checks != [OP_CHECKSIG] + [OP_CHECKSIGADD] * (len(keys) - 1) or any(len(key) != 32 for key in keys):
        return None
    return Multisig(threshold, keys) if threshold is not None and 1 <= threshold <= len(keys) else None


def dust_limit(script: bytes, rate: int = 3000) -> int:
    """The least value that an output may have: what it costs, with its spending, at the rate. Zero if none can spend it.

    Source: Bitcoin Core, policy/policy.cpp, GetDustThreshold.
    """
    if is_unspendable(script):
        return 0
    size = 8 + (1 if len(script) < 253 else 3) + len(script)
    size += 67 if witness_program(script) is not None else 148
    return size * rate // 1000
