"""Secrets and time (SECURITY R28): signing takes as long for one key as for another, by the t-test of dudect.

Source: Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?" (2017). Keys of both classes come in random order, so that
what else the machine does falls on both alike; the slow tail, which it makes, is cut off at one place for both.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from random import Random

import pytest

from primitives import libsecp256k1, secp256k1_twin

pytestmark = pytest.mark.slow

SAMPLES = int(os.environ.get("CHAINYARD_DUDECT_SAMPLES", "100000"))
LIMIT = 4.5
"""|t| above this means that the two classes differ, but for one time in 100,000."""
CUTS = (0.1, 0.25, 0.5, 0.75, 0.9)
LOW = (1).to_bytes(32, "big")


def t_value(first: list[int], second: list[int]) -> float:
    """Welch's t; without end where one class lies apart from the other."""
    if min(len(first), len(second)) < 2:
        return math.inf
    means = [sum(one) / len(one) for one in (first, second)]
    spreads = [sum((x - m) ** 2 for x in one) / (len(one) - 1) for one, m in zip((first, second), means, strict=True)]
    return (means[0] - means[1]) / math.sqrt(spreads[0] / len(first) + spreads[1] / len(second))


def even_key(random: Random) -> bytes:
    """A random key whose public key is even, as that of the least key is: which of them is odd, everybody may see."""
    while True:
        key = random.randbytes(32)
        public = libsecp256k1.create(key, True)
        if public is not None and public[0] == 2:
            return key


def worst(work: Callable[[bytes, bytes], object], count: int, seed: int) -> float:
    """The largest |t| over the cuts: the least key in one class, random ones in the other; messages are random in both."""
    random = Random(seed)
    keys = [(kind, LOW if kind else even_key(random)) for kind in (random.randrange(2) for _ in range(count))]
    times: list[tuple[int, int]] = []
    for kind, key in keys:
        fresh, digest = bytes(bytearray(key)), random.randbytes(32)  # in new memory for both classes
        began = time.perf_counter_ns()
        work(fresh, digest)
        times.append((kind, time.perf_counter_ns() - began))
    ordered = sorted(t for _, t in times)
    found = []
    for cut in CUTS:
        most = ordered[int(len(ordered) * cut)]
        classes: tuple[list[int], list[int]] = ([], [])
        for kind, t in times:
            if t <= most:
                classes[kind].append(t)
        found.append(abs(t_value(*classes)))
    return max(found)


def holds(work: Callable[[bytes, bytes], object]) -> bool:
    """Whether one of three measurements finds no difference: a real one is found each time."""
    return any(worst(work, SAMPLES, seed) < LIMIT for seed in range(3))


def test_ecdsa_signing_takes_the_same_time_for_every_key() -> None:
    assert holds(lambda key, digest: libsecp256k1.sign(key, digest, None))


def test_schnorr_signing_takes_the_same_time_for_every_key() -> None:
    assert holds(lambda key, digest: libsecp256k1.sign_schnorr(key, digest, digest))


def test_the_public_key_takes_the_same_time_for_every_key() -> None:
    assert holds(lambda key, _: libsecp256k1.create(key, True))


def test_the_measurement_finds_what_is_not_constant() -> None:
    """The slow twin is not constant in time, which is why real money is not signed for with it (test_wallet.py)."""
    assert min(worst(lambda key, _: secp256k1_twin.create(key, True), 1_000, seed) for seed in range(2)) > LIMIT
