"""Precompiles against other implementations of the same mathematics, and their answers to hostile input."""

import hashlib
import importlib
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives import secp256k1
from primitives.hashing import keccak256
from tests.needs import needs
from tests.vm.evm.run import BLOCK, SENDER
from tests.vm.evm.world import MemoryWorld
from vm.evm.api import Fork, Message, OutOfGas, PrecompileFailed, Result, TxContext
from vm.evm.forks import BERLIN, BYZANTIUM, CANCUN, FRONTIER, ISTANBUL, OSAKA, PRAGUE
from vm.evm.interpreter import run
from vm.evm.precompiles import blake2
from vm.evm.precompiles import bn254_curve as curve
from vm.evm.precompiles.bn254_pairing import in_subgroup, pairing_check
from vm.evm.precompiles.native import native


@pytest.fixture(scope="module")
def oracle() -> Any:
    """py_ecc, which raises the recursion limit when it is loaded."""
    limit = sys.getrecursionlimit()
    module = importlib.import_module("py_ecc.optimized_bn128")
    sys.setrecursionlimit(limit)
    return module


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def call(number: int, data: bytes, gas: int = 30_000_000, fork: Fork = OSAKA) -> Result:
    message = Message(SENDER, number.to_bytes(20, "big"), gas, 0, data)
    return run(message, MemoryWorld(), BLOCK, TxContext(SENDER), fork)


def used(number: int, data: bytes, fork: Fork = OSAKA) -> int:
    return 30_000_000 - call(number, data, fork=fork).gas_left


def test_each_fork_has_its_precompiles() -> None:
    counts = {FRONTIER: 4, BYZANTIUM: 8, ISTANBUL: 9, BERLIN: 9, CANCUN: 10, PRAGUE: 17, OSAKA: 18}
    for fork, count in counts.items():
        assert len(fork.precompiles) == count, fork.name
    assert (0x100).to_bytes(20, "big") in OSAKA.precompiles


def test_a_call_without_enough_gas_fails_before_it_runs() -> None:
    assert isinstance(call(1, b"", 2_999).halt, OutOfGas)
    assert call(1, b"", 3_000).success
    assert isinstance(call(2, bytes(33), 83).halt, OutOfGas)
    assert call(2, bytes(33), 84).output == hashlib.sha256(bytes(33)).digest()
    assert call(3, b"", 600).output == bytes(12) + bytes.fromhex("9c1185a5c5e9fc54612808977ee8f548b2258d31")
    assert call(4, b"abc").output == b"abc"


@given(secret=st.integers(1, 2**200), digest=st.binary(min_size=32, max_size=32))
def test_recover_finds_the_signer(secret: int, digest: bytes) -> None:
    compact, parity = secp256k1.sign_recoverable(word(secret), digest)
    signer = keccak256(secp256k1.public_key(word(secret), compressed=False)[1:])[12:]
    assert call(1, digest + word(27 + parity) + compact).output == bytes(12) + signer
    assert call(1, digest + word(27 + parity) + compact + b"more").output == bytes(12) + signer
    high = word(secp256k1.N - int.from_bytes(compact[32:], "big"))
    assert call(1, digest + word(28 - parity) + compact[:32] + high).output == bytes(12) + signer


@pytest.mark.parametrize("v", [0, 1, 26, 29, 27 << 8, (27 << 248) + 27])
def test_recover_answers_nothing_to_a_bad_recovery_number(v: int) -> None:
    result = call(1, word(1) + word(v) + word(1) + word(1))
    assert result.success
    assert result.output == b""


@pytest.mark.parametrize("r, s", [(0, 1), (1, 0), (secp256k1.N, 1), (1, secp256k1.N), (2**256 - 1, 1)])
def test_recover_answers_nothing_to_numbers_out_of_range(r: int, s: int) -> None:
    result = call(1, word(1) + word(27) + word(r) + word(s))
    assert (result.success, result.output) == (True, b"")


def modexp_input(base: int, exponent: int, modulus: int, sizes: tuple[int, int, int]) -> bytes:
    parts = (n.to_bytes(size, "big") for n, size in zip((base, exponent, modulus), sizes, strict=True))
    return b"".join([*map(word, sizes), *parts])


@given(base=st.integers(0, 2**300), exponent=st.integers(0, 2**300), modulus=st.integers(0, 2**300))
def test_modexp_is_pow(base: int, exponent: int, modulus: int) -> None:
    result = call(5, modexp_input(base, exponent, modulus, (38, 38, 38)))
    assert int.from_bytes(result.output, "big") == (pow(base, exponent, modulus) if modulus else 0)
    assert len(result.output) == 38


