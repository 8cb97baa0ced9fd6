"""Runs a message and all that it calls, on an explicit stack of frames: depth costs no Python recursion.

It knows no transaction: intrinsic gas, refunds and fees are the ledger's.
"""

from collections.abc import Sized

from vm.evm.addresses import delegate_of
from vm.evm.api import (
    ENDED,
    AddressCollision,
    BlockContext,
    CallDepth,
    Cancelled,
    CodeStorageOutOfGas,
    CodeTooLarge,
    Fork,
    Frame,
    Halt,
    InsufficientBalance,
    InvalidCode,
    Message,
    NonceOverflow,
    OutOfGas,
    Precompile,
    Result,
    Revert,
    StackOverflow,
    StackUnderflow,
    Tracer,
    TxContext,
    World,
)
from vm.evm.regions import book_of, compile_region, stepped

DEPTH_LIMIT = 1_024
HOT = 32  # arrivals at a position before its region is compiled
CREDIT = 1  # gas that the code must have spent in steps beyond what its regions have cost
REGIONS = 1_024  # of one code
NONCE_LIMIT = 2**64 - 1


def run(
    message: Message,
    world: World,
    block: BlockContext,
    tx: TxContext,
    fork: Fork,
    tracer: Tracer | None = None,
    stop: Sized = (),
) -> Result:
    """Carry out a call or a creation. What failed has left no change in the world but the caller's nonce.

    Another thread may end the run by putting anything into `stop`, a list. Raises Cancelled then, and for nothing else.
    """
    frame = Frame(message, world, block, tx, fork, tracer, stop)
    waiting: list[Frame] = []
    if tracer:
        tracer.enter(frame)
    result = _begin(frame)
    while True:
        if result is None:
            result = _execute(frame)
        if result is None:  # the frame waits for a call
            assert frame.pending is not None
            waiting.append(frame)
            frame = Frame(frame.pending, world, block, tx, fork, tracer, stop)
            if tracer:
                tracer.enter(frame)
            result = _begin(frame)
            continue
        if tracer:
            tracer.exit(frame, result)
        if not waiting:
            return result
        ended, frame = frame, waiting.pop()
        _resume(frame, ended.message, result)
        result = None


def _begin(frame: Frame) -> Result | None:
    """Prepare a frame for its first instruction, or give the result if there is none to run."""
    message, world = frame.message, frame.world
    if message.depth > DEPTH_LIMIT:
        return Result(message.gas, b"", CallDepth())
    value = message.value if message.moves_value else 0
    if value and world.balance(message.caller) < value:
        return Result(message.gas, b"", InsufficientBalance())
    if message.is_create:
        return _begin_creation(frame)
    frame.snapshot = world.snapshot()
    target = message.target
    if value:
        world.set_balance(message.caller, world.balance(message.caller) - value)
        world.set_balance(target, world.balance(target) + value)
    else:
        world.touch(target)
    fork, source = frame.fork, message.code_address or target
    precompile = fork.precompiles.get(source)
    if precompile:
        return _run_precompile(frame, precompile)
    code = world.code(source)
    if fork.has_delegation and (delegate := delegate_of(code)):
        if message.depth == 0:
            world.warm_address(delegate)
        code = world.code(delegate)
    if not code:
        return Result(message.gas, b"")
    frame.code = code
    frame.book = book_of(code, fork)
    frame.data = message.data
    return None


def _begin_creation(frame: Frame) -> Result | None:
    message, world, fork, target = frame.message, frame.world, frame.fork, frame.address
    if message.depth:
        nonce = world.nonce(message.caller)
        if nonce >= NONCE_LIMIT:
            return Result(message.gas, b"", NonceOverflow())
        world.set_nonce(message.caller, nonce + 1)
    if fork.has_access_sets:
        world.warm_address(target)
    if world.nonce(target) or world.code(target) or world.has_storage(target):
        return Result(0, b"", AddressCollision())
    frame.snapshot = world.snapshot()
    world.create_account(target)
    if fork.contract_nonce:
        world.set_nonce(target, fork.contract_nonce)
    if message.value:
        world.set_balance(message.caller, world.balance(message.caller) - message.value)
        world.set_balance(target, world.balance(target) + message.value)
    else:
        world.touch(target)
    frame.code = message.data
    frame.book = book_of(message.data, fork)
    return None


def _run_precompile(frame: Frame, precompile: Precompile) -> Result:
    data = frame.message.data
    try:
        frame.charge(precompile.price(data))
        return Result(frame.gas, precompile.run(data))
    except Halt as halt:
        frame.world.revert(frame.snapshot)
        return Result(0, b"", halt)


