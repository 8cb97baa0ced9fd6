import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from primitives import libsecp256k1, secp256k1, secp256k1_twin
from primitives.errors import DecodeError

BOTH = (libsecp256k1, secp256k1_twin)
N = secp256k1.N
KEY, OTHER, DIGEST = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32

words = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.sampled_from(
        [0, 1, 2, N // 2, N // 2 + 1, N - 1, N, N + 1, secp256k1_twin.P - 1, secp256k1_twin.P, 2**256 - 1]
    ).map(lambda n: n.to_bytes(32, "big")),
)
secrets = words.filter(secp256k1_twin.is_secret)
few = settings(max_examples=25, deadline=None)


@few
@given(secrets, words)
@example(KEY, b"\xff" * 32)
def test_twins_sign_alike_and_accept_each_other(secret: bytes, digest: bytes) -> None:
    signed = [curve.sign(secret, digest, None) for curve in BOTH]
    assert signed[0] == signed[1]
    with_extra = [curve.sign(secret, digest, b"\x01" + bytes(31)) for curve in BOTH]
    assert with_extra[0] == with_extra[1] != signed[0]
    recoverable = [curve.sign_recoverable(secret, digest) for curve in BOTH]
    assert recoverable[0] == recoverable[1] is not None
    schnorr = [curve.sign_schnorr(secret, digest, OTHER) for curve in BOTH]
    assert schnorr[0] == schnorr[1] is not None
    for curve in BOTH:
        public = curve.create(secret, True)
        assert public is not None
        assert curve.verify(public, recoverable[0][0], digest)
        assert curve.recover(*recoverable[0], digest) == curve.create(secret, False)
        assert curve.verify_schnorr(public[1:], schnorr[0], digest)
        assert not curve.verify(public, recoverable[0][0], DIGEST) or digest == DIGEST


@few
@given(words, words, words, st.integers(0, 3), secrets)
def test_twins_judge_arbitrary_signatures_alike(r: bytes, s: bytes, digest: bytes, parity: int, secret: bytes) -> None:
    public = secp256k1.public_key(secret)
    recovered = [curve.recover(r + s, parity, digest) for curve in BOTH]
    assert recovered[0] == recovered[1]
    for key in (public, recovered[0] or public):
        assert libsecp256k1.verify(key, r + s, digest) == secp256k1_twin.verify(key, r + s, digest)
        assert libsecp256k1.verify_schnorr(r, r + s, digest) == secp256k1_twin.verify_schnorr(r, r + s, digest)


@few
@given(words, words, st.sampled_from(b"\x00\x02\x03\x04\x05\x06\x07\xff"), st.booleans())
def test_twins_parse_keys_alike(x: bytes, y: bytes, kind: int, compressed: bool) -> None:
    lifted = secp256k1_twin.serialize(b"\x02" + x, False)
    for public in (
        bytes([kind]) + x,
        bytes([kind]) + x + y,
        bytes([kind]) + (lifted or bytes(65))[1:],
        b"\x02" + x[:31],
    ):
        assert libsecp256k1.serialize(public, compressed) == secp256k1_twin.serialize(public, compressed)
    assert libsecp256k1.is_xonly(x) == secp256k1_twin.is_xonly(x)
    assert libsecp256k1.create(x, compressed) == secp256k1_twin.create(x, compressed)
    assert libsecp256k1.is_secret(x) == secp256k1_twin.is_secret(x)


@few
@given(secrets, words)
@example((N - 1).to_bytes(32, "big"), (1).to_bytes(32, "big"))
@example(KEY, bytes(32))
def test_twins_tweak_alike(secret: bytes, tweak: bytes) -> None:
    public = secp256k1.public_key(secret)
    secret_sum = [curve.tweak_secret(secret, tweak) for curve in BOTH]
    public_sum = [curve.tweak_public(public, tweak, True) for curve in BOTH]
    xonly = [curve.tweak_xonly(public[1:], tweak) for curve in BOTH]
    xonly_secret = [curve.tweak_secret_xonly(secret, tweak) for curve in BOTH]
    total = [curve.combine([public, secp256k1.public_key(KEY)], False) for curve in BOTH]
    for pair in (secret_sum, public_sum, xonly, xonly_secret, total):
        assert pair[0] == pair[1]
    if secret_sum[0] is not None:
        assert secp256k1.public_key(secret_sum[0]) == public_sum[0]
    if xonly[0] is not None and xonly_secret[0] is not None:
        output, parity = xonly[0]
        assert secp256k1.public_key(xonly_secret[0]) == bytes([2 + parity]) + output
        for curve in BOTH:
            assert curve.is_tweaked_xonly(output, parity, public[1:], tweak)
            assert not curve.is_tweaked_xonly(output, 1 - parity, public[1:], tweak)


def test_a_message_of_any_length_has_a_schnorr_signature() -> None:
    for size in (0, 1, 17, 100):
        signature = secp256k1.sign_schnorr(KEY, bytes(size))
        assert signature == secp256k1_twin.sign_schnorr(KEY, bytes(size), bytes(32))
        assert secp256k1.verify_schnorr(secp256k1.public_key(KEY)[1:], signature, bytes(size))
        assert not secp256k1.verify_schnorr(secp256k1.public_key(KEY)[1:], signature, bytes(size + 1))


