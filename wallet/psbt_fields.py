"""The fields of partially signed transactions: their numbers, and how the values of the structured ones are read.

Refuses to know roles. Sources: BIP174, BIP370, BIP371, BIP373; Bitcoin Core, psbt.h.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from primitives import secp256k1
from primitives.buffer import Reader, Writer
from primitives.errors import DecodeError
from wallet.descriptor_keys import Origin
from wallet.taproot import MAX_DEPTH

MAGIC: Final = b"psbt\xff"

UNSIGNED_TX, XPUB, TX_VERSION, FALLBACK_LOCK_TIME = 0x00, 0x01, 0x02, 0x03
INPUT_COUNT, OUTPUT_COUNT, MODIFIABLE, VERSION = 0x04, 0x05, 0x06, 0xFB
PROPRIETARY: Final = 0xFC

IN_PREVIOUS_TX, IN_WITNESS_UTXO, IN_PARTIAL_SIG, IN_SIGHASH = 0x00, 0x01, 0x02, 0x03
IN_REDEEM, IN_WITNESS_SCRIPT, IN_BIP32, IN_FINAL_SCRIPT, IN_FINAL_WITNESS = 0x04, 0x05, 0x06, 0x07, 0x08
IN_PROOF, IN_RIPEMD160, IN_SHA256, IN_HASH160, IN_HASH256 = 0x09, 0x0A, 0x0B, 0x0C, 0x0D
IN_TXID, IN_INDEX, IN_SEQUENCE, IN_TIME, IN_HEIGHT = 0x0E, 0x0F, 0x10, 0x11, 0x12
IN_TAP_KEY_SIG, IN_TAP_LEAF_SIG, IN_TAP_LEAF, IN_TAP_BIP32 = 0x13, 0x14, 0x15, 0x16
IN_TAP_INTERNAL, IN_TAP_ROOT = 0x17, 0x18
IN_MUSIG_PARTICIPANTS, IN_MUSIG_NONCE, IN_MUSIG_SIG = 0x1A, 0x1B, 0x1C
PREIMAGE_SIZES: Final = {IN_RIPEMD160: 20, IN_SHA256: 32, IN_HASH160: 20, IN_HASH256: 32}

OUT_REDEEM, OUT_WITNESS_SCRIPT, OUT_BIP32, OUT_AMOUNT, OUT_SCRIPT = 0x00, 0x01, 0x02, 0x03, 0x04
OUT_TAP_INTERNAL, OUT_TAP_TREE, OUT_TAP_BIP32, OUT_MUSIG_PARTICIPANTS = 0x05, 0x06, 0x07, 0x08


class Field(NamedTuple):
    """One key-value pair: the type, what else is in the key, and the value."""

    kind: int
    key: bytes
    value: bytes

    def bare(self) -> bytes:
        """The value of a field whose key is the type alone. Raises DecodeError."""
        if self.key:
            raise DecodeError(f"PSBT field {self.kind:#04x} has a key that is more than its type")
        return self.value

    def sized(self, *sizes: int) -> bytes:
        """The value, which has one of these sizes. Raises DecodeError."""
        if len(self.value) not in sizes:
            raise DecodeError(f"PSBT field {self.kind:#04x} has a value of {len(self.value)} bytes")
        return self.value

    def public_key(self) -> bytes:
        """The key data as a public key. Raises DecodeError."""
        if len(self.key) not in (33, 65) or not secp256k1.is_public(self.key):
            raise DecodeError(f"PSBT field {self.kind:#04x} is not for a public key")
        return self.key


def read_map(r: Reader) -> Iterator[Field]:
    """The fields up to the separator. Raises DecodeError for a key that comes twice."""
    seen = set()
    while True:
        key = r.var_bytes()
        if not key:
            return
        if key in seen:
            raise DecodeError("duplicate key in a PSBT map")
        seen.add(key)
        inner = Reader(key)
        kind = inner.compact()
        yield Field(kind, key[inner.pos :], r.var_bytes())


def write_field(w: Writer, kind: int, value: bytes, key: bytes = b"") -> None:
    """Write a pair."""
    w.var_bytes(Writer().compact(kind).bytes(key).done()).var_bytes(value)


def read_origin(value: bytes, name: str = "keypath") -> Origin:
    """A fingerprint and steps. Raises DecodeError."""
    if len(value) < 4 or len(value) % 4:
        raise DecodeError(f"PSBT {name} has an invalid length")
    steps = tuple(int.from_bytes(value[at : at + 4], "little") for at in range(4, len(value), 4))
    return Origin(value[:4], steps)


def write_origin(origin: Origin) -> bytes:
    """The bytes of a fingerprint and steps."""
    return origin.fingerprint + b"".join(step.to_bytes(4, "little") for step in origin.path)


def read_tap_origin(value: bytes) -> tuple[tuple[bytes, ...], Origin]:
    """The leaf hashes that a key signs in, and its origin. Raises DecodeError."""
    r = Reader(value)
    hashes = tuple(r.bytes(32) for _ in range(r.count(32)))
    return hashes, read_origin(value[r.pos :], "taproot keypath")


def write_tap_origin(hashes: tuple[bytes, ...], origin: Origin) -> bytes:
    """The bytes of leaf hashes and an origin."""
    w = Writer().compact(len(hashes))
    for leaf in hashes:
        w.bytes(leaf)
    return w.bytes(write_origin(origin)).done()


def check_tap_tree(value: bytes) -> bytes:
    """Depth, version and script of each leaf, depth first, which must make one whole tree. Raises DecodeError."""
    if not value:
        raise DecodeError("output taproot tree must not be empty")
    r = Reader(value)
    open_depths: list[int] = []
    while r.left:
        depth, version = r.u8(), r.u8()
        r.var_bytes()
        if depth > MAX_DEPTH or version & 1:
            raise DecodeError("output taproot tree has a leaf of unlawful depth or version")
        if open_depths == [0] or (open_depths and depth < open_depths[-1]):
            raise DecodeError("output taproot tree is malformed")
        while open_depths and open_depths[-1] == depth and depth > 0:
            open_depths.pop()
            depth -= 1
        open_depths.append(depth)
    if open_depths != [0]:
        raise DecodeError("output taproot tree is incomplete")
    return value


def check_control(control: bytes) -> bytes:
    """A control block of a lawful length. Raises DecodeError."""
    if len(control) < 33 or (len(control) - 33) % 32:
        raise DecodeError("PSBT taproot leaf script has a control block of unlawful length")
    return control


def check_participants(field: Field) -> None:
    """An aggregate key and the keys that make it (BIP373). Raises DecodeError."""
    if len(field.key) != 33:
        raise DecodeError("musig2 participants are listed for an aggregate key of 33 bytes")
    if not secp256k1.is_public(field.key):
        raise DecodeError("musig2 aggregate key is invalid")
    if len(field.value) % 33:
        raise DecodeError("musig2 participants are not whole keys")
    for at in range(0, len(field.value), 33):
        if not secp256k1.is_public(field.value[at : at + 33]):
            raise DecodeError("musig2 participant key is invalid")


def check_musig(field: Field, size: int) -> None:
    """A nonce or partial signature: of a participant, under an aggregate key, maybe in a leaf (BIP373). Raises DecodeError."""
    if len(field.key) not in (66, 98):
        raise DecodeError("musig2 field has a key of unexpected size")
    if not secp256k1.is_public(field.key[:33]):
        raise DecodeError("musig2 participant key is invalid")
    if not secp256k1.is_public(field.key[33:66]):
        raise DecodeError("musig2 aggregate key is invalid")
    field.sized(size)


def check_signature(signature: bytes) -> bytes:
    """A DER signature with a defined hash type, as it stands in a script. Raises DecodeError."""
    if len(signature) < 9 or signature[-1] & 0x7F not in (1, 2, 3):
        raise DecodeError("PSBT partial signature is not a valid encoding")
    compact = secp256k1.der_to_compact(signature[:-1])
    if compact is None or secp256k1.compact_to_der(compact) != signature[:-1]:
        raise DecodeError("PSBT partial signature is not a valid encoding")
    return signature