def _execute(frame: Frame) -> Result | None:
    """Run a frame until it ends or, giving None, waits for the call in `frame.pending`."""
    try:
        if frame.tracer:
            _traced_loop(frame, frame.tracer)
        else:
            _loop(frame)
        if frame.pending:
            return None
        if frame.message.is_create:
            _deploy(frame)
        return Result(frame.gas, frame.output)
    except Revert as halt:
        frame.world.revert(frame.snapshot)
        return Result(frame.gas, frame.output, halt)
    except Halt as halt:
        frame.world.revert(frame.snapshot)
        return Result(0, b"", halt)


def _loop(frame: Frame) -> None:
    """Run until the frame ends or waits: in compiled regions where control came often, else step by step."""
    book = frame.book
    regions, heat, stop = book.regions, book.heat, frame.stop
    pc = frame.pc
    while True:
        if stop:
            raise Cancelled
        region = regions.get(pc)
        if region is None:
            count = heat[pc] = heat.get(pc, 0) + 1
            if count >= HOT and book.credit >= CREDIT and len(regions) < REGIONS:
                region = regions[pc] = compile_region(book, frame.fork, pc)
        if region is not None:
            pc = region(frame)
            if pc >= 0:
                continue
            if pc == ENDED:
                return
            pc = stepped(pc)
        frame.pc, gas = pc, frame.gas
        _step(frame)
        pc, pending = frame.pc, frame.pending
        book.credit += gas - frame.gas
        if pending is not None:
            book.credit -= pending.gas
            return
        if pc == ENDED:
            return


def _step(frame: Frame) -> None:
    """Run instructions one by one until one does not lead to the next."""
    rows, code, stack = frame.fork.rows, frame.code, frame.stack
    end = len(code)
    while (pc := frame.pc) < end:
        run, gas, least, most = rows[code[pc]]
        depth = len(stack)
        if depth < least:
            raise StackUnderflow(f"stack underflow ({depth} <=> {least})")
        if depth > most:
            raise StackOverflow(f"stack limit reached {depth} ({most})")
        frame.gas -= gas
        if frame.gas < 0:
            raise OutOfGas
        frame.pc = pc + 1
        if run(frame):
            return
    frame.output = b""
    frame.pc = ENDED


def _traced_loop(frame: Frame, tracer: Tracer) -> None:
    rows, code, stack = frame.fork.rows, frame.code, frame.stack
    end = len(code)
    while (pc := frame.pc) < end:
        if frame.stop:
            raise Cancelled
        tracer.step(frame, code[pc])
        run, gas, least, most = rows[code[pc]]
        depth = len(stack)
        if depth < least:
            raise StackUnderflow(f"stack underflow ({depth} <=> {least})")
        if depth > most:
            raise StackOverflow(f"stack limit reached {depth} ({most})")
        frame.charge(gas)
        frame.pc = pc + 1
        if run(frame) and (frame.pc == ENDED or frame.pending is not None):
            return
    tracer.step(frame, 0)
    frame.output = b""
    frame.pc = ENDED


def _deploy(frame: Frame) -> None:
    """Store what init code returned as the new contract's code.

    Raises InvalidCode (EIP-3541), CodeTooLarge (EIP-170), CodeStorageOutOfGas (EIP-2).
    """
    fork, code = frame.fork, frame.output
    if fork.max_code_size is not None and len(code) > fork.max_code_size:
        raise CodeTooLarge
    if fork.forbidden_code_prefix and code.startswith(fork.forbidden_code_prefix):
        raise InvalidCode
    price = fork.code_deposit_gas * len(code)
    if frame.gas >= price:
        frame.gas -= price
        frame.world.set_code(frame.address, code)
    elif fork.code_deposit_must_pay:
        raise CodeStorageOutOfGas
    else:
        frame.output = b""


def _resume(frame: Frame, message: Message, result: Result) -> None:
    """Give a waiting frame what its call came to: gas, a word on the stack, return data, memory."""
    frame.pending = None
    frame.gas += result.gas_left
    halt, output = result.halt, result.output
    if message.is_create:
        frame.return_data = b"" if halt is None else output
        frame.stack.append(0 if halt else int.from_bytes(message.target, "big"))
        return
    frame.return_data = output
    frame.stack.append(0 if halt else 1)
    offset, size = frame.return_area
    if size and output:
        size = min(size, len(output))
        frame.memory[offset : offset + size] = output[:size]
