"""SHA-256d mining on one core beside a loop of Python's hashlib, in hashes a second.

`python -m benchmarks.mining`. At least 15 times is wanted where the processor has AVX-512 or SHA-NI, else what cpuminer's path reaches.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256

from benchmarks.report import Row, against, run
from primitives import hashing

NONCES = 1 << 24
LOOP = 150_000
ROUNDS = 3
HARDWARE = ("avx512", "sha-ni")


def loop(header: bytes, count: int) -> None:
    """What a miner in plain Python does: each nonce through hashlib twice, compared with the target."""
    head, target = header[:76], bytes(32)
    for nonce in range(count):
        digest = sha256(sha256(head + nonce.to_bytes(4, "little")).digest()).digest()
        if digest[::-1] <= target:
            raise AssertionError("no hash is zero")


def rate(work: Callable[[], object], count: int) -> float:
    """Hashes for each second of this thread's processor time: the machine may be shared."""
    began = time.thread_time()
    work()
    return count / (time.thread_time() - began)


def rows() -> Iterator[Row]:
    """SHA-256d mining on one core"""
    header = bytes(range(80))
    path = hashing.scan_paths()[0]
    ours = plain = 0.0
    for _ in range(ROUNDS):
        ours = max(ours, rate(lambda: hashing.scan(header, bytes(32), 0, NONCES), NONCES))
        plain = max(plain, rate(lambda: loop(header, LOOP), LOOP))
    least = 15.0 if path in HARDWARE else 6.6
    beside = against(ours / 1e6, {"hashlib loop": plain / 1e6}, " MH/s")
    yield Row(f"mining, path {path}", ours / 1e6, "MH/s", beside=beside)
    yield Row("mining against the hashlib loop", ours / plain, "times", least=least)


if __name__ == "__main__":
    sys.exit(run(rows))