@pytest.mark.parametrize("fork", [BYZANTIUM, BERLIN, OSAKA])
@pytest.mark.parametrize(
    "sizes", [(2**255, 1, 1), (1, 2**255, 1), (1, 1, 2**255), (2**256 - 1,) * 3, (2**64, 2**64, 2**64)]
)
def test_modexp_of_absurd_lengths_ends_at_once(sizes: tuple[int, int, int], fork: Fork) -> None:
    begin = time.process_time()
    assert not call(5, b"".join(map(word, sizes)), fork=fork).success
    assert time.process_time() - begin < 2


def test_modexp_of_nothing() -> None:
    """An absurd exponent with no base and no modulus costs nothing before Osaka, and gives nothing."""
    for fork, gas in ((BYZANTIUM, 0), (BERLIN, 200)):
        assert used(5, word(0) + word(2**255) + word(0), fork) == gas
        assert call(5, word(0) + word(2**255) + word(0), fork=fork).output == b""
    assert isinstance(call(5, word(0) + word(2**40) + word(0), 2**60).halt, PrecompileFailed)
    assert call(5, b"").output == b""
    assert used(5, b"") == 500


def test_modexp_has_a_greatest_length_since_osaka() -> None:
    """EIP-7823."""
    data = modexp_input(2, 3, 5, (1_024, 1_024, 1_024))
    assert int.from_bytes(call(5, data, 10**12).output, "big") == 3
    for sizes in ((1_025, 1, 1), (1, 1_025, 1), (1, 1, 1_025)):
        data = modexp_input(2, 3, 5, sizes)
        assert isinstance(call(5, data, 10**12).halt, PrecompileFailed)
        assert call(5, data, 10**12, PRAGUE).success


G1 = (1, 2)
G2 = (
    (
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
    ),
    (
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
    ),
)


@settings(max_examples=25, deadline=None)
@given(a=st.integers(0, 2**256 - 1), b=st.integers(0, 2**256 - 1))
def test_sums_and_products_on_bn254_agree_with_py_ecc(oracle: Any, a: int, b: int) -> None:
    def expected(factor: int) -> bytes:
        x, y = oracle.normalize(oracle.multiply(oracle.G1, factor % curve.ORDER))
        return word(int(x)) + word(int(y))

    pa, pb = (call(7, word(1) + word(2) + word(n)).output for n in (a, b))
    assert pa == expected(a)
    assert call(6, pa + pb).output == expected(a + b)


@settings(max_examples=4, deadline=None)
@given(a=st.integers(1, curve.ORDER - 1), b=st.integers(1, curve.ORDER - 1))
def test_the_bn254_pairing_is_bilinear(a: int, b: int) -> None:
    pa, pb = curve.multiply(G1, a), curve.multiply(G1, b)
    qa, minus = curve.multiply_twist(G2, a), curve.multiply(G1, curve.ORDER - a * b % curve.ORDER)
    assert pa and pb and qa and minus
    assert pairing_check([(pb, qa), (minus, G2)])
    assert not pairing_check([(pb, qa), (pa, G2)]) or (a * b + a) % curve.ORDER == 0