def test_consensus_takes_high_s_hybrid_keys_and_lax_encodings() -> None:
    compact, whole = secp256k1.sign_compact(KEY, DIGEST), secp256k1.public_key(KEY, compressed=False)
    r, s = compact[:32], int.from_bytes(compact[32:], "big")
    strict, high = secp256k1.sign(KEY, DIGEST), secp256k1.compact_to_der(r + (N - s).to_bytes(32, "big"))
    assert secp256k1.is_low_s(strict)
    assert not secp256k1.is_low_s(high)
    hybrid = bytes([6 | whole[64] & 1]) + whole[1:]
    wrong = bytes([7 - (whole[64] & 1)]) + whole[1:]
    body = strict[2:]
    r_size = body[1]
    lax = [
        strict + b"trailing",
        b"\x30\x00" + body,
        b"\x30\x83\x00\x00\x00" + body,
        b"\x30\x00\x02\x82\x00" + body[1:],
        b"\x30\x00\x02\x86\x00\x00\x00\x00\x00" + bytes([r_size + 40]) + bytes(40) + body[2:],
        b"\x30\x00\x02\x20" + r + b"\x02\x20" + compact[32:],
    ]
    for signature in (strict, high, *lax):
        for key in (whole, hybrid, secp256k1.public_key(KEY)):
            assert secp256k1.verify(key, signature, DIGEST)
        assert not secp256k1.verify(wrong, signature, DIGEST)
    assert secp256k1.verify_compact(whole, r + (N - s).to_bytes(32, "big"), DIGEST)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "30",
        "3000",
        "31060201010201 01",
        "300602010102",
        "30060201",
        "300602010203",
        "3006020101030101",
        "30840201",
        "3000 02840100000001 020101",
        "300002890000000000",
        "300602010002 0101",
        "3006020101020100",
    ],
)
def test_what_is_no_signature_is_false(signature: str) -> None:
    assert not secp256k1.verify(secp256k1.public_key(KEY), bytes.fromhex(signature), DIGEST)


def test_an_integer_beyond_the_order_parses_to_zero_and_fails() -> None:
    beyond = secp256k1.compact_to_der(N.to_bytes(32, "big") + (1).to_bytes(32, "big"))
    assert secp256k1.der_to_compact(beyond) == bytes(64)
    assert secp256k1.is_low_s(beyond)
    assert not secp256k1.verify(secp256k1.public_key(KEY), beyond, DIGEST)


@given(st.binary(max_size=80), st.binary(max_size=70))
def test_random_bytes_are_false_and_never_an_exception(signature: bytes, public: bytes) -> None:
    for key in (public, secp256k1.public_key(KEY)):
        assert not secp256k1.verify(key, signature, DIGEST)
        assert not secp256k1.verify(key, b"\x30\x45\x02" + signature, DIGEST)
        assert not secp256k1.verify_schnorr(key, signature, DIGEST)
        assert not secp256k1.verify_compact(key, signature, DIGEST)


def test_low_r_is_ground_as_in_core() -> None:
    for number in range(8):
        digest = bytes([number]) * 32
        signature = secp256k1.sign(KEY, digest, low_r=True)
        assert signature[3] <= 32
        assert secp256k1.verify(secp256k1.public_key(KEY), signature, digest)


def test_bad_keys_are_decode_errors() -> None:
    for bad in (bytes(32), N.to_bytes(32, "big"), b"", bytes(31)):
        assert not secp256k1.is_secret(bad)
        for call in (
            secp256k1.public_key,
            lambda key: secp256k1.sign(key, DIGEST),
            lambda key: secp256k1.sign_schnorr(key, DIGEST),
        ):
            with pytest.raises(DecodeError, match="secret key"):
                call(bad)
    for public in (b"", b"\x02", bytes(33), b"\x02" + b"\xff" * 32):
        assert not secp256k1.is_public(public)
        with pytest.raises(DecodeError):
            secp256k1.serialize(public)
        with pytest.raises(DecodeError):
            secp256k1.tweak_public(public, DIGEST)
        with pytest.raises(DecodeError):
            secp256k1.combine([public])
    opposite = secp256k1.public_key((N - 1).to_bytes(32, "big"))
    with pytest.raises(DecodeError):
        secp256k1.combine([opposite, secp256k1.public_key((1).to_bytes(32, "big"))])


def test_threads_agree() -> None:
    jobs = [(secp256k1.public_key(bytes([i]) * 32), secp256k1.sign(bytes([i]) * 32, DIGEST)) for i in range(1, 20)]
    answers: list[bool] = []

    def work() -> None:
        for index, (public, signature) in enumerate(jobs):
            answers.append(secp256k1.verify(public, signature, DIGEST))
            answers.append(not secp256k1.verify(jobs[index - 1][0], signature, DIGEST))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4 * 2 * len(jobs)
    assert all(answers)
