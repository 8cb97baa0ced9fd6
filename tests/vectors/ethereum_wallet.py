"""The wallet's suites of the Ethereum vectors: keystores, typed data, addresses, signatures. One callable a case.

Refuses to choose, to time or to count: that is the runner's part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from wallet import keystore

Case = tuple[str, Callable[[], None]]
Suite = Callable[[Path], Iterator[Case]]


def load(root: Path, name: str) -> Any:
    """A JSON file of the vectors."""
    return json.loads((root / name).read_text("utf-8"))


def equal(got: object, wanted: object) -> None:
    """Raise AssertionError unless the two are equal."""
    if got != wanted:
        raise AssertionError(f"{got!r} instead of {wanted!r}")


def _opens(text: str, password: str, key: str) -> None:
    equal(keystore.decrypt(text, password, allow_weak=True).hex(), key)


def _owns(text: str, password: str) -> None:
    secret = keystore.decrypt(text, password, allow_weak=True)
    equal(keystore.address_of(secret).hex(), json.loads(text)["address"])


def keystores(root: Path) -> Iterator[Case]:
    """Keystores of versions 1 and 3, weak ones among them."""
    for name in (
        "tests/KeyStoreTests/basic_tests.json",
        "real/keystore/v1_test_vector.json",
        "real/keystore/v3_test_vector.json",
    ):
        for title, case in load(root, name).items():
            yield f"{name}/{title}", partial(_opens, json.dumps(case["json"]), case["password"], case["priv"])
    name = "real/keystore/wallet-aaa.json"
    yield name, partial(_owns, (root / name).read_text(), "foobar")  # go-ethereum's password of its test accounts


SUITES: dict[str, Suite] = {"keystore": keystores}
