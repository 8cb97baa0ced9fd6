"""Script numbers and truth values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vm.script.errors import ScriptError
from vm.script.stack import from_number, to_number, truth


@pytest.mark.parametrize(
    ("number", "item"),
    [
        (0, ""),
        (1, "01"),
        (-1, "81"),
        (127, "7f"),
        (-127, "ff"),
        (128, "8000"),
        (-128, "8080"),
        (255, "ff00"),
        (-255, "ff80"),
        (256, "0001"),
        (-256, "0081"),
        (32767, "ff7f"),
        (32768, "008000"),
        (2**31 - 1, "ffffff7f"),
        (-(2**31) + 1, "ffffffff"),
        (2**31, "0000008000"),
        (2**32, "0000000001"),
        (2**39 - 1, "ffffffff7f"),
    ],
)
def test_a_number_has_one_shortest_form(number: int, item: str) -> None:
    assert from_number(number).hex() == item
    assert to_number(bytes.fromhex(item), True, 5) == number


@given(st.integers(-(2**39) + 1, 2**39 - 1))
def test_numbers_come_back(number: int) -> None:
    assert to_number(from_number(number), True, 5) == number


@given(st.binary(max_size=6), st.integers(1, 5))
def test_reading_agrees_with_arithmetic(item: bytes, most: int) -> None:
    if len(item) > most:
        with pytest.raises(ScriptError, match="SCRIPTNUM"):
            to_number(item, False, most)
        return
    magnitude = int.from_bytes(item[:-1] + bytes((item[-1] & 0x7F,)), "little") if item else 0
    assert to_number(item, False, most) == (-magnitude if item and item[-1] & 0x80 else magnitude)


@given(st.binary(max_size=5))
def test_minimal_reading_takes_the_shortest_form_only(item: bytes) -> None:
    value = to_number(item, False, 5)
    if from_number(value) == item:
        assert to_number(item, True, 5) == value
    else:
        with pytest.raises(ScriptError, match="SCRIPTNUM"):
            to_number(item, True, 5)


def test_a_result_of_five_bytes_is_no_operand() -> None:
    item = from_number(2**31 - 1 + 1)
    assert len(item) == 5
    with pytest.raises(ScriptError, match="SCRIPTNUM"):
        to_number(item, False)


@given(st.binary(max_size=520))
def test_only_zeros_of_either_sign_are_false(item: bytes) -> None:
    assert truth(item) == (item.rstrip(b"\x00") not in (b"",) and item.lstrip(b"\x00") != b"\x80")
