"""A partially signed transaction as data: inputs, outputs, and what signing them takes (BIP174, 370, 371, 373).

Refuses to know its encoding (psbt_codec.py) and its roles (psbt_roles.py).
"""

from dataclasses import dataclass, field
from typing import Final

from primitives.bitcoin import FINAL_SEQUENCE, Transaction, TxInput, TxOutput
from primitives.errors import DecodeError
from wallet.descriptor_keys import Origin
from wallet.signing import InputData

TIME_THRESHOLD: Final = 500_000_000
Unknown = dict[tuple[int, bytes], bytes]
TapOrigins = dict[bytes, tuple[tuple[bytes, ...], Origin]]


@dataclass(slots=True)
class PsbtInput:
    """An input: what it spends, what signing it takes, what was signed."""

    point: bytes = b""
    sequence: int = FINAL_SEQUENCE
    previous: Transaction | None = None
    witness_utxo: TxOutput | None = None
    data: InputData = field(default_factory=InputData)
    origins: dict[bytes, Origin] = field(default_factory=dict)
    tap_origins: TapOrigins = field(default_factory=dict)
    preimages: Unknown = field(default_factory=dict)
    musig: Unknown = field(default_factory=dict)
    least_time: int | None = None
    least_height: int | None = None
    unknown: Unknown = field(default_factory=dict)

    @property
    def spent(self) -> TxOutput | None:
        """The output that it spends, if it is told."""
        if self.witness_utxo is not None:
            return self.witness_utxo
        vout = int.from_bytes(self.point[32:], "little")
        if self.previous is not None and vout < len(self.previous.outputs):
            return self.previous.outputs[vout]
        return None


@dataclass(slots=True)
class PsbtOutput:
    """An output, and how its script is made if that is told."""

    value: int = 0
    script: bytes = b""
    redeem: bytes = b""
    witness_script: bytes = b""
    origins: dict[bytes, Origin] = field(default_factory=dict)
    internal: bytes = b""
    tree: bytes = b""
    tap_origins: TapOrigins = field(default_factory=dict)
    musig: Unknown = field(default_factory=dict)
    unknown: Unknown = field(default_factory=dict)


@dataclass(slots=True)
class Psbt:
    """A transaction that is being signed."""

    inputs: list[PsbtInput] = field(default_factory=list)
    outputs: list[PsbtOutput] = field(default_factory=list)
    version: int = 0
    tx_version: int = 2
    lock_time: int | None = 0  # v0: the transaction's; v2: the fallback
    xpubs: dict[bytes, Origin] = field(default_factory=dict)
    modifiable: int | None = None
    unknown: Unknown = field(default_factory=dict)
    states_version: bool = False  # a v0 that says so

    @property
    def tx(self) -> Transaction:
        """The unsigned transaction. Raises DecodeError where a v2's inputs want lock times of both kinds."""
        inputs = tuple(TxInput(i.point, b"", i.sequence) for i in self.inputs)
        outputs = tuple(TxOutput(o.value, o.script) for o in self.outputs)
        return Transaction(self.tx_version, inputs, outputs, self.settled_lock_time())

    def settled_lock_time(self) -> int:
        """The lock time: given in v0, in v2 the greatest that an input asks for (BIP370, determining lock time)."""
        asking = [i for i in self.inputs if i.least_time is not None or i.least_height is not None]
        if self.version < 2 or not asking:
            return self.lock_time or 0
        heights = [i.least_height for i in asking if i.least_height is not None]
        if len(heights) == len(asking):
            return max(heights)
        times = [i.least_time for i in asking if i.least_time is not None]
        if len(times) == len(asking):
            return max(times)
        raise DecodeError("the inputs ask for lock times of different kinds")

    def fee(self) -> int | None:
        """The fee, if all coins are known."""
        spent = [i.spent for i in self.inputs]
        total = sum(out.value for out in spent if out is not None)
        return None if None in spent else total - sum(o.value for o in self.outputs)
