"""SipHash against its paper and its twin; attributes that are computed once."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from primitives.hashing import TWINS, siphash
from primitives.lazy import lazy

KEYS = 0x0706050403020100, 0x0F0E0D0C0B0A0908


def test_siphash_of_its_paper() -> None:
    assert siphash(*KEYS, bytes(range(15))) == 0xA129CA6149BE45E5
    assert siphash(*KEYS, b"") == 0x726FDB47DD0E0E31


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=100))
def test_siphash_and_its_twin_agree(k0: int, k1: int, data: bytes) -> None:
    assert siphash(k0, k1, data) == TWINS["siphash"](k0, k1, data)


def test_a_lazy_attribute_is_computed_once_even_where_nothing_may_be_set() -> None:
    calls = []

    @dataclass(frozen=True)
    class Thing:
        number: int

        @lazy
        def square(self) -> int:
            """The number times itself."""
            calls.append(self.number)
            return self.number**2

    thing = Thing(7)
    assert (thing.square, thing.square, Thing(8).square) == (49, 49, 64)
    assert calls == [7, 8]
    assert Thing.square.__doc__ == "The number times itself."
