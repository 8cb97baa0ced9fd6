import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from Crypto.Hash import RIPEMD160, keccak
from hypothesis import given
from hypothesis import strategies as st

from primitives import hashing, native
from tests.needs import needs

HEADER = bytes(range(80))
BLOCK_1_NONCE = 2573394689
BLOCK_1 = bytes.fromhex(
    "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540b"
    "f7b1cdb606e857233e0e61bc6649ffff001d01e36299"
)
LIMIT = (0xFFFF << 208).to_bytes(32, "little")


def double(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


ORACLES: dict[str, Callable[[bytes], bytes]] = {
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha256d": double,
    "ripemd160": lambda data: RIPEMD160.new(data).digest(),
    "hash160": lambda data: RIPEMD160.new(hashlib.sha256(data).digest()).digest(),
    "keccak256": lambda data: keccak.new(digest_bits=256, data=data).digest(),
}


@pytest.mark.parametrize("name", ORACLES)
def test_each_length_hashes_as_others_hash_it(name: str) -> None:
    data = bytes(i * 7 & 0xFF for i in range(600))
    for size in (*range(300), 599, 600):
        expected = ORACLES[name](data[:size])
        assert getattr(hashing, name)(data[:size]) == hashing.TWINS[name](data[:size]) == expected
        assert getattr(hashing, name)(memoryview(data)[:size]) == expected


@pytest.mark.parametrize("name", ORACLES)
def test_long_data_hash_alike(name: str) -> None:
    data = bytes(range(256)) * 400
    assert getattr(hashing, name)(bytearray(data)) == ORACLES[name](data)


def test_known_answers() -> None:
    assert hashing.keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert hashing.ripemd160(b"abc").hex() == "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"
    tag = hashlib.sha256(b"BIP0340/challenge").digest()
    assert hashing.tagged_hash(b"BIP0340/challenge", b"data") == hashlib.sha256(tag + tag + b"data").digest()
    assert hashing.sha256d(BLOCK_1)[::-1].hex().startswith("00000000839a8e6886ab5951d76f4114")


@given(st.integers(0, 9), st.randoms(use_true_random=False))
def test_pairs(count: int, random: Any) -> None:
    data = random.randbytes(64 * count)
    expected = b"".join(double(data[at : at + 64]) for at in range(0, len(data), 64))
    assert hashing.sha256d_pairs(data) == hashing.TWINS["sha256d_pairs"](data) == expected
    for pairs in (hashing.sha256d_pairs, hashing.TWINS["sha256d_pairs"]):
        with pytest.raises(ValueError, match="whole pairs"):
            pairs(data + b"x")


WAYS = [(hashing.scan, path) for path in hashing.scan_paths()] + [(hashing.TWINS["scan"], "python")]


def reference(header: bytes, target: int, start: int, count: int) -> tuple[int | None, int]:
    for nonce in range(start, min(start + count, 1 << 32)):
        if int.from_bytes(double(header[:76] + nonce.to_bytes(4, "little")), "little") <= target:
            return nonce, nonce - start + 1
    return None, min(count, (1 << 32) - start)


@pytest.mark.parametrize(("scan", "path"), WAYS)
def test_every_way_finds_the_nonce_of_block_1(scan: Callable[..., Any], path: str) -> None:
    for before in (0, 1, 7, 16, 100):
        assert scan(BLOCK_1, LIMIT, BLOCK_1_NONCE - before, 10_000, None, path) == (BLOCK_1_NONCE, before + 1)
    assert scan(BLOCK_1, LIMIT, BLOCK_1_NONCE - 100, 100, None, path) == (None, 100)


@given(
    st.binary(min_size=80, max_size=80),
    st.integers(244, 256),
    st.integers(0, 0xFFFFFFFF) | st.integers(0xFFFFFF80, 0xFFFFFFFF),
    st.integers(0, 90),
)
def test_every_way_scans_as_a_plain_loop_does(header: bytes, bits: int, start: int, count: int) -> None:
    target = (1 << bits) - 1 - (1 << 200)
    expected = reference(header, target, start, count)
    for scan, path in WAYS:
        assert scan(header, target.to_bytes(32, "little"), start, count, None, path) == expected


@pytest.mark.parametrize(("scan", "path"), WAYS)
def test_a_target_is_met_by_its_own_hash_and_not_by_one_less(scan: Callable[..., Any], path: str) -> None:
    own = int.from_bytes(double(HEADER[:76] + (5).to_bytes(4, "little")), "little")
    assert scan(HEADER, own.to_bytes(32, "little"), 5, 1, None, path) == (5, 1)
    assert scan(HEADER, (own - 1).to_bytes(32, "little"), 5, 1, None, path) == (None, 1)


@pytest.mark.parametrize(("scan", "path"), WAYS)
def test_a_scan_stops_when_told(scan: Callable[..., Any], path: str) -> None:
    assert scan(HEADER, bytes(32), 0, 1 << 32, bytearray(b"\x01"), path) == (None, 0)
    stop, started, found = bytearray(1), threading.Event(), []

    def work() -> None:
        started.set()
        found.append(scan(HEADER, bytes(32), 0, 1 << 32, stop, path))

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    stop[0] = 1
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert found[0][0] is None
    assert found[0][1] < 1 << 32


@pytest.mark.parametrize("scan", [hashing.scan, hashing.TWINS["scan"]])
def test_a_scan_refuses_what_it_cannot_do(scan: Callable[..., Any]) -> None:
    for args in (
        (HEADER[:79], LIMIT, 0, 1),
        (HEADER, LIMIT[:31], 0, 1),
        (HEADER, LIMIT, -1, 1),
        (HEADER, LIMIT, 1 << 32, 1),
        (HEADER, LIMIT, 0, -1),
        (HEADER, LIMIT, 0, 1, b""),
        (HEADER, LIMIT, 0, 1, None, "abacus"),
    ):
        with pytest.raises(ValueError, match="scan"):
            scan(*args)


def test_without_the_extension_all_works_and_says_so_once() -> None:
    program = """
import logging, sys
sys.modules["primitives._native"] = None
from primitives import hashing, native, rlp
logging.basicConfig(format="%(message)s")
native.announce(); native.announce()
assert not native.native_available() and hashing.scan_paths() == ("python",)
assert rlp.decode(rlp.encode([b"cat", [b"dog"]])) == [b"cat", [b"dog"]]
print(hashing.keccak256(b"").hex(), hashing.hash160(b"").hex(), hashing.scan(bytes(80), b"\\xff" * 32, 3, 9))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stderr.count("C extension") == 1
    assert done.stdout.split() == [
        hashing.keccak256(b"").hex(),
        hashing.hash160(b"").hex(),
        "(3,",
        "1)",
    ]


@needs(native.native_available(), "the C extension")
def test_the_extension_is_in_use_and_silent(caplog: pytest.LogCaptureFixture) -> None:
    native.announce()
    assert not caplog.records
    assert hashing.scan_paths()[-1] == "portable"
    assert hashing.keccak256 is not hashing.TWINS["keccak256"]
