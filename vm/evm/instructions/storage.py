"""SLOAD, SSTORE and their transient twins.

It knows no trie; what storage was when the transaction began is the World's to tell.
"""

from vm.evm.api import Frame, OutOfGas, WriteProtection
from vm.evm.gas import WARM_ACCESS

STORAGE_SET = 20_000


def sload(frame: Frame) -> None:
    """Push the word stored at a key. A slot is warm once this transaction touched it (EIP-2929)."""
    stack = frame.stack
    key = stack[-1]
    fork, world = frame.fork, frame.world
    if fork.has_access_sets and not world.warm_slot(frame.address, key):
        frame.charge(fork.cold_slot_gas - WARM_ACCESS)
    stack[-1] = world.storage(frame.address, key)


def sstore(frame: Frame) -> None:
    """Store a word; the price looks only at whether zero becomes nonzero (Frontier to Byzantium, and Petersburg)."""
    if frame.message.is_static:
        raise WriteProtection
    stack = frame.stack
    key, new = stack.pop(), stack.pop()
    world, fork, address = frame.world, frame.fork, frame.address
    current = world.storage(address, key)
    frame.charge(STORAGE_SET if new and not current else fork.storage_reset_gas)
    if current and not new:
        world.add_refund(fork.storage_clear_refund)
    world.set_storage(address, key, new)


def sstore_net(frame: Frame) -> None:
    """Store a word; the price looks at what the slot was when the transaction began (EIP-1283, EIP-2200, EIP-2929)."""
    if frame.message.is_static:
        raise WriteProtection
    fork = frame.fork
    if frame.gas <= fork.storage_reserve:
        raise OutOfGas
    stack = frame.stack
    key, new = stack.pop(), stack.pop()
    world, address = frame.world, frame.address
    if fork.has_access_sets and not world.warm_slot(address, key):
        frame.charge(fork.cold_slot_gas)
    current = world.storage(address, key)
    noop, reset = fork.noop_storage_gas, fork.storage_reset_gas
    if current == new:
        frame.charge(noop)
        return
    original = world.original_storage(address, key)
    if original == current:
        frame.charge(reset if original else STORAGE_SET)
        if original and not new:
            world.add_refund(fork.storage_clear_refund)
    else:
        frame.charge(noop)
        refund = 0
        if original:
            if not current:
                refund -= fork.storage_clear_refund
            elif not new:
                refund += fork.storage_clear_refund
        if original == new:
            refund += (reset if original else STORAGE_SET) - noop
        if refund:
            world.add_refund(refund)
    world.set_storage(address, key, new)


def tload(frame: Frame) -> None:
    """Push a word of transient storage (EIP-1153)."""
    stack = frame.stack
    stack[-1] = frame.world.transient(frame.address, stack[-1])


def tstore(frame: Frame) -> None:
    """Store a word of transient storage (EIP-1153)."""
    if frame.message.is_static:
        raise WriteProtection
    stack = frame.stack
    key, value = stack.pop(), stack.pop()
    frame.world.set_transient(frame.address, key, value)
