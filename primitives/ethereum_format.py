"""EthereumFormat: Ethereum's blocks and transactions in the node's three forms.

Self-delimiting RLP where a block stands alone for clients; length-prefixed in what the node stores and peers exchange.
"""

from __future__ import annotations

from dataclasses import dataclass

from primitives import rlp
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.ethereum import EthereumBlock, EthereumHeader, block_from_item, decode_header, encode_header
from primitives.ethereum_directives import with_senders
from primitives.ethereum_tx import EthereumTransaction, decode_network_transaction, decode_transaction


@dataclass(frozen=True, slots=True)
class EthereumFormat:
    """Ethereum's codec. `client`: the plain bytes. `store` and `wire`: a length before them, and a block's directives behind."""

    name: str = "ethereum"
    stored_as_sent: bool = True

    def read_tx(self, r: Reader, form: Form) -> EthereumTransaction:
        """Read a transaction; one that travels may bring its blobs."""
        if form is Form.CLIENT:
            return decode_transaction(r.bytes(r.left))
        return decode_network_transaction(r.var_bytes())

    def write_tx(self, w: Writer, tx: EthereumTransaction, form: Form) -> None:
        """Write a transaction, its blobs too unless it is for clients."""
        if form is Form.CLIENT:
            w.bytes(tx.raw)
        else:
            w.var_bytes(tx.network)

    def read_header(self, r: Reader, form: Form) -> EthereumHeader:
        """Read a header."""
        return decode_header(r.bytes(r.left) if form is Form.CLIENT else r.var_bytes())

    def write_header(self, w: Writer, header: EthereumHeader, form: Form) -> None:
        """Write a header."""
        data = encode_header(header)
        if form is Form.CLIENT:
            w.bytes(data)
        else:
            w.var_bytes(data)

    def read_block(self, r: Reader, form: Form) -> EthereumBlock:
        """Read a block."""
        if form is Form.CLIENT:
            return block_from_item(rlp.decode(r.bytes(r.left)))
        return with_senders(block_from_item(rlp.decode(r.var_bytes()), r.var_bytes()))

    def write_block(self, w: Writer, block: EthereumBlock, form: Form) -> None:
        """Write a block; its directives are left out for clients."""
        if form is Form.CLIENT:
            w.bytes(block.raw)
        else:
            w.var_bytes(block.raw).var_bytes(block.directives)
