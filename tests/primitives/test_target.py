import pytest

from primitives import target

MAINNET_LIMIT = 0xFFFF << 208


@pytest.mark.parametrize(
    ("bits", "value", "negative", "overflow", "back"),
    [  # Bitcoin Core, src/test/arith_uint256_tests.cpp, bignum_SetCompact
        (0x00000000, 0, False, False, 0),
        (0x00123456, 0, False, False, 0),
        (0x01003456, 0, False, False, 0),
        (0x02000056, 0, False, False, 0),
        (0x03000000, 0, False, False, 0),
        (0x04000000, 0, False, False, 0),
        (0x00923456, 0, False, False, 0),
        (0x01803456, 0, False, False, 0),
        (0x02800056, 0, False, False, 0),
        (0x03800000, 0, False, False, 0),
        (0x04800000, 0, False, False, 0),
        (0x01123456, 0x12, False, False, 0x01120000),
        (0x01FEDCBA, 0x7E, True, False, 0x01FE0000),
        (0x02123456, 0x1234, False, False, 0x02123400),
        (0x03123456, 0x123456, False, False, 0x03123456),
        (0x04123456, 0x12345600, False, False, 0x04123456),
        (0x04923456, 0x12345600, True, False, 0x04923456),
        (0x05009234, 0x92340000, False, False, 0x05009234),
        (0x20123456, 0x123456 << 232, False, False, 0x20123456),
        (0xFF123456, 0, False, True, 0),
    ],
)
def test_compact_bits_read_and_write_as_in_core(
    bits: int, value: int, negative: bool, overflow: bool, back: int
) -> None:
    assert target.expand(bits) == (value, negative, overflow)
    assert target.compact(value, negative) == back


def test_a_mantissa_with_its_high_bit_set_moves_up_a_byte() -> None:
    assert target.compact(0x80) == 0x02008000


@pytest.mark.parametrize("bits", [0, 0x01FEDCBA, 0xFF123456, 0x1D010000, 0x207FFFFF])
def test_a_target_that_no_mainnet_block_may_claim_is_none(bits: int) -> None:
    assert target.check_target(bits, MAINNET_LIMIT) is None


def test_work_of_the_easiest_mainnet_block() -> None:
    assert target.check_target(0x1D00FFFF, MAINNET_LIMIT) == MAINNET_LIMIT
    assert target.work(0x1D00FFFF) == 0x100010001
    assert target.work(0x207FFFFF) == 2
    assert target.work(0x01FEDCBA) == target.work(0xFF123456) == target.work(0) == 0


def test_the_genesis_hash_meets_its_bits() -> None:
    genesis = bytes.fromhex("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")[::-1]
    assert target.meets(genesis, 0x1D00FFFF, MAINNET_LIMIT)
    assert not target.meets(genesis[:31] + b"\x01", 0x1D00FFFF, MAINNET_LIMIT)
