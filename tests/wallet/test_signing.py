"""Signing: every form of output is spent and verified, weights are not underestimated, contradictions are refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives import secp256k1
from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.hashing import hash160
from tests.wallet.world import STYLE
from vm.script.sighash import SpendContext
from wallet import checksum, descriptors, signing, spend_utxo
from wallet.descriptors import Descriptor, Expansion
from wallet.errors import WalletError
from wallet.hd import ExtendedPrivate
from wallet.signer import Signer
from wallet.signing import InputData
from wallet.state import expansion_data

MASTER = ExtendedPrivate.from_seed(bytes(range(64)))
X = [MASTER.child(n).encode(STYLE.bip32_private) for n in range(4)]
UNCOMPRESSED = "91gGn1HgSap6CbU12F6z3pJri26xzp7Ay1VW6NHCoEayNXwRpu2"
NUMS = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0"

FORMS = {
    "pk": f"pk({X[0]}/0)",
    "pkh": f"pkh({X[0]}/0)",
    "pkh uncompressed": f"pkh({UNCOMPRESSED})",
    "wpkh": f"wpkh({X[0]}/0)",
    "sh-wpkh": f"sh(wpkh({X[0]}/0))",
    "sh-pkh": f"sh(pkh({X[0]}/0))",
    "multi": f"multi(1,{X[0]},{X[1]})",
    "sh-multi": f"sh(multi(2,{X[0]},{X[1]},{X[2]}))",
    "wsh-multi": f"wsh(multi(2,{X[0]},{X[1]},{X[2]}))",
    "wsh-sortedmulti": f"wsh(sortedmulti(3,{X[0]},{X[1]},{X[2]}))",
    "sh-wsh-multi": f"sh(wsh(multi(2,{X[0]},{X[1]})))",
    "wsh-pk": f"wsh(pk({X[0]}))",
    "wsh-pkh": f"wsh(pkh({X[0]}))",
    "tr": f"tr({X[0]}/0)",
    "tr with scripts, key path": f"tr({X[0]},{{pk({X[1]}),pk({X[2]})}})",
    "tr script path": f"tr({NUMS},pk({X[1]}))",
    "tr deep script path": f"tr({NUMS},{{pk({NUMS}),{{pk({X[2]}),pk({NUMS})}}}})",
    "tr multi_a": f"tr({NUMS},multi_a(2,{X[0]},{X[1]},{X[2]}))",
    "tr sortedmulti_a": f"tr({NUMS},sortedmulti_a(1,{X[0]},{X[1]}))",
    "rawtr": f"rawtr({X[3]})",
}


class Keys:
    """Secrets of a private descriptor's keys."""

    def __init__(self, expansion: Expansion) -> None:
        self.secrets: dict[bytes, bytes] = {}
        self.hashes: dict[bytes, bytes] = {}
        keys = (*expansion.keys, *((expansion.internal,) if expansion.internal is not None else ()))
        for key in keys:
            if key.secret is not None:
                self.secrets[key.public] = self.secrets[key.xonly] = key.secret
                self.hashes[hash160(key.public)] = key.public


def spend(text: str, hash_type: int | None = None) -> tuple[Transaction, InputData, int]:
    """A signed transaction that spends an output of a descriptor, its input's data, and the weight foreseen."""
    expansion = descriptors.parse(text, STYLE).expand()[0]
    keys = Keys(expansion)
    output = TxOutput(100_000, expansion.script)
    data = expansion_data(expansion, output)
    size = len(expansion.keys[0].public) if expansion.keys else 33
    weight = signing.input_weight(data, size, NUMS not in text)
    tx = Transaction(2, (TxInput(bytes(31) + b"\x01" + bytes(4), b"", 0xFFFFFFFD),), (TxOutput(90_000, b"\x51"),))
    signed, missing = spend_utxo.sign_partly(tx, [data], keys.secrets.get, keys.hashes.get, hash_type)
    assert not missing
    return signed, data, weight


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_spent(name: str) -> None:
    signed, _, weight = spend(FORMS[name])
    real = signed.weight - Transaction(2, (), signed.outputs).weight - (2 if signed.has_witness else 0)
    assert real <= weight + (1 if not signed.has_witness else 0)
    assert weight - real <= 80


@pytest.mark.parametrize("hash_type", [1, 2, 3, 0x81, 0x82, 0x83])
@pytest.mark.parametrize("name", ["pkh", "wpkh", "sh-multi", "tr", "tr script path"])
def test_every_hash_type_verifies(name: str, hash_type: int) -> None:
    spend(FORMS[name], hash_type)


def test_a_missing_signature_leaves_the_input_open_and_a_second_signer_closes_it() -> None:
    expansion = descriptors.parse(FORMS["wsh-multi"], STYLE).expand()[0]
    keys, output = Keys(expansion), TxOutput(100_000, expansion.script)
    tx = Transaction(2, (TxInput(bytes(36)),), (TxOutput(1_000, b"\x51"),))
    first, second = (key.public for key in expansion.keys[:2])
    data = expansion_data(expansion, output)
    half, missing = spend_utxo.sign_partly(tx, [data], {first: keys.secrets[first]}.get, keys.hashes.get)
    assert missing == [0] and list(data.signatures) == [first] and not half.has_witness
    done, missing = spend_utxo.sign_partly(tx, [data], {second: keys.secrets[second]}.get, keys.hashes.get)
    assert not missing and len(done.inputs[0].witness) == 4


