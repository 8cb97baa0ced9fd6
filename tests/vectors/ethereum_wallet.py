"""The wallet's suites of the Ethereum vectors: keystores, typed data, addresses, signatures. One callable a case.

Refuses to choose, to time or to count: that is the runner's part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from primitives.address import account_decode, account_encode
from primitives.ethereum_tx import decode_transaction
from wallet import keystore, spend_account, typed_data

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


def eips(root: Path) -> Iterator[Case]:
    """Checksummed addresses (EIP-55), protected signatures (EIP-155) and typed data (EIP-712)."""

    def checksummed(case: dict[str, str]) -> None:
        raw = bytes.fromhex(case["lower"][2:])
        equal(account_encode(raw), case["checksummed"])
        equal(account_decode(case["checksummed"]), raw)
        equal(account_decode(case["lower"]), raw)

    def protected(case: dict[str, Any]) -> None:
        tx = decode_transaction(bytes.fromhex(case["tx"][2:]))
        equal(("0x" + tx.sender.hex(), tx.chain_id), (case["sender"], case["chain_id"]))
        equal(tx.raw.hex(), case["tx"][2:])

    def typed(case: dict[str, Any]) -> None:
        encoded = typed_data.encode_data(case["primaryType"], case["data"], case)
        equal("0x" + encoded.hex(), case["encoded"])
        equal("0x" + typed_data.digest({**case, "message": case["data"]}).hex(), case["digest"])

    for at, case in enumerate(load(root, "real/eip/eip55.json")):
        yield f"eip55/{at}", partial(checksummed, case)
    for at, case in enumerate(load(root, "real/eip/eip155-signed-tx.json")):
        yield f"eip155/{at}", partial(protected, case)
    for case in load(root, "real/eip/eip712-typed-data.json"):
        yield f"eip712/{case['name']}", partial(typed, case)


SIGNER = bytes(31) + b"\x2a"


def signings(root: Path) -> Iterator[Case]:
    """Every transaction test that some fork accepts, signed anew: the bytes come back, and so does the signer."""

    def again(case: dict[str, Any], sender: str) -> None:
        tx = decode_transaction(bytes.fromhex(case["txbytes"][2:]))
        equal("0x" + tx.sender.hex(), sender)
        signed = spend_account.sign_checked(replace(tx, v=0, r=0, s=0), SIGNER)
        found = decode_transaction(signed.raw)
        equal(found, signed)
        equal(found.sender, keystore.address_of(SIGNER))
        same = replace(found, v=tx.v, r=tx.r, s=tx.s)
        equal(same.raw.hex(), case["txbytes"][2:])

    for path in sorted((root / "tests" / "TransactionTests").rglob("*.json")):
        for title, case in json.loads(path.read_text("utf-8")).items():
            senders = [r["sender"] for r in case.get("result", {}).values() if "sender" in r]
            if senders:
                yield f"{path.parent.name}/{title}", partial(again, case, senders[0])


SUITES: dict[str, Suite] = {"keystore": keystores, "eip": eips, "tx_signing": signings}
