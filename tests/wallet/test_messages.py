"""Signed messages against the published examples of BIP322 and EIP-191, and round trips of every form."""

from __future__ import annotations

import pytest

from primitives.address import AddressStyle, wif_decode
from primitives.address import decode as script_of
from primitives.bitcoin import TxOutput
from primitives.errors import DecodeError
from primitives.hashing import hash160, tagged_hash
from primitives.secp256k1 import N, public_key
from tests.wallet.test_signing import FORMS, Keys
from tests.wallet.world import STYLE, Chain, make
from wallet import descriptors, hd, messages
from wallet.errors import WalletError
from wallet.signing import InputData
from wallet.state import expansion_data

MAINNET = AddressStyle(b"\x00", b"\x05", b"\x80", "bc", hd.XPUB, hd.XPRV)
SECRET, _ = wif_decode("L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k", MAINNET)
KEY = public_key(SECRET)
SCRIPT = script_of("bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l", MAINNET)


@pytest.mark.parametrize(
    ("message", "digest", "spend", "sign"),
    [
        (
            b"",
            "c90c269c4f8fcbe6880f72a721ddfbf1914268a794cbb21cfafee13770ae19f1",
            "c5680aa69bb8d860bf82d4e9cd3504b55dde018de765a91bb566283c545a99a7",
            "1e9654e951a5ba44c8604c4de6c67fd78a27e81dcadcfe1edf638ba3aaebaed6",
        ),
        (
            b"Hello World",
            "f0eb03b1a75ac6d9847f55c624a99169b5dccba2a31f5b23bea77ba270de0a7a",
            "b79d196740ad5217771c1098fc4a4b51e0535c32236c71f1ea4d61a2d603352b",
            "88737ae86f2077145f93cc4b153ae9a1cb8d56afa511988c149c5c8c9d93bddf",
        ),
    ],
)
def test_bip322_virtual_transactions(message: bytes, digest: str, spend: str, sign: str) -> None:
    assert tagged_hash(b"BIP0322-signed-message", message).hex() == digest
    first = messages.to_spend(message, SCRIPT)
    assert first.id[::-1].hex() == spend
    assert messages.to_sign(first).id[::-1].hex() == sign


PUBLISHED = {
    b"": "AkcwRAIgM2gBAQqvZX15ZiysmKmQpDrG83avLIT492QBzLnQIxYCIBaTpOaD20qRlEylyxFSeEA2ba9YOixpX8z46TSDtS40ASECx/EgAxlk"
    "QpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=",
    b"Hello World": "AkcwRAIgZRfIY3p7/DoVTty6YZbWS71bc5Vct9p9Fia83eRmw2QCICK/ENGfwLtptFluMGs2KsqoNSk89pO7F29zJLUx9a/sA"
    "SECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=",
}


@pytest.mark.parametrize("message", PUBLISHED)
def test_bip322_published_signatures_verify_for_their_message_only(message: bytes) -> None:
    assert messages.verify_bip322(message, PUBLISHED[message], SCRIPT)
    assert not messages.verify_bip322(message + b"!", PUBLISHED[message], SCRIPT)
    other = script_of("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", MAINNET)
    assert not messages.verify_bip322(message, PUBLISHED[message], other)


def test_bip322_signing_makes_the_published_signature() -> None:
    data = InputData(TxOutput(0, SCRIPT))
    made = messages.sign_bip322(b"", data, {KEY: SECRET}.get, {hash160(KEY): KEY}.get)
    assert messages.verify_bip322(b"", made, SCRIPT)


@pytest.mark.parametrize("name", [name for name in FORMS if name not in ("pk", "multi")])
def test_bip322_signs_for_every_form(name: str) -> None:
    expansion = descriptors.parse(FORMS[name], STYLE).expand()[0]
    keys, data = Keys(expansion), expansion_data(expansion, TxOutput(0, expansion.script))
    signature = messages.sign_bip322(b"hello", data, keys.secrets.get, keys.hashes.get)
    assert messages.verify_bip322(b"hello", signature, expansion.script)
    assert not messages.verify_bip322(b"hullo", signature, expansion.script)


@pytest.mark.parametrize("signature", ["", "AA==", "AkcwRA==", "/////w==", "AQA="])
def test_bip322_junk_does_not_verify(signature: str) -> None:
    assert not messages.verify_bip322(b"x", signature, SCRIPT)


def test_what_is_no_base64_is_a_decode_error() -> None:
    with pytest.raises(DecodeError):
        messages.verify_bip322(b"x", "§§", SCRIPT)
    with pytest.raises(DecodeError):
        messages.verify_legacy("x", "§§", SCRIPT)


def test_a_legacy_signature_of_bitcoin_core_verifies() -> None:
    script = script_of("15CRxFdyRpGZLW9w8HnHvVduizdL5jKNbs", MAINNET)
    signature = "IPojfrX2dfPnH26UegfbGQQLrdK844DlHq5157/P6h57WyuS/Qsl+h/WSVGDF4MUi4rWSswW38oimDYfNNUBUOk="
    assert messages.verify_legacy("Trust no one", signature, script)
    assert not messages.verify_legacy("Trust me", signature, script)


@pytest.mark.parametrize("compressed", [True, False])
def test_legacy_round_trip(compressed: bool) -> None:
    key = public_key(SECRET, compressed)
    signature = messages.sign_legacy("grüße", SECRET, compressed)
    assert messages.recover_legacy("grüße", signature) == key
    from wallet import scripts

    assert messages.verify_legacy("grüße", signature, scripts.p2pkh(hash160(key)))
    assert not messages.verify_legacy("grüße", signature, scripts.p2pkh(hash160(public_key(SECRET, not compressed))))


def test_a_wallet_signs_for_its_addresses() -> None:
    wallet = make(Chain(), passphrase="x")
    legacy, segwit = wallet.new_address(kind="legacy"), wallet.new_address(kind="bech32m")
    with pytest.raises(WalletError) as caught:
        wallet.sign_message(legacy, "hi")
    assert caught.value.rule == "wallet-locked"
    wallet.unlock("x", 10)
    script = wallet.state.script_of(legacy)
    assert messages.verify_legacy("hi", wallet.sign_message(legacy, "hi"), script)
    with pytest.raises(WalletError):
        wallet.sign_message(segwit, "hi")
    signature = wallet.sign_message(segwit, "hi", bip322=True)
    assert messages.verify_bip322(b"hi", signature, wallet.state.script_of(segwit))


def test_personal_messages_as_ethereum_clients_sign_them() -> None:
    secret = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
    digest = messages.personal_hash(b"Some data")
    assert digest.hex() == "1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655"
    signature = messages.sign_personal(b"Some data", secret)
    assert signature.hex() == (
        "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd"
        "6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c"
    )
    account = messages.recover_personal(b"Some data", signature)
    assert account is not None and account.hex() == "2c7536e3605d9c16a7a3d7b1898e529396a65c23"
    assert messages.recover_personal(b"Other data", signature) != account
    high = signature[:32] + (N - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big") + b"\x1b"
    assert messages.recover_personal(b"Some data", high) is None
    assert messages.recover_personal(b"Some data", signature[:-1]) is None
