"""Slots that contracts choose so that their integers hash alike: the state must not become slow by them."""

import time

from ledger.account.state import State
from tests.vectors.ethereum_data import Memory

ALIKE = 2**61 - 1  # Python's hash of an integer is its rest modulo this


def test_slots_with_equal_integer_hashes_cost_no_more_than_others() -> None:
    def spent(step: int) -> float:
        state, address = State(Memory()), b"\xaa" * 20
        begin = time.process_time()
        for n in range(6_000):
            slot = n * step
            state.warm_slot(address, slot)
            state.set_transient(address, slot, 1)
            state.set_storage(address, slot, 1)
        return time.process_time() - begin

    assert spent(ALIKE) < 10 * spent(1) + 0.5  # they took minutes where slots were keyed by integers
