"""The accounts and slots that a transaction needs, as they were before it, as geth's prestateTracer gives them.

Whoever runs the transaction makes the tracer first, and names the accounts that the transaction itself touches.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from primitives.hashing import keccak256
from vm.evm.addresses import contract_address, delegate_of, salted_address
from vm.evm.api import Address, Frame, Result, World

_ACCOUNT_ON_TOP = frozenset((0x31, 0x3B, 0x3C, 0x3F, 0xFF))  # BALANCE, EXTCODE*, SELFDESTRUCT
_CALLS = frozenset((0xF1, 0xF2, 0xF4, 0xFA))


@dataclass(slots=True)
class _Seen:
    """An account as it was."""

    balance: int
    nonce: int
    code: bytes
    storage: dict[int, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.balance or self.nonce or self.code)


class PrestateTracer:
    """Looks at every account and slot before anything changes it."""

    def __init__(self, world: World, named: Iterable[Address], code: bool = True, storage: bool = True) -> None:
        self._world = world
        self._code, self._storage = code, storage
        self._seen: dict[Address, _Seen] = {}
        for address in named:
            self._look(address)

    def _look(self, address: Address) -> _Seen:
        seen = self._seen.get(address)
        if seen is None:
            world = self._world
            seen = _Seen(world.balance(address), world.nonce(address), world.code(address))
            self._seen[address] = seen
        return seen

    def enter(self, frame: Frame) -> None:
        """Look at the target."""
        self._look(frame.message.target)

    def step(self, frame: Frame, opcode: int) -> None:
        """Look at what the instruction names."""
        stack = frame.stack
        if opcode in (0x54, 0x55) and stack:  # SLOAD, SSTORE
            slots, key = self._look(frame.address).storage, stack[-1]
            if key not in slots:
                slots[key] = self._world.storage(frame.address, key)
        elif opcode in _ACCOUNT_ON_TOP and stack:
            self._look(_address(stack[-1]))
        elif opcode in _CALLS and len(stack) >= 5:
            target = _address(stack[-2])
            self._look(target)
            delegate = delegate_of(self._world.code(target))
            if delegate is not None:
                self._look(delegate)
        elif opcode == 0xF0:  # CREATE
            self._look(contract_address(frame.address, self._world.nonce(frame.address)))
        elif opcode == 0xF5 and len(stack) >= 4:  # CREATE2
            offset, size, salt = stack[-2], stack[-3], stack[-4]
            if size < 1 << 24:
                initcode = bytes(frame.memory[offset : offset + size]).ljust(size, b"\0")
                self._look(salted_address(frame.address, salt.to_bytes(32, "big"), initcode))

    def exit(self, frame: Frame, result: Result) -> None:
        """Ignore ends."""

    def json(self) -> dict[str, Any]:
        """Give all that was seen and not empty."""
        return {_hex(address): self._fields(seen) for address, seen in sorted(self._seen.items()) if not seen.is_empty}

    def diff(self) -> dict[str, Any]:
        """Give what was before and after, only where it differs; to be asked when the transaction has ended."""
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        world = self._world
        for address, seen in sorted(self._seen.items()):
            now = _Seen(
                world.balance(address),
                world.nonce(address),
                world.code(address),
                {key: world.storage(address, key) for key in seen.storage},
            )
            if now == seen:
                continue
            if not seen.is_empty:
                changed = {key: old for key, old in seen.storage.items() if old and old != now.storage[key]}
                before[_hex(address)] = self._fields(_Seen(seen.balance, seen.nonce, seen.code, changed))
            if not now.is_empty or not seen.is_empty:
                fields = self._changed(seen, now)
                if fields and world.exists(address):
                    after[_hex(address)] = fields
        return {"pre": before, "post": after}

    def _changed(self, seen: _Seen, now: _Seen) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if now.balance != seen.balance:
            fields["balance"] = hex(now.balance)
        if now.nonce != seen.nonce:
            fields["nonce"] = now.nonce
        if now.code != seen.code:
            if self._code:
                fields["code"] = _hex(now.code)
            if now.code:
                fields["codeHash"] = _hex(keccak256(now.code))
        slots = {key: new for key, new in now.storage.items() if new and new != seen.storage[key]}
        if self._storage and slots:
            fields["storage"] = {_word(key): _word(new) for key, new in slots.items()}
        return fields

    def _fields(self, seen: _Seen) -> dict[str, Any]:
        fields: dict[str, Any] = {"balance": hex(seen.balance)}
        if seen.nonce:
            fields["nonce"] = seen.nonce
        if seen.code:
            if self._code:
                fields["code"] = _hex(seen.code)
            fields["codeHash"] = _hex(keccak256(seen.code))
        if self._storage and seen.storage:
            fields["storage"] = {_word(key): _word(value) for key, value in seen.storage.items()}
        return fields


def _address(word: int) -> Address:
    return (word & (1 << 160) - 1).to_bytes(20, "big")


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _word(number: int) -> str:
    return f"0x{number:064x}"
