"""Taproot outputs as a wallet makes them: a tree of scripts, its control blocks, the output key and its secret (BIP341).

Refuses to know what the leaves' scripts mean.
"""

from dataclasses import dataclass

from primitives import secp256k1
from primitives.errors import DecodeError
from vm.script.taproot import TAPSCRIPT_LEAF, branch_hash, commits, is_control, leaf_hash, output_key, tweak_hash

MAX_DEPTH = 128

Tree = bytes | tuple["Tree", "Tree"]
"""The script of one leaf, or two subtrees."""


@dataclass(frozen=True, slots=True)
class LeafSpend:
    """A leaf, and the control block that proves it is committed to."""

    script: bytes
    control: bytes
    version: int = TAPSCRIPT_LEAF

    @property
    def hash(self) -> bytes:
        """The leaf hash, which signatures of this script commit to."""
        return leaf_hash(self.script, self.version)


@dataclass(frozen=True, slots=True)
class Output:
    """An output key with all that is needed to spend it."""

    key: bytes
    internal: bytes
    merkle_root: bytes  # empty: no scripts
    leaves: tuple[LeafSpend, ...] = ()

    @property
    def script(self) -> bytes:
        """The scriptPubKey."""
        return b"\x51\x20" + self.key


def _walk(tree: Tree, depth: int) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The hash of a tree, and each leaf's script with its path."""
    if depth > MAX_DEPTH:
        raise DecodeError("a taproot tree is at most 128 levels deep")
    if isinstance(tree, bytes):
        return leaf_hash(tree), [(tree, b"")]
    left, ours = _walk(tree[0], depth + 1)
    right, theirs = _walk(tree[1], depth + 1)
    leaves = [(script, path + right) for script, path in ours] + [(script, path + left) for script, path in theirs]
    return branch_hash(left, right), leaves


def output(internal: bytes, tree: Tree | None = None) -> Output:
    """The output of an x-only internal key and a tree of scripts. Raises DecodeError for a key that is no point."""
    root, leaves = _walk(tree, 0) if tree is not None else (b"", [])
    key, parity = output_key(internal, root)
    head = bytes([TAPSCRIPT_LEAF | parity]) + internal
    return Output(key, internal, root, tuple(LeafSpend(script, head + path) for script, path in leaves))


def output_secret(secret: bytes, merkle_root: bytes = b"") -> bytes:
    """The secret of the output key, from the internal key's."""
    return secp256k1.tweak_secret_xonly(secret, tweak_hash(secp256k1.public_key(secret)[1:], merkle_root))


def control_commits(key: bytes, script: bytes, control: bytes) -> bool:
    """True if a control block proves that the output key commits to this leaf."""
    return is_control(control) and commits(key, control, leaf_hash(script, control[0] & 0xFE))
