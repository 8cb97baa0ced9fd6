"""Accounts against viem, ethers and eth-account, both ways: every transaction type, authorizations, typed data, messages, keystores."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from primitives.address import account_encode
from primitives.ethereum_tx import AccessList, Authorization, EthereumTransaction, authorize, decode_transaction
from tests.scenarios.wallets.conftest import Ask
from wallet import keystore, messages, spend_account, typed_data
from wallet.cipher import Pbkdf2, Scrypt
from wallet.errors import WalletError
from wallet.spend_account import GWEI, Call, Fees

pytestmark = pytest.mark.scenario

SECRET = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
AUTHORITY = b"\x17" * 32
OWNER = account_encode(keystore.address_of(SECRET))
TO = bytes.fromhex("d8da6bf26964af9d7eed9e03e53415d37aa96045")
LIST: AccessList = ((TO, (bytes(32), b"\x01" * 32)), (b"\x02" * 20, ()))
PASSWORD = "correct horse ß battery"


def hex0x(data: bytes) -> str:
    return "0x" + data.hex()


def signed() -> dict[str, EthereumTransaction]:
    """One transaction of each type and form, as our wallet signs it."""
    fees = Fees(2 * GWEI, 30 * GWEI, 3 * GWEI)
    blob = b"\x01" + b"\x11" * 31
    grant = authorize(AUTHORITY, 31337, TO, 5)
    forms: dict[str, tuple[Call, int]] = {
        "legacy": (Call(TO, 10**18), 0),
        "legacy create": (Call(None, 0, b"\x60\x00" * 40), 0),
        "access list": (Call(TO, 1, b"\xff\x00", LIST), 1),
        "dynamic fee": (Call(TO, 5, b"\x01" * 100, LIST), 2),
        "dynamic fee create": (Call(None, 0, b"\x60\x01"), 2),
        "dynamic fee of nothing": (Call(bytes(20)), 2),
        "blob": (Call(TO, 1, b"", LIST, (blob, blob[:-1] + b"\x22")), 3),
        "set code": (Call(TO, 2, b"\x05", LIST, (), (grant, authorize(AUTHORITY, 0, bytes(20), 0))), 4),
    }
    made = {}
    for nonce, (name, (call, kind)) in enumerate(forms.items()):
        tx = spend_account.build(call, nonce * 200, 21_000 * (nonce + 5), fees, 31337, kind)
        made[name] = spend_account.sign_checked(tx, SECRET)
    return made


def authorization(one: Authorization) -> dict[str, Any]:
    return {
        "chainId": one.chain_id,
        "address": hex0x(one.address),
        "nonce": one.nonce,
        "yParity": one.y_parity,
        "r": f"0x{one.r:064x}",
        "s": f"0x{one.s:064x}",
    }


def described(tx: EthereumTransaction) -> dict[str, Any]:
    """A transaction in plain words, for the other libraries."""
    return {
        "kind": tx.kind,
        "chainId": tx.chain_id,
        "nonce": tx.nonce,
        "gas": tx.gas_limit,
        "to": None if tx.to is None else account_encode(tx.to),
        "value": str(tx.value),
        "data": hex0x(tx.data),
        "tipCap": str(tx.tip_cap),
        "feeCap": str(tx.fee_cap),
        "blobFeeCap": str(tx.blob_fee_cap),
        "accessList": [[account_encode(a), [hex0x(key) for key in keys]] for a, keys in tx.access_list],
        "blobHashes": [hex0x(one) for one in tx.blob_hashes],
        "authorizations": [authorization(one) for one in tx.authorizations],
    }


TYPED: dict[str, Any] = {
    "types": {
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"},
        ],
        "Person": [
            {"name": "name", "type": "string"},
            {"name": "wallets", "type": "address[]"},
            {"name": "tags", "type": "bytes4[2]"},
        ],
        "Mail": [
            {"name": "from", "type": "Person"},
            {"name": "to", "type": "Person[]"},
            {"name": "contents", "type": "string"},
            {"name": "amount", "type": "int128"},
            {"name": "raw", "type": "bytes"},
            {"name": "urgent", "type": "bool"},
            {"name": "salt", "type": "bytes32"},
        ],
    },
    "primaryType": "Mail",
    "domain": {"name": "Ether Mail", "version": "1", "chainId": 31337, "verifyingContract": account_encode(TO)},
    "message": {
        "from": {"name": "Cow", "wallets": [account_encode(TO), OWNER], "tags": ["0x01020304", "0xffffffff"]},
        "to": [
            {"name": "Bob", "wallets": [], "tags": ["0x00000000", "0x00000001"]},
            {"name": "Zoë", "wallets": [OWNER], "tags": ["0x0a0b0c0d", "0x00000002"]},
        ],
        "contents": "Hello, Bob! ☃",
        "amount": -12345678901234567890,
        "raw": "0xdeadbeef00",
        "urgent": True,
        "salt": "0x" + "7f" * 32,
    },
}
JS_TYPED = {**TYPED, "message": {**TYPED["message"], "amount": "-12345678901234567890"}}
"""Numbers beyond 2**53 travel to JavaScript as text."""
MESSAGE = "grüße \x00\xff".encode()


# -- transactions ----------------------------------------------------------------------------------------------------


def test_every_transaction_type_with_viem_and_ethers(js_ethereum: Ask) -> None:
    ours = signed()
    answers = js_ethereum("transactions", secret=hex0x(SECRET), txs=[described(tx) for tx in ours.values()])
    for (name, tx), theirs in zip(ours.items(), answers, strict=True):
        assert theirs["ethers"] == theirs["viem"] == hex0x(tx.raw), name
        again = decode_transaction(bytes.fromhex(theirs["viem"][2:]))
        assert again == tx and account_encode(again.sender) == OWNER
    read = js_ethereum("read", raws=[hex0x(tx.raw) for tx in ours.values()])
    for (name, tx), answer in zip(ours.items(), read, strict=True):
        for library, seen in answer.items():
            assert seen["from"] == OWNER, (name, library)
            assert seen["hash"] == hex0x(tx.id) and int(seen["nonce"]) == tx.nonce and int(seen["value"]) == tx.value
            assert int(seen["chainId"]) == 31337 and seen["data"] == hex0x(tx.data)
            assert (seen["to"] or "").lower() == ("" if tx.to is None else hex0x(tx.to))


def test_every_transaction_type_with_eth_account(eth_account: Ask) -> None:
    ours = signed()
    answers = eth_account("transactions", secret=hex0x(SECRET), txs=[described(tx) for tx in ours.values()])
    assert answers == [hex0x(tx.raw) for tx in ours.values()]
    assert eth_account("read", raws=[hex0x(tx.raw) for tx in ours.values()]) == [OWNER] * len(ours)


def test_authorizations(js_ethereum: Ask, eth_account: Ask) -> None:
    ours = authorize(SECRET, 31337, TO, 7)
    asked = {"chainId": 31337, "address": account_encode(TO), "nonce": 7}
    theirs = js_ethereum("authorize", secret=hex0x(SECRET), **asked)
    for one in (theirs["viem"], theirs["ethers"], eth_account("authorize", secret=hex0x(SECRET), authorization=asked)):
        assert (int(one["r"], 16), int(one["s"], 16), one["yParity"]) == (ours.r, ours.s, ours.y_parity)
    read = Authorization(31337, TO, 7, ours.y_parity, int(theirs["viem"]["r"], 16), int(theirs["viem"]["s"], 16))
    assert read.authority == keystore.address_of(SECRET)


# -- typed data and messages -----------------------------------------------------------------------------------------


def test_typed_data_and_messages(js_ethereum: Ask, eth_account: Ask) -> None:
    digest = typed_data.digest(TYPED)
    typed, personal = messages.sign_digest(digest, SECRET), messages.sign_personal(MESSAGE, SECRET)
    theirs = js_ethereum("typed", secret=hex0x(SECRET), data=JS_TYPED)
    assert theirs == {"digest": hex0x(digest), "ethers": hex0x(typed), "viem": hex0x(typed)}
    assert typed_data.digest(JS_TYPED) == digest
    assert eth_account("typed", secret=hex0x(SECRET), data=TYPED) == hex0x(typed)
    by_js = js_ethereum("message", secret=hex0x(SECRET), message=hex0x(MESSAGE))
    assert by_js == {"ethers": hex0x(personal), "viem": hex0x(personal)}
    assert eth_account("message", secret=hex0x(SECRET), message=hex0x(MESSAGE)) == hex0x(personal)

    request = {"typed": hex0x(typed), "message": hex0x(MESSAGE), "personal": hex0x(personal)}
    grant = authorization(authorize(SECRET, 1, TO, 0))
    seen = js_ethereum("recover", data=JS_TYPED, authorization=grant, **request)
    assert seen == {"typed": [OWNER] * 2, "personal": [OWNER] * 2, "authorization": OWNER}
    assert eth_account("recover", data=TYPED, **request) == [OWNER] * 2
    for signature in by_js.values():
        assert messages.recover_personal(MESSAGE, bytes.fromhex(signature[2:])) == keystore.address_of(SECRET)


# -- keystores -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stretch", [Scrypt(1 << 12, 8, 6), Pbkdf2(10_000)], ids=["scrypt", "pbkdf2"])
def test_keystores(js_ethereum: Ask, eth_account: Ask, stretch: Scrypt | Pbkdf2) -> None:
    ours = keystore.encrypt(SECRET, PASSWORD, Random(1), stretch)
    by_js = js_ethereum("keystore", secret=hex0x(SECRET), password=PASSWORD, text=ours)
    assert by_js["secret"] == hex0x(SECRET) and by_js["address"] == OWNER and by_js["wrong"] == "incorrect password"
    by_python = eth_account("keystore", secret=hex0x(SECRET), password=PASSWORD, text=ours)
    assert by_python["secret"] == hex0x(SECRET) and by_python["wrong"] == "MAC mismatch"
    for text in (by_js["made"], *by_python["made"].values()):
        assert keystore.decrypt(text, PASSWORD, allow_weak=True) == SECRET
        with pytest.raises(WalletError) as refused:
            keystore.decrypt(text, PASSWORD + "x", allow_weak=True)
        assert refused.value.rule == "wrong-passphrase"
