"""How the region compiler writes single instructions as Python: expressions over operands a (the top), b and c.

It knows no control flow and no constant gas. Each line says again what a function of vm/evm/instructions/ does, for speed.
"""

from typing import Any, Final

from primitives.hashing import keccak256
from vm.evm.api import Cancelled, InvalidJump, OutOfGas, undefined
from vm.evm.gas import expand
from vm.evm.instructions.arithmetic import power, sign_extended, signed, signed_quotient, signed_rest

M: Final = f"{2**256 - 1:#x}"
S: Final = f"{2**255:#x}"

NAMES: Final[dict[str, Any]] = {
    "Cancelled": Cancelled,
    "InvalidJump": InvalidJump,
    "OutOfGas": OutOfGas,
    "expand": expand,
    "from_bytes": int.from_bytes,
    "keccak256": keccak256,
    "power": power,
    "sign_extended": sign_extended,
    "signed": signed,
    "signed_quotient": signed_quotient,
    "signed_rest": signed_rest,
    "undefined": undefined,
}
"""What the generated functions may name."""

PURE: Final = {
    "ADD": f"({{a}} + {{b}}) & {M}",
    "MUL": f"({{a}} * {{b}}) & {M}",
    "SUB": f"({{a}} - {{b}}) & {M}",
    "DIV": "{a} // {b} if {b} else 0",
    "SDIV": "signed_quotient({a}, {b})",
    "MOD": "{a} % {b} if {b} else 0",
    "SMOD": "signed_rest({a}, {b})",
    "ADDMOD": "({a} + {b}) % {c} if {c} else 0",
    "MULMOD": "({a} * {b}) % {c} if {c} else 0",
    "SIGNEXTEND": "sign_extended({a}, {b})",
    "AND": "{a} & {b}",
    "OR": "{a} | {b}",
    "XOR": "{a} ^ {b}",
    "NOT": f"{{a}} ^ {M}",
    "BYTE": "({b} >> (248 - 8 * {a})) & 255 if {a} < 32 else 0",
    "SHL": f"({{b}} << {{a}}) & {M} if {{a}} < 256 else 0",
    "SHR": "{b} >> {a} if {a} < 256 else 0",
    "SAR": f"(signed({{b}}) >> min({{a}}, 256)) & {M}",
    "CLZ": "256 - ({a}).bit_length()",
}
"""Results that follow from the operands alone; they are computed beforehand where the operands are known."""

CONDITIONS: Final = {
    "LT": ("{a} < {b}", "{a} >= {b}"),
    "GT": ("{a} > {b}", "{a} <= {b}"),
    "SLT": (f"({{a}} ^ {S}) < ({{b}} ^ {S})", f"({{a}} ^ {S}) >= ({{b}} ^ {S})"),
    "SGT": (f"({{a}} ^ {S}) > ({{b}} ^ {S})", f"({{a}} ^ {S}) <= ({{b}} ^ {S})"),
    "EQ": ("{a} == {b}", "{a} != {b}"),
}
"""Comparisons and their opposites, written only where their result is used."""

READS: Final = {
    "CALLDATALOAD": 'from_bytes(data[{a} : {a} + 32].ljust(32, b"\\0"), "big")',
    "CALLDATASIZE": "len(data)",
    "CODESIZE": "len(frame.code)",
    "RETURNDATASIZE": "len(frame.return_data)",
    "CALLVALUE": "message.value",
    "CALLER": 'from_bytes(message.caller, "big")',
    "ADDRESS": 'from_bytes(address, "big")',
    "ORIGIN": 'from_bytes(frame.tx.origin, "big")',
    "GASPRICE": "frame.tx.gas_price",
    "TIMESTAMP": "frame.block.timestamp",
    "NUMBER": "frame.block.number",
    "CHAINID": "frame.block.chain_id",
    "BASEFEE": "frame.block.base_fee",
    "MSIZE": "len(memory)",
    "GAS": "gas",
    "TLOAD": "world.transient(address, {a})",
}
"""Results that follow from the frame; no gas beyond the constant part."""

_SPEND = "if gas < 0: raise OutOfGas"
_EXPAND = "if {a} + {size} > len(memory): frame.gas = gas; expand(frame, {a}, {size}); gas = frame.gas"

LINES: Final = {
    "MLOAD": (_EXPAND.replace("{size}", "32"), '{out} = from_bytes(memory[{a} : {a} + 32], "big")'),
    "MSTORE": (_EXPAND.replace("{size}", "32"), 'memory[{a} : {a} + 32] = ({b}).to_bytes(32, "big")'),
    "MSTORE8": (_EXPAND.replace("{size}", "1"), "memory[{a}] = {b} & 255"),
    "KECCAK256": (
        "gas -= ({b} + 31 >> 5) * 6",
        _SPEND,
        "if {b} and {a} + {b} > len(memory): frame.gas = gas; expand(frame, {a}, {b}); gas = frame.gas",
        '{out} = from_bytes(keccak256(memory[{a} : {a} + {b}]), "big")',
    ),
    "EXP": (
        "gas -= (({b}).bit_length() + 7 >> 3) * {exp_byte_gas}",
        _SPEND,
        "{out} = power({a}, {b})",
    ),
}
"""Instructions with gas that depends on operands."""

COLD_SLOAD: Final = (
    "if not world.warm_slot(address, {a}):",
    "    gas -= {cold}",
    "    if gas < 0: raise OutOfGas",
)
"""What comes before a read of storage where slots can be cold (EIP-2929)."""
