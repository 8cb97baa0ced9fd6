"""Bitcoin's header with an Ethash seal beside it: the 80 bytes, a mix digest and a nonce of 64 bits, which the hash does not cover.

It knows no rule: what is sealed, and whether the seal holds, is said in consensus/ethash_bitcoin.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from primitives.bitcoin import BitcoinBlock, BitcoinFormat, BitcoinHeader, encode_block, read_header, read_transaction
from primitives.buffer import Reader, Writer
from primitives.chain import Form

_SEAL: Final = Struct("<32sQ")
SEALED_SIZE: Final = 80 + _SEAL.size
"""Bytes of a header with its seal."""


@dataclass(frozen=True)
class SealedHeader(BitcoinHeader):
    """A Bitcoin header and its seal; `hash` is that of the 80 bytes, so that Bitcoin's tools compute the same."""

    mix: bytes = bytes(32)
    """The mix digest."""
    seal: int = 0
    """The 64-bit nonce of the seal; the header's own of 32 bits is free."""

    @property
    def sealed_raw(self) -> bytes:
        """The 120 bytes that are stored and exchanged."""
        return self.raw + _SEAL.pack(self.mix, self.seal)


def with_seal(header: BitcoinHeader, mix: bytes, seal: int) -> SealedHeader:
    """A header, sealed so."""
    made = SealedHeader(
        header.version, header.parent, header.merkle_root, header.timestamp, header.bits, header.nonce, mix, seal
    )
    made.__dict__["raw"] = header.raw
    return made


@dataclass(frozen=True, slots=True)
class SealedFormat(BitcoinFormat):
    """Bitcoin's codec with sealed headers; the client form leaves the seal out, and is a plain Bitcoin block."""

    name: str = "bitcoin-sealed"

    def read_header(self, r: Reader, form: Form) -> SealedHeader:
        """Read a header; one in client form has no seal yet."""
        plain = read_header(r)
        mix, seal = (bytes(32), 0) if form is Form.CLIENT else _SEAL.unpack(r.bytes(_SEAL.size))
        return with_seal(plain, mix, seal)

    def write_header(self, w: Writer, header: BitcoinHeader, form: Form) -> None:
        """Write a header, with its seal unless it is for clients."""
        w.bytes(header.sealed_raw if form is not Form.CLIENT and isinstance(header, SealedHeader) else header.raw)

    def peek_header(self, r: Reader, form: Form) -> SealedHeader:
        """Read the header that an encoded block begins with, and nothing of its body."""
        return self.read_header(r, form)

    def read_block(self, r: Reader, form: Form) -> BitcoinBlock:
        """Read a block."""
        header = self.read_header(r, form)
        return BitcoinBlock(header, r.many(read_transaction, 10))

    def write_block(self, w: Writer, block: BitcoinBlock, form: Form) -> None:
        """Write a block."""
        self.write_header(w, block.header, form)
        w.bytes(encode_block(block, form is Form.BARE)[80:])