def test_signatures_that_a_transaction_holds_already_are_taken_over() -> None:
    expansion = descriptors.parse(FORMS["sh-multi"], STYLE).expand()[0]
    keys, output = Keys(expansion), TxOutput(100_000, expansion.script)
    tx = Transaction(2, (TxInput(bytes(36)),), (TxOutput(1_000, b"\x51"),))
    data = expansion_data(expansion, output)
    first, second = (key.public for key in expansion.keys[:2])
    context = SpendContext(tx, [output])
    signing.sign_input(context, 0, data, {first: keys.secrets[first]}.get, keys.hashes.get)
    signature = data.signatures[first]
    script = b"\x00" + bytes([len(signature)]) + signature + b"\x4c" + bytes([len(data.redeem)]) + data.redeem
    half = Transaction(2, (tx.inputs[0]._replace(script=script),), tx.outputs)
    done, missing = spend_utxo.sign_partly(
        half, [InputData(output)], {second: keys.secrets[second]}.get, keys.hashes.get
    )
    assert not missing and signature in done.inputs[0].script
    again, missing = spend_utxo.sign_partly(done, [InputData(output)], lambda key: None, lambda key: None)
    assert again.inputs == done.inputs and not missing


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sh-multi", {"redeem": b"\x51"}),
        ("wsh-multi", {"witness_script": b"\x51"}),
        ("wpkh", {"redeem": b"\x51"}),
        ("wpkh", {"witness_script": b"\x51"}),
        ("pkh", {"witness_script": b"\x51"}),
    ],
)
def test_scripts_that_contradict_the_coin_are_refused(name: str, change: dict[str, bytes]) -> None:
    expansion = descriptors.parse(FORMS[name], STYLE).expand()[0]
    keys, output = Keys(expansion), TxOutput(100_000, expansion.script)
    data = expansion_data(expansion, output)
    for field, value in change.items():
        setattr(data, field, value)
    tx = Transaction(2, (TxInput(bytes(36)),), (TxOutput(1_000, b"\x51"),))
    with pytest.raises(WalletError) as caught:
        spend_utxo.sign_partly(tx, [data], keys.secrets.get, keys.hashes.get)
    assert caught.value.rule == "bad-parameter"


def test_an_internal_key_that_leads_elsewhere_is_refused() -> None:
    expansion = descriptors.parse(FORMS["tr"], STYLE).expand()[0]
    keys = Keys(expansion)
    data = expansion_data(expansion, TxOutput(1, b"\x51\x20" + secp256k1.public_key(bytes(31) + b"\x07")[1:]))
    tx = Transaction(2, (TxInput(bytes(36)),), (TxOutput(1_000, b"\x51"),))
    with pytest.raises(WalletError):
        spend_utxo.sign_partly(tx, [data], keys.secrets.get, keys.hashes.get)


def test_signatures_have_low_r_and_are_deterministic() -> None:
    first, _, _ = spend(FORMS["wpkh"])
    second, _, _ = spend(FORMS["wpkh"])
    assert first == second
    for n in range(40):
        signed, _, _ = spend(f"wpkh({X[0]}/{n})")
        assert len(signed.inputs[0].witness[0]) <= 71


def test_descriptor_text_hides_and_shows_secrets() -> None:
    for text in FORMS.values():
        found = descriptors.parse(checksum.add(text), STYLE, checksum_required=True)
        assert found.has_private or NUMS in text
        for hidden in (found.text(STYLE), repr(found), repr(list(found.all_keys())), str(found.expand())):
            assert not any(x in hidden for x in (*X, UNCOMPRESSED))
            assert not any(key.secret and key.secret.hex() in hidden for e in found.expand() for key in e.keys)
        again = descriptors.parse(found.text(STYLE, private=True), STYLE)
        assert again == found and again.expand()[0].script == found.expand()[0].script
        assert descriptors.parse(found.text(STYLE), STYLE).expand()[0].script == found.expand()[0].script


def test_normalised_descriptors_need_no_secret() -> None:
    text = f"wsh(multi(1,{X[0]}/44h/1h/0/*,[11223344/5h]{X[1]}/7/*))"
    found = descriptors.parse(text, STYLE)
    normal = found.normalised()
    assert not normal.has_private
    assert [e.script for e in normal.expand(9)] == [e.script for e in found.expand(9)]
    assert [k.origin for k in normal.expand(9)[0].keys] == [k.origin for k in found.expand(9)[0].keys]
    assert descriptors.parse(normal.text(STYLE), STYLE) == normal


def test_multipath_descriptors_expand() -> None:
    xpub = MASTER.public.encode(STYLE.bip32_public)
    both = descriptors.expand_multipath(f"wpkh({xpub}/<0;1>/*)")
    assert [text.split("#")[0] for text in both] == [f"wpkh({xpub}/{n}/*)" for n in (0, 1)]
    assert all(isinstance(descriptors.parse(text, STYLE, True), Descriptor) for text in both)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_random_text_is_no_descriptor_and_no_crash(text: str) -> None:
    from primitives.errors import DecodeError

    for wrapped in (text, f"wpkh({text})", f"sh(multi(1,{text}))", f"tr({NUMS},{text})"):
        try:
            descriptors.parse(wrapped, STYLE)
        except DecodeError:
            continue


def test_a_signer_shows_nothing() -> None:
    from random import Random

    from wallet.vault import Vault

    assert repr(Signer(Vault([], None, Random(1)), 0.0)) == "Signer(0 keys)"
