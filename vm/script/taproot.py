"""Taproot's commitment: leaf and branch hashes, the root that a control block leads to, the tweak (BIP341).

Refuses to know how a leaf is run.
"""

from __future__ import annotations

from typing import Final

from primitives.buffer import compact_size
from primitives.hashing import tagged_hash
from primitives.secp256k1 import is_tweaked_xonly, tweak_xonly

LEAF_MASK: Final = 0xFE
TAPSCRIPT_LEAF: Final = 0xC0
ANNEX_TAG: Final = 0x50
CONTROL_BASE: Final = 33
CONTROL_NODE: Final = 32
CONTROL_MAX: Final = CONTROL_BASE + 128 * CONTROL_NODE


def leaf_hash(script: bytes, version: int = TAPSCRIPT_LEAF) -> bytes:
    """The hash of a script as a leaf."""
    return tagged_hash(b"TapLeaf", b"".join((bytes((version,)), compact_size(len(script)), script)))


def branch_hash(a: bytes, b: bytes) -> bytes:
    """The hash of two nodes, in whichever order they come."""
    return tagged_hash(b"TapBranch", a + b if a < b else b + a)


def tweak_hash(internal: bytes, root: bytes = b"") -> bytes:
    """What the internal key is tweaked by; the root is empty where there are no scripts."""
    return tagged_hash(b"TapTweak", internal + root)


def output_key(internal: bytes, root: bytes = b"") -> tuple[bytes, int]:
    """The x-only output key and the parity of its y. Raises DecodeError where the internal key is none."""
    return tweak_xonly(internal, tweak_hash(internal, root))


def is_control(control: bytes) -> bool:
    """True if a control block has a length that one may have: 33 bytes and up to 128 nodes of 32."""
    size = len(control)
    return CONTROL_BASE <= size <= CONTROL_MAX and (size - CONTROL_BASE) % CONTROL_NODE == 0


def commits(program: bytes, control: bytes, leaf: bytes) -> bool:
    """True if the output key `program` commits to a leaf by way of a control block of lawful length."""
    node = leaf
    for at in range(CONTROL_BASE, len(control), CONTROL_NODE):
        node = branch_hash(node, control[at : at + CONTROL_NODE])
    internal = control[1:CONTROL_BASE]
    return is_tweaked_xonly(program, control[0] & 1, internal, tweak_hash(internal, node))
