"""Names, pushes, and how scripts fall apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vm.script import opcodes as o
from vm.script.errors import TEXTS, ScriptError
from vm.script.shapes import is_push_only, is_script_hash, is_unspendable, last_push, witness_program


@given(st.binary(max_size=70_000))
def test_a_push_is_minimal_and_comes_back(data: bytes) -> None:
    ((op, pushed),) = o.operations(o.push(data))
    assert pushed == data
    plain_byte = len(data) == 1 and (1 <= data[0] <= 16 or data[0] == 0x81)
    assert o.is_minimal_push(op, data) != plain_byte


@pytest.mark.parametrize("size", [0, 1, 75, 76, 255, 256, 65535, 65536])
def test_the_length_prefix_is_the_shortest(size: int) -> None:
    head = o.push(bytes(size))[: len(o.push(bytes(size))) - size]
    assert len(head) == (1 if size < 76 else 2 if size < 256 else 3 if size < 65536 else 5)


@given(st.lists(st.binary(max_size=300)))
def test_operations_give_back_what_was_pushed(items: list[bytes]) -> None:
    script = b"".join(map(o.push, items))
    assert [data for _, data in o.operations(script)] == items
    assert is_push_only(script)
    assert last_push(script) == (items[-1] if items else b"")


@given(st.binary(max_size=200))
def test_any_bytes_end_in_operations_or_a_truncated_push(script: bytes) -> None:
    try:
        list(o.operations(script))
    except o.Truncated:
        assert not is_push_only(script)
        assert last_push(script) is None


@pytest.mark.parametrize(
    "script", ["01", "4c", "4c05aabb", "4d", "4d01", "4d0100", "4e", "4e010000", "4e01000000", "4effffffff"]
)
def test_a_push_beyond_the_end_is_truncated(script: str) -> None:
    with pytest.raises(o.Truncated):
        list(o.operations(bytes.fromhex(script)))


def test_names_are_those_of_core() -> None:
    assert o.NAMES[0] == "0"
    assert o.NAMES[0x4F] == "-1"
    assert o.NAMES[0x60] == "16"
    assert o.NAMES[0xB1] == "OP_CHECKLOCKTIMEVERIFY"
    assert o.NAMES[0xBA] == "OP_CHECKSIGADD"
    assert o.NAMES[0xFF] == "OP_INVALIDOPCODE"
    assert 0xBB not in o.NAMES
    assert o.BY_NAME["DUP"] == o.BY_NAME["OP_DUP"] == 0x76
    assert "OP_CHECKSIGADD" not in o.BY_NAME
    assert o.BY_NAME["RESERVED"] == 0x50
    assert len(o.DISABLED) == 15
    assert len(o.SUCCESS) == 87  # BIP342 lists them


def test_errors_bear_names_and_sentences_of_core() -> None:
    error = ScriptError("EVAL_FALSE")
    assert error.name == "EVAL_FALSE"
    assert error.text == "Script evaluated without error but finished with a false/empty top stack element"
    assert len(set(TEXTS.values())) == len(TEXTS)


@pytest.mark.parametrize(
    ("script", "program"),
    [
        ("0014" + "11" * 20, (0, "11" * 20)),
        ("5120" + "22" * 32, (1, "22" * 32)),
        ("60024e73", (16, "4e73")),
        ("0001" + "11", None),
        ("0029" + "11" * 41, None),
        ("004c14" + "11" * 20, None),
        ("4f14" + "11" * 20, None),
        ("5014" + "11" * 20, None),
        ("6114" + "11" * 20, None),
    ],
)
def test_witness_programs(script: str, program: tuple[int, str] | None) -> None:
    found = witness_program(bytes.fromhex(script))
    assert (found and (found[0], found[1].hex())) == program


def test_other_shapes() -> None:
    assert is_script_hash(bytes.fromhex("a914" + "11" * 20 + "87"))
    assert not is_script_hash(bytes.fromhex("a94c14" + "11" * 20 + "87"))
    assert is_unspendable(b"\x6a")
    assert not is_unspendable(b"")
    assert not is_unspendable(b"\x61" * 10_000)
    assert is_unspendable(b"\x61" * 10_001)
    assert is_push_only(b"\x50")
    assert not is_push_only(b"\x61")
