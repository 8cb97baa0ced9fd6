"""What code learns of its call, transaction, block and of other accounts; and copies of such data.

It changes no state but warm sets.
"""

from primitives.hashing import keccak256
from vm.evm.api import Address, Frame, ReturnDataOutOfBounds
from vm.evm.gas import COPY_WORD, KECCAK_WORD, WARM_ACCESS, expand, words

ADDRESS_MASK = (1 << 160) - 1


def to_address(word: int) -> Address:
    """Take the low 20 bytes of a word."""
    return (word & ADDRESS_MASK).to_bytes(20, "big")


def access(frame: Frame, address: Address) -> None:
    """Charge what a cold account costs beyond a warm one, and warm it (EIP-2929); free before Berlin."""
    if frame.fork.has_access_sets and not frame.world.warm_address(address):
        frame.charge(frame.fork.cold_address_gas - WARM_ACCESS)


def keccak(frame: Frame) -> None:
    """Push the hash of a piece of memory."""
    stack = frame.stack
    offset, size = stack.pop(), stack[-1]
    frame.charge(KECCAK_WORD * words(size))
    expand(frame, offset, size)
    stack[-1] = int.from_bytes(keccak256(frame.memory[offset : offset + size]), "big")


def address(frame: Frame) -> None:
    """Push the account whose storage this frame uses."""
    frame.stack.append(int.from_bytes(frame.address, "big"))


def balance(frame: Frame) -> None:
    """Push an account's balance."""
    stack = frame.stack
    whose = to_address(stack[-1])
    access(frame, whose)
    stack[-1] = frame.world.balance(whose)


def self_balance(frame: Frame) -> None:
    """Push this account's balance (EIP-1884)."""
    frame.stack.append(frame.world.balance(frame.address))


def origin(frame: Frame) -> None:
    """Push the sender of the transaction."""
    frame.stack.append(int.from_bytes(frame.tx.origin, "big"))


def caller(frame: Frame) -> None:
    """Push the account that called."""
    frame.stack.append(int.from_bytes(frame.message.caller, "big"))


def call_value(frame: Frame) -> None:
    """Push the wei sent with the call."""
    frame.stack.append(frame.message.value)


def call_data_load(frame: Frame) -> None:
    """Push the word at an offset of the input, zero-padded."""
    stack = frame.stack
    offset = stack[-1]
    stack[-1] = int.from_bytes(frame.data[offset : offset + 32].ljust(32, b"\0"), "big")


def call_data_size(frame: Frame) -> None:
    """Push the length of the input."""
    frame.stack.append(len(frame.data))


def _copy(frame: Frame, source: bytes) -> None:
    stack = frame.stack
    target, offset, size = stack.pop(), stack.pop(), stack.pop()
    frame.charge(COPY_WORD * words(size))
    expand(frame, target, size)
    if size:
        frame.memory[target : target + size] = source[offset : offset + size].ljust(size, b"\0")


def call_data_copy(frame: Frame) -> None:
    """Copy input to memory, zero-padded."""
    _copy(frame, frame.data)


def code_size(frame: Frame) -> None:
    """Push the length of the running code."""
    frame.stack.append(len(frame.code))


def code_copy(frame: Frame) -> None:
    """Copy running code to memory, zero-padded."""
    _copy(frame, frame.code)


def gas_price(frame: Frame) -> None:
    """Push the price that the transaction pays for gas."""
    frame.stack.append(frame.tx.gas_price)


def ext_code_size(frame: Frame) -> None:
    """Push the length of an account's code."""
    stack = frame.stack
    whose = to_address(stack[-1])
    access(frame, whose)
    stack[-1] = len(frame.world.code(whose))


def ext_code_copy(frame: Frame) -> None:
    """Copy an account's code to memory, zero-padded."""
    whose = to_address(frame.stack.pop())
    access(frame, whose)
    _copy(frame, frame.world.code(whose))


def ext_code_hash(frame: Frame) -> None:
    """Push the hash of an account's code, zero for a dead account (EIP-1052)."""
    stack = frame.stack
    whose = to_address(stack[-1])
    access(frame, whose)
    world = frame.world
    stack[-1] = 0 if world.is_dead(whose) else int.from_bytes(world.code_hash(whose), "big")


def return_data_size(frame: Frame) -> None:
    """Push the length of what the last call returned (EIP-211)."""
    frame.stack.append(len(frame.return_data))


def return_data_copy(frame: Frame) -> None:
    """Copy what the last call returned to memory; beyond its end is a fault, not zeros (EIP-211)."""
    stack = frame.stack
    target, offset, size = stack.pop(), stack.pop(), stack.pop()
    frame.charge(COPY_WORD * words(size))
    expand(frame, target, size)
    if offset + size > len(frame.return_data):
        raise ReturnDataOutOfBounds
    if size:
        frame.memory[target : target + size] = frame.return_data[offset : offset + size]


def block_hash(frame: Frame) -> None:
    """Push the hash of one of the last 256 blocks, zero for any other number."""
    stack = frame.stack
    number, now = stack[-1], frame.block.number
    stack[-1] = int.from_bytes(frame.block.block_hash(number), "big") if now - 256 <= number < now else 0


def coinbase(frame: Frame) -> None:
    """Push who gets the block's fees."""
    frame.stack.append(int.from_bytes(frame.block.coinbase, "big"))


def timestamp(frame: Frame) -> None:
    """Push the block's time."""
    frame.stack.append(frame.block.timestamp)


def number(frame: Frame) -> None:
    """Push the block's height."""
    frame.stack.append(frame.block.number)


def difficulty(frame: Frame) -> None:
    """Push the block's difficulty."""
    frame.stack.append(frame.block.difficulty)


def randao(frame: Frame) -> None:
    """Push the block's random word, in DIFFICULTY's place (EIP-4399)."""
    frame.stack.append(int.from_bytes(frame.block.randao, "big"))


def gas_limit(frame: Frame) -> None:
    """Push the block's gas limit."""
    frame.stack.append(frame.block.gas_limit)


def chain_id(frame: Frame) -> None:
    """Push the chain's number (EIP-1344)."""
    frame.stack.append(frame.block.chain_id)


def base_fee(frame: Frame) -> None:
    """Push the block's base fee (EIP-3198)."""
    frame.stack.append(frame.block.base_fee)


def blob_hash(frame: Frame) -> None:
    """Push one of the transaction's blob hashes, zero beyond the last (EIP-4844)."""
    stack = frame.stack
    index, hashes = stack[-1], frame.tx.blob_hashes
    stack[-1] = int.from_bytes(hashes[index], "big") if index < len(hashes) else 0


def blob_base_fee(frame: Frame) -> None:
    """Push the block's price of blob gas (EIP-7516)."""
    frame.stack.append(frame.block.blob_base_fee)
