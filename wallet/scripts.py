"""The scripts that a wallet pays to and can spend, by their short names: made from keys and hashes, and told apart again.

Refuses to know who owns a key. What is customary everywhere is stated in vm/script/templates.py.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from vm.script import templates
from vm.script.asm import push_number
from vm.script.opcodes import Truncated, operations, push
from vm.script.shapes import is_unspendable, witness_program
from vm.script.templates import Kind

OP_CHECKSIG: Final = 0xAC
OP_CHECKSIGADD: Final = 0xBA
OP_NUMEQUAL: Final = 0x9C


class Multisig(NamedTuple):
    """k signatures of these keys."""

    threshold: int
    keys: tuple[bytes, ...]


p2pk: Final = templates.pay_to_key
p2pkh: Final = templates.pay_to_key_hash
p2sh: Final = templates.pay_to_script_hash
p2wsh: Final = templates.pay_to_witness_script
multisig: Final = templates.pay_to_multisig


def p2wpkh(key_hash: bytes) -> bytes:
    """Pays to the hash of a key, by witness."""
    return templates.pay_to_witness(0, key_hash)


def p2tr(output_key: bytes) -> bytes:
    """Pays to a taproot output key."""
    return templates.pay_to_witness(1, output_key)


def multisig_tapscript(threshold: int, keys: Sequence[bytes]) -> bytes:
    """Wants so many signatures in tapscript, of x-only keys: a chain of CHECKSIGADD (BIP387)."""
    head = push(keys[0]) + b"\xac" + b"".join(push(key) + b"\xba" for key in keys[1:])
    return head + push_number(threshold) + b"\x9c"


def pkh_in(script: bytes) -> bytes | None:
    """The key hash that a P2PKH script pays to."""
    found = templates.classify(script)
    return found.items[0] if found.kind is Kind.PUBKEYHASH else None


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
    found = templates.classify(script)
    return Multisig(found.number, found.items) if found.kind is Kind.MULTISIG else None


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
