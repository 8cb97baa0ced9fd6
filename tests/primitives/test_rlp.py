import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rlp as oracle
from hypothesis import given
from hypothesis import strategies as st

from primitives import rlp
from primitives.errors import DecodeError
from primitives.rlp import Item
from tests.needs import needs

VECTORS = Path(os.environ.get("CHAINYARD_VECTORS", Path(__file__).parents[2] / ".." / "shared" / "vectors"))
ENCODERS: list[Callable[[Item], bytes]] = [rlp.encode, lambda item: rlp._encode(item, 0)]
DECODERS: list[Callable[[bytes], Item]] = [rlp.decode, rlp._decode]

items = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=8), max_leaves=40)


@given(items)
def test_the_oracle_and_both_twins_encode_alike_and_decode_what_they_encode(item: Any) -> None:
    expected = oracle.encode(item)
    for encode in ENCODERS:
        assert encode(item) == expected
    for decode in DECODERS:
        assert decode(expected) == item


@given(
    st.one_of(
        st.binary(max_size=40),
        items.map(oracle.encode).flatmap(
            lambda good: st.tuples(st.just(good), st.integers(0, 255), st.integers(0, 80)).map(
                lambda t: t[0][: t[2]] + bytes([t[1]]) + t[0][t[2] + 1 :]
            )
        ),
    )
)
def test_arbitrary_bytes_decode_canonically_or_are_a_decode_error(data: bytes) -> None:
    try:
        expected = oracle.decode(data, strict=True)
    except oracle.DecodingError:
        expected = None
    for decode in DECODERS:
        if expected is None:
            with pytest.raises(DecodeError):
                decode(data)
        else:
            assert decode(data) == expected
            assert rlp.encode(decode(data)) == data


@pytest.mark.parametrize("size", [0, 1, 55, 56, 255, 256, 65535, 65536, 70000])
def test_every_length_of_length(size: int) -> None:
    for item in (b"\xff" * size, [b"\xff"] * size, (b"",) * size):
        encoded = oracle.encode(item)
        for encode in ENCODERS:
            assert encode(item) == encoded
        for decode in DECODERS:
            assert decode(encoded) == (list(item) if isinstance(item, tuple) else item)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "8100",
        "817f",
        "b801ff",
        "b837" + "ff" * 55,
        "b90038" + "ff" * 56,
        "f800",
        "f837" + "80" * 55,
        "8080",
        "c0c0",
        "c1",
        "c281",
        "b8",
        "bf",
        "bfffffffffffffffffff",
        "ffffffffffffffffff",
        "ff8000000000000000",
        "c2c280",
        "c88363617483646f",
        "f90100",
        "c181",
        "c482ffffff",
    ],
)
def test_what_is_not_canonical_is_refused(data: str) -> None:
    for decode in DECODERS:
        with pytest.raises(DecodeError):
            decode(bytes.fromhex(data))


def nested(depth: int) -> tuple[list[Any], bytes]:
    item: list[Any] = []
    data = b"\xc0"
    for _ in range(depth - 1):
        item, data = [item], rlp._prefix(len(data), 0xC0) + data
    return item, data


def test_nesting_is_limited_without_a_recursion_error() -> None:
    item, data = nested(rlp.MAX_DEPTH)
    deeper, deeper_data = nested(10_000)
    over, over_data = nested(rlp.MAX_DEPTH + 1)
    for decode in DECODERS:
        assert decode(data) == item
        for bad in (over_data, deeper_data, b"\xc1" * 10_000 + b"\xc0"):
            with pytest.raises(DecodeError):
                decode(bad)
    for encode in ENCODERS:
        assert encode(item) == data
        for too_deep in (over, deeper):
            with pytest.raises(ValueError, match="nested too deep"):
                encode(too_deep)


@pytest.mark.parametrize("bad", [1, "text", None, [b"", 1], {}])
def test_other_types_are_our_own_mistake(bad: Any) -> None:
    for encode in ENCODERS:
        with pytest.raises(TypeError, match="RLP takes"):
            encode(bad)


def test_buffers_are_taken() -> None:
    for encode in ENCODERS:
        assert encode(bytearray(b"dog")) == b"\x83dog"  # type: ignore[arg-type]
    for decode in DECODERS:
        decoded = decode(bytearray(b"\x83dog"))  # type: ignore[arg-type]
        assert decoded == b"dog"
        assert type(decoded) is bytes


def as_item(value: Any) -> Item:
    if isinstance(value, list):
        return [as_item(part) for part in value]
    if isinstance(value, str) and not value.startswith("#"):
        return value.encode("latin-1")
    number = int(value.removeprefix("#")) if isinstance(value, str) else value
    return bytes(number.to_bytes((number.bit_length() + 7) // 8, "big"))


@needs(VECTORS.exists(), f"published data at {VECTORS}")
def test_published_vectors() -> None:
    cases = 0
    for path in sorted((VECTORS / "ethereum" / "tests" / "RLPTests").rglob("*.json")):
        for name, case in json.loads(path.read_text()).items():
            data, value, cases = bytes.fromhex(case["out"].removeprefix("0x")), case["in"], cases + 1
            for encode, decode in zip(ENCODERS, DECODERS, strict=True):
                if value == "INVALID":
                    with pytest.raises(DecodeError):
                        decode(data)
                elif value == "VALID":
                    assert encode(decode(data)) == data, name
                else:
                    assert encode(as_item(value)) == data, name
                    assert decode(data) == as_item(value), name
    assert cases > 40
