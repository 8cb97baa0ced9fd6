"""Calls, creations and SELFDESTRUCT.

A call only leaves its message in `frame.pending`; it knows no interpreter, which runs the message and resumes the frame.
"""

from vm.evm.addresses import contract_address, delegate_of, salted_address
from vm.evm.api import ENDED, Address, Frame, InitCodeTooLarge, Message, WriteProtection
from vm.evm.gas import CALL_STIPEND, CALL_VALUE, KECCAK_WORD, NEW_ACCOUNT, WARM_ACCESS, all_but_reserve, expand, words
from vm.evm.instructions.context import access, to_address

CALL, CALLCODE, DELEGATECALL, STATICCALL, CREATE, CREATE2 = 0xF1, 0xF2, 0xF4, 0xFA, 0xF0, 0xF5


def call(frame: Frame) -> bool:
    """Call an account, with value."""
    stack = frame.stack
    gas, target, value = stack.pop(), to_address(stack.pop()), stack.pop()
    if value and frame.message.is_static:
        raise WriteProtection
    data = _areas(frame)
    access(frame, target)
    if value:
        frame.charge(CALL_VALUE)
    if (value or not frame.fork.clears_empty) and _is_new(frame, target):
        frame.charge(NEW_ACCOUNT)
    _delegate(frame, target)
    passed = _passed_gas(frame, gas) + (CALL_STIPEND if value else 0)
    message = frame.message
    frame.pending = Message(
        frame.address, target, passed, value, data, False, None, True, message.is_static, message.depth + 1, CALL
    )
    return True


def call_code(frame: Frame) -> bool:
    """Run another account's code on this account, with value from itself to itself."""
    stack = frame.stack
    gas, source, value = stack.pop(), to_address(stack.pop()), stack.pop()
    data = _areas(frame)
    access(frame, source)
    if value:
        frame.charge(CALL_VALUE)
    _delegate(frame, source)
    passed = _passed_gas(frame, gas) + (CALL_STIPEND if value else 0)
    own, message = frame.address, frame.message
    frame.pending = Message(
        own, own, passed, value, data, False, source, True, message.is_static, message.depth + 1, CALLCODE
    )
    return True


def delegate_call(frame: Frame) -> bool:
    """Run another account's code on this account, with this call's own caller and value (EIP-7)."""
    stack = frame.stack
    gas, source = stack.pop(), to_address(stack.pop())
    data = _areas(frame)
    access(frame, source)
    _delegate(frame, source)
    passed, message = _passed_gas(frame, gas), frame.message
    frame.pending = Message(
        message.caller,
        frame.address,
        passed,
        message.value,
        data,
        False,
        source,
        False,
        message.is_static,
        message.depth + 1,
        DELEGATECALL,
    )
    return True


def static_call(frame: Frame) -> bool:
    """Call an account that must not change state (EIP-214)."""
    stack = frame.stack
    gas, target = stack.pop(), to_address(stack.pop())
    data = _areas(frame)
    access(frame, target)
    _delegate(frame, target)
    passed = _passed_gas(frame, gas)
    frame.pending = Message(
        frame.address, target, passed, 0, data, False, None, True, True, frame.message.depth + 1, STATICCALL
    )
    return True


def _areas(frame: Frame) -> bytes:
    """Expand memory for a call's input and output, remember the output's place, and read the input."""
    stack = frame.stack
    offset, size, out_offset, out_size = stack.pop(), stack.pop(), stack.pop(), stack.pop()
    expand(frame, offset, size)
    expand(frame, out_offset, out_size)
    frame.return_area = (out_offset, out_size)
    return bytes(frame.memory[offset : offset + size])


def _is_new(frame: Frame, target: Address) -> bool:
    if frame.fork.clears_empty:
        return frame.world.is_dead(target)
    return not frame.world.exists(target)


def _delegate(frame: Frame, target: Address) -> None:
    """Charge for the account that the called one delegates to (EIP-7702); the interpreter finds it again."""
    if frame.fork.has_delegation:
        delegate = delegate_of(frame.world.code(target))
        if delegate is not None:
            frame.charge(WARM_ACCESS)
            access(frame, delegate)


def _passed_gas(frame: Frame, asked: int) -> int:
    """Take the gas that goes with a call: what is asked, from EIP-150 on at most all but a 64th.

    Raises OutOfGas.
    """
    passed = min(asked, all_but_reserve(frame.gas)) if frame.fork.keeps_reserve else asked
    frame.charge(passed)
    return passed


def create(frame: Frame) -> bool:
    """Make a contract whose address follows from this account's nonce."""
    stack = frame.stack
    value, offset, size = stack.pop(), stack.pop(), stack.pop()
    initcode = _initcode(frame, offset, size)
    target = contract_address(frame.address, frame.world.nonce(frame.address))
    return _create(frame, target, value, initcode, CREATE)


def create2(frame: Frame) -> bool:
    """Make a contract whose address follows from a salt and its init code (EIP-1014)."""
    stack = frame.stack
    value, offset, size, salt = stack.pop(), stack.pop(), stack.pop(), stack.pop()
    frame.charge(KECCAK_WORD * words(size))
    initcode = _initcode(frame, offset, size)
    target = salted_address(frame.address, salt.to_bytes(32, "big"), initcode)
    return _create(frame, target, value, initcode, CREATE2)


def _initcode(frame: Frame, offset: int, size: int) -> bytes:
    """Price and read init code. Raises WriteProtection, InitCodeTooLarge (EIP-3860)."""
    if frame.message.is_static:
        raise WriteProtection
    fork = frame.fork
    if fork.max_initcode_size is not None and size > fork.max_initcode_size:
        raise InitCodeTooLarge
    frame.charge(fork.initcode_word_gas * words(size))
    expand(frame, offset, size)
    return bytes(frame.memory[offset : offset + size])


def _create(frame: Frame, target: Address, value: int, initcode: bytes, kind: int) -> bool:
    passed = all_but_reserve(frame.gas) if frame.fork.keeps_reserve else frame.gas
    frame.gas -= passed
    frame.pending = Message(
        frame.address, target, passed, value, initcode, True, None, True, False, frame.message.depth + 1, kind
    )
    return True


def self_destruct(frame: Frame) -> bool:
    """Send this account's balance to another and mark this one to be removed; from EIP-6780 on only if it is new."""
    if frame.message.is_static:
        raise WriteProtection
    fork, world, own = frame.fork, frame.world, frame.address
    heir = to_address(frame.stack.pop())
    if fork.has_access_sets and not world.warm_address(heir):
        frame.charge(fork.cold_address_gas)
    balance = world.balance(own)
    if (balance or not fork.clears_empty) and _is_new(frame, heir):
        frame.charge(fork.selfdestruct_new_account_gas)
    if fork.selfdestruct_refund and not world.is_destroyed(own):
        world.add_refund(fork.selfdestruct_refund)
    removed = not fork.destroys_only_created or world.is_created(own)
    if heir != own:
        world.set_balance(heir, world.balance(heir) + balance)
    if heir != own or removed:
        world.set_balance(own, 0)
    if removed:
        world.destroy(own)
    frame.output = b""
    frame.pc = ENDED
    return True