def twist_point_off_the_subgroup() -> curve.AffineTwistPoint:
    """The first x = (k, 1) for which the twist has a point: its order is a multiple of the cofactor's."""
    for k in range(1, 99):
        x = (k, 1)
        cube = curve.multiply_elements(curve.multiply_elements(x, x), x)
        square = (int(cube[0] + curve._TWIST_B[0]) % curve.P, int(cube[1] + curve._TWIST_B[1]) % curve.P)
        norm = pow(square[0] ** 2 + square[1] ** 2, (curve.P + 1) // 4, curve.P)
        for root in (norm, curve.P - norm):
            half = (square[0] + root) * pow(2, -1, curve.P) % curve.P
            real = pow(half, (curve.P + 1) // 4, curve.P)
            if real and real * real % curve.P == half:
                y = (real, square[1] * pow(2 * real, -1, curve.P) % curve.P)
                if curve.on_twist((x, y)):
                    return x, y
    raise AssertionError("no point")


def test_membership_in_the_second_group_is_what_the_order_says() -> None:
    outside = twist_point_off_the_subgroup()
    assert curve.multiply_twist(outside, curve.ORDER) is not None
    assert not in_subgroup(outside)
    inside = curve.multiply_twist(G2, 12345)
    assert inside is not None
    assert in_subgroup(inside)


def encoded_twist(point: curve.AffineTwistPoint) -> bytes:
    (x0, x1), (y0, y1) = point
    return b"".join(word(int(n)) for n in (x1, x0, y1, y0))


def test_bad_points_of_bn254_fail() -> None:
    """SECURITY E23: off the curve, beyond the modulus, outside the subgroup, a length that is no multiple."""
    good = word(1) + word(2)
    for bad in (word(1) + word(1), word(curve.P) + word(2), word(1) + word(curve.P + 2), word(0) + word(1)):
        for result in (call(6, bad), call(6, good + bad), call(7, bad), call(8, bad + encoded_twist(G2))):
            assert isinstance(result.halt, PrecompileFailed)
            assert result.gas_left == 0
    assert isinstance(call(8, good + encoded_twist(twist_point_off_the_subgroup())).halt, PrecompileFailed)
    assert isinstance(call(8, good + encoded_twist(((1, 2), (3, 4)))).halt, PrecompileFailed)
    assert isinstance(call(8, bytes(191)).halt, PrecompileFailed)
    assert call(8, b"").output == word(1)
    assert call(8, bytes(192)).output == word(1)  # infinity paired with infinity
    assert call(8, good + bytes(128)).output == word(1)
    assert call(8, good + encoded_twist(G2)).output == word(0)
    assert call(6, b"").output == bytes(64)


@given(data=st.binary(max_size=128), key=st.binary(max_size=0))
def test_blake2_is_hashlibs_for_one_block(data: bytes, key: bytes) -> None:
    initial = [
        *(0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1),
        *(0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179),
    ]
    initial[0] ^= 0x01010040 | len(key) << 8
    state = b"".join(n.to_bytes(8, "little") for n in initial)
    call_data = (12).to_bytes(4, "big") + state + data.ljust(128, b"\0") + len(data).to_bytes(16, "little") + b"\x01"
    result = call(9, call_data)
    assert result.output == hashlib.blake2b(data).digest()
    assert 30_000_000 - result.gas_left == 12


def test_blake2_is_priced_before_it_runs() -> None:
    """SECURITY E23: 2^32 - 1 rounds."""
    begin = time.process_time()
    assert isinstance(call(9, b"\xff" * 4 + bytes(209)).halt, OutOfGas)
    assert time.process_time() - begin < 2
    for bad in (bytes(212), bytes(214), bytes(212) + b"\x02"):
        assert isinstance(call(9, bad).halt, PrecompileFailed)


def test_the_point_evaluation_refuses_what_does_not_hold() -> None:
    infinity = b"\xc0" + bytes(47)
    versioned = b"\x01" + hashlib.sha256(infinity).digest()[1:]
    good = versioned + word(5) + word(0) + infinity + infinity  # the zero polynomial is zero everywhere
    result = call(10, good)
    assert int.from_bytes(result.output[:32], "big") == 4_096
    modulus = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
    for bad in (
        good[:-1],
        good + b"\0",
        b"\x02" + good[1:],
        versioned + word(modulus) + word(0) + infinity + infinity,
        versioned + word(5) + word(modulus) + infinity + infinity,
        versioned + word(5) + word(1) + infinity + infinity,
        versioned + word(5) + word(0) + infinity + b"\x00" * 48,
    ):
        assert isinstance(call(10, bad).halt, PrecompileFailed)


def test_bls_prices_follow_the_discounts() -> None:
    """EIP-2537: one pair, two, and beyond the table's 128."""
    assert PRAGUE.precompiles[(12).to_bytes(20, "big")].price(bytes(160)) == 12_000
    assert PRAGUE.precompiles[(12).to_bytes(20, "big")].price(bytes(320)) == 22_776
    assert PRAGUE.precompiles[(12).to_bytes(20, "big")].price(bytes(160 * 200)) == 200 * 12_000 * 519 // 1_000
    assert PRAGUE.precompiles[(14).to_bytes(20, "big")].price(bytes(288)) == 22_500
    assert PRAGUE.precompiles[(14).to_bytes(20, "big")].price(bytes(288 * 129)) == 129 * 22_500 * 524 // 1_000
    assert used(15, bytes(384), PRAGUE) == 70_300


def test_bls_refuses_empty_input_and_big_coordinates() -> None:
    field = int("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab", 16)
    for number in range(11, 18):
        assert isinstance(call(number, b"").halt, PrecompileFailed)
    assert isinstance(call(11, field.to_bytes(64, "big") + bytes(192)).halt, PrecompileFailed)
    assert isinstance(call(16, field.to_bytes(64, "big")).halt, PrecompileFailed)
    assert isinstance(call(16, b"\x01" + bytes(63)).halt, PrecompileFailed)
    assert call(11, bytes(256)).output == bytes(128)
    assert call(15, bytes(384)).output == word(1)


def test_p256_verifies_what_openssl_signs() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    key = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
    numbers, digest = key.public_key().public_numbers(), hashlib.sha256(b"message").digest()
    r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256()))))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    good = digest + b"".join(map(word, (r, s, numbers.x, numbers.y)))
    assert call(0x100, good).output == word(1)
    assert used(0x100, good) == 6_900
    assert call(0x100, digest + b"".join(map(word, (r, order - s, numbers.x, numbers.y)))).output == word(1)
    for bad in (
        b"",
        good[:-1],
        good + b"\0",
        bytes(32) + good[32:],
        digest + b"".join(map(word, (0, s, numbers.x, numbers.y))),
        digest + b"".join(map(word, (r, order, numbers.x, numbers.y))),
        digest + b"".join(map(word, (r, s, numbers.x, numbers.y ^ 1))),
        digest + b"".join(map(word, (r, s, 0, 0))),
        digest + b"".join(map(word, (r, s, numbers.x + 2**256 - 2**224 + 2**192 + 2**96 - 1 & 2**256 - 1, numbers.y))),
    ):
        result = call(0x100, bad)
        assert (result.success, result.output) == (True, b"")


