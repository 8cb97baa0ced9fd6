"""Orders that leave no trace of the wallet that made them: keys of a multisig (BIP67), inputs and outputs (BIP69).

Refuses to know what is ordered beyond the bytes compared.
"""

from collections.abc import Iterable, Sequence

from primitives.bitcoin import TxOutput


def sort_keys(keys: Iterable[bytes]) -> list[bytes]:
    """Public keys in the order of their compressed bytes (BIP67)."""
    return sorted(keys)


def input_order(outpoints: Sequence[bytes]) -> list[int]:
    """The places of inputs in BIP69's order: by transaction id as it is displayed, then by index."""
    return sorted(
        range(len(outpoints)), key=lambda at: (outpoints[at][31::-1], int.from_bytes(outpoints[at][32:], "little"))
    )


def output_order(outputs: Sequence[TxOutput]) -> list[int]:
    """The places of outputs in BIP69's order: by value, then by script."""
    return sorted(range(len(outputs)), key=lambda at: (outputs[at].value, outputs[at].script))