needs_native = needs(native is not None, "the C extension")


@needs_native
@given(data=st.binary(min_size=208, max_size=208), rounds=st.integers(0, 25), final=st.sampled_from([b"\0", b"\1"]))
def test_blake2_in_c_is_its_twin(data: bytes, rounds: int, final: bytes) -> None:
    whole = rounds.to_bytes(4, "big") + data + final
    assert native.blake2_compress(whole) == blake2.compress(whole)


FACTORS = st.one_of(
    st.integers(0, 2**256 - 1),
    st.sampled_from([0, 1, 2, curve.ORDER - 1, curve.ORDER, curve.ORDER + 1, 2 * curve.ORDER]),
)


@needs_native
@settings(max_examples=40, deadline=None)
@given(start=st.integers(1, curve.ORDER - 1), factor=FACTORS)
def test_products_on_bn254_in_c_are_their_twins(start: int, factor: int) -> None:
    point = curve.multiply(G1, start)
    product = curve.multiply(point, factor)
    assert point
    x, y = product or (0, 0)
    encoded = word(int(point[0])) + word(int(point[1]))
    assert native.bn254_multiply(encoded + word(factor)) == word(int(x)) + word(int(y))


@needs_native
@settings(max_examples=6, deadline=None)
@given(factors=st.lists(st.tuples(st.integers(1, 2**253), st.integers(1, 2**253)), max_size=3), closes=st.booleans())
def test_pairings_on_bn254_in_c_are_their_twins(factors: list[tuple[int, int]], closes: bool) -> None:
    pairs = [(curve.multiply(G1, a), curve.multiply_twist(G2, b)) for a, b in factors]
    total = sum(a * b for a, b in factors) % curve.ORDER
    if closes and total:
        pairs.append((curve.multiply(G1, curve.ORDER - total), G2))
    known = [(p, q) for p, q in pairs if p and q]
    data = b"".join(word(int(p[0])) + word(int(p[1])) + encoded_twist(q) for p, q in known)
    assert native.bn254_pairing_check(data) == pairing_check(known) == (closes or not total)
    assert all(native.bn254_in_subgroup(encoded_twist(q)) for _, q in known)


@needs_native
def test_membership_in_c_is_its_twin() -> None:
    outside = twist_point_off_the_subgroup()
    cofactor = 2 * curve.P - curve.ORDER
    inside = curve.multiply_twist(outside, cofactor)
    assert inside is not None
    for point in (outside, inside, curve.multiply_twist(outside, 3)):
        assert point is not None
        assert native.bn254_in_subgroup(encoded_twist(point)) == in_subgroup(point)
    assert in_subgroup(inside)


@needs_native
def test_the_c_extension_refuses_other_lengths() -> None:
    for function in ("blake2_compress", "bn254_multiply", "bn254_in_subgroup", "bn254_pairing_check"):
        with pytest.raises(ValueError, match="length"):
            getattr(native, function)(bytes(95))
