"""PSBTs shared with embit, @scure/btc-signer and bitcoinjs-lib: each signs what another made, each finishes what another signed."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from embit import bip32, ec
from embit import descriptor as embit_descriptors
from embit import psbt as embit_psbt
from embit.finalizer import finalize_psbt
from embit.networks import NETWORKS

from primitives import secp256k1
from primitives.bitcoin import Transaction, TxInput, TxOutput, decode_transaction, outpoint
from tests.scenarios.wallets.conftest import Ask
from tests.wallet.world import STYLE
from vm.script.flags import STANDARD
from vm.script.sighash import SpendContext
from vm.script.verify import verify_input
from wallet import descriptors, psbt_codec, psbt_roles, psbt_updating
from wallet.hd import ExtendedPrivate
from wallet.psbt import Psbt
from wallet.psbt_updating import Provider

pytestmark = pytest.mark.scenario

MASTERS = [ExtendedPrivate.from_seed(bytes([n]) * 32) for n in range(1, 4)]
NUMS = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0"
FORMS = {
    "p2pkh": ("pkh({})", 1),
    "p2sh-p2wpkh": ("sh(wpkh({}))", 1),
    "p2wpkh": ("wpkh({})", 1),
    "p2tr key": ("tr({})", 1),
    "p2sh 2 of 3": ("sh(sortedmulti(2,{},{},{}))", 3),
    "p2wsh 2 of 3": ("wsh(sortedmulti(2,{},{},{}))", 3),
    "p2sh-p2wsh 2 of 3": ("sh(wsh(sortedmulti(2,{},{},{})))", 3),
    "p2tr leaf": ("tr(" + NUMS + ",pk({}))", 1),
    "p2tr leaves 2 of 3": ("tr(" + NUMS + ",sortedmulti_a(2,{},{},{}))", 3),
}
"""Name: descriptor and how many keys it has."""
VALUE, FEE, COUNT = 100_000_000, 2_000, 2
SPAN = range(COUNT + 1)


def text_of(form: str, count: int, private: int | None = None) -> str:
    """A descriptor on m/86h/1h/0h/0/* of the masters; of one of them with its private key."""
    keys = []
    for n, master in enumerate(MASTERS[:count]):
        account = master.derive((86 | 1 << 31, 1 | 1 << 31, 1 << 31))
        version = STYLE.bip32_private if n == private else STYLE.bip32_public
        node: Any = account if n == private else account.public
        keys.append(f"[{master.fingerprint.hex()}/86h/1h/0h]{node.encode(version)}/0/*")
    return form.format(*keys)


def secrets_of(n: int) -> list[str]:
    """The private keys of a master at all places, for libraries that know no descriptors."""
    account = MASTERS[n].derive((86 | 1 << 31, 1 | 1 << 31, 1 << 31))
    return [account.derive((0, index)).key.hex() for index in SPAN]


class Case:
    """A payment from two coins under a descriptor, with change to a third script of it."""

    def __init__(self, name: str) -> None:
        form, self.count = FORMS[name]
        self.form = form
        self.threshold = 2 if self.count == 3 else 1
        self.public = descriptors.parse(text_of(form, self.count), STYLE)
        self.provider = Provider([(self.public, SPAN)])
        self.coins: dict[bytes, TxOutput] = {}
        self.funding: dict[bytes, Transaction] = {}
        for index in range(COUNT):
            out = TxOutput(VALUE, self.public.expand(index)[0].script)
            tx = Transaction(2, (TxInput(outpoint(bytes([index + 1]) * 32, 0), b"\x51"),), (TxOutput(5, b"\x51"), out))
            self.funding[tx.id] = tx
            self.coins[outpoint(tx.id, 1)] = out
        pay = TxOutput(VALUE, bytes.fromhex("0014") + b"\x09" * 20)
        change = TxOutput(VALUE * COUNT - VALUE - FEE, self.public.expand(COUNT)[0].script)
        self.tx = Transaction(2, tuple(TxInput(p, b"", 0xFFFFFFFD) for p in self.coins), (pay, change), 7)

    def made(self, version: int = 0) -> Psbt:
        """The PSBT with all but signatures."""
        psbt = psbt_roles.create(self.tx, version)
        psbt_updating.update(psbt, self.coins, self.funding, self.provider.expansion_of)
        return psbt

    def signed_by_us(self, psbt: Psbt, n: int) -> Psbt:
        ring = Provider([(descriptors.parse(text_of(self.form, self.count, n), STYLE), SPAN)])
        assert psbt_roles.sign(psbt, ring.secret_of, ring.key_of_hash) == COUNT
        return psbt

    def check(self, tx: Transaction) -> None:
        """Nodes accept it."""
        assert (tx.id == self.tx.id) == all(not i.script for i in tx.inputs)
        assert [i.outpoint for i in tx.inputs] == list(self.coins) and tx.outputs == self.tx.outputs
        context = SpendContext(tx, list(self.coins.values()))
        for index in range(COUNT):
            verify_input(context, index, STANDARD)

    def finished_by_us(self, psbt: Psbt) -> Transaction:
        assert psbt_roles.finalize(psbt)
        tx = psbt_roles.extract(psbt)
        self.check(tx)
        return tx


def text(psbt: Psbt) -> str:
    return psbt_codec.to_base64(psbt)


def read(psbt: str) -> Psbt:
    return psbt_codec.from_base64(psbt)


# -- embit -----------------------------------------------------------------------------------------------------------


def embit_sign(psbt: str, n: int) -> str:
    """What embit signs with a master key, by the derivations in the PSBT."""
    found = embit_psbt.PSBT.from_string(psbt)
    root = bip32.HDKey.from_seed(bytes([n + 1]) * 32)
    assert found.sign_with(root) == COUNT
    return str(found.to_string())


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("name", FORMS)
def test_embit(name: str, version: int) -> None:
    case = Case(name)
    made = case.made(version)
    theirs = embit_psbt.PSBT.from_string(text(made))
    assert base64.b64decode(theirs.to_string()) != b"" and theirs.fee() == FEE
    ours: dict[str, Psbt] = {}
    for n in range(case.threshold):
        by_embit = embit_sign(text(made), n)
        ours[f"embit{n}"] = read(by_embit)
        ours[f"us{n}"] = case.signed_by_us(read(text(made)), n)
    if case.threshold == 1:
        case.finished_by_us(ours["embit0"])
        final = finalize_psbt(embit_psbt.PSBT.from_string(text(ours["us0"])))
    else:
        case.finished_by_us(psbt_roles.combine([ours["us0"], ours["embit1"]]))
        case.finished_by_us(psbt_roles.combine([ours["embit0"], ours["us1"]]))
        final = finalize_psbt(embit_psbt.PSBT.from_string(text(psbt_roles.combine([ours["us0"], ours["us1"]]))))
    if "p2tr" in name:
        assert final is None  # embit signs for taproot, but finishes nothing of it
    elif (
        name == "p2sh 2 of 3"
    ):  # it leaves the signatures of a bare P2SH out of the script, so they are checked one by one
        whole = embit_psbt.PSBT.from_string(text(psbt_roles.combine([ours["us0"], ours["us1"]])))
        for index, one in enumerate(whole.inputs):
            assert len(one.partial_sigs) == 2
            for key, signature in one.partial_sigs.items():
                assert key.verify(ec.Signature.parse(signature[:-1]), whole.sighash(index))
    else:
        case.check(decode_transaction(final.serialize()))


@pytest.mark.parametrize("name", [name for name in FORMS if "leaves" not in name])
def test_addresses_of_embit(name: str) -> None:
    form, count = FORMS[name]
    theirs = embit_descriptors.Descriptor.from_string(text_of(form, count))
    ours = descriptors.parse(text_of(form, count), STYLE)
    for index in range(5):
        assert theirs.derive(index).address(NETWORKS["regtest"]) == ours.addresses(STYLE, index)[0]


# -- @scure/btc-signer and bitcoinjs-lib -----------------------------------------------------------------------------

LIBRARIES = ("scure", "bitcoinjs")
UNFINISHED = {("p2tr leaves 2 of 3", "bitcoinjs")}
"""bitcoinjs-lib leaves no empty item for the key of a multi_a that did not sign, so it can only verify ours."""
Both = tuple[str, str]


@pytest.fixture(scope="module")
def shared(js_bitcoin: Ask) -> dict[Both, tuple[list[Psbt], list[Psbt]]]:
    """For each form and library: what we signed and what it signed, by each key."""
    made = {name: text(Case(name).made()) for name in FORMS}
    requests = [
        {"action": "sign", "by": library, "psbt": made[name], "secrets": secrets_of(n)}
        for name in FORMS
        for library in LIBRARIES
        for n in range(Case(name).threshold)
    ]
    answers = iter(js_bitcoin("batch", requests=requests))
    found = {}
    for name in FORMS:
        case = Case(name)
        for library in LIBRARIES:
            by_us = [case.signed_by_us(read(made[name]), n) for n in range(case.threshold)]
            found[name, library] = by_us, [read(next(answers)) for _ in range(case.threshold)]
    return found


@pytest.fixture(scope="module")
def closed(js_bitcoin: Ask, shared: dict[Both, tuple[list[Psbt], list[Psbt]]]) -> dict[Both, list[Any]]:
    """For each form and library: what it combines of our and its part, and what it makes of all of ours."""
    requests = []
    for (name, library), (by_us, by_them) in shared.items():
        first = by_us[0] if len(by_us) > 1 else Case(name).made()  # of one key, two signatures are too many
        parts = [text(first), text(by_them[-1])]
        requests.append({"action": "combine", "by": library, "psbts": parts})
        action = "verify" if (name, library) in UNFINISHED else "finish"
        requests.append({"action": action, "by": library, "psbt": text(psbt_roles.combine(by_us))})
    answers = iter(js_bitcoin("batch", requests=requests))
    return {key: [next(answers), next(answers)] for key in shared}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", FORMS)
def test_javascript_libraries(
    shared: dict[Both, tuple[list[Psbt], list[Psbt]]], closed: dict[Both, list[Any]], name: str, library: str
) -> None:
    case = Case(name)
    by_us, by_them = shared[name, library]
    joined, done = closed[name, library]
    if case.threshold == 1:
        case.finished_by_us(by_them[0])
    else:
        case.finished_by_us(psbt_roles.combine([by_them[0], by_us[1]]))
    case.finished_by_us(read(joined))
    if (name, library) in UNFINISHED:
        assert done is True
    else:
        case.check(decode_transaction(bytes.fromhex(done)))


def test_addresses_of_scure(js_bitcoin: Ask) -> None:
    secrets = [bytes([n]) * 32 for n in (5, 6, 7)]
    keys = [secp256k1.public_key(secret).hex() for secret in secrets]
    three = ",".join(keys)
    ours = {
        "pkh": f"pkh({keys[0]})",
        "wpkh": f"wpkh({keys[0]})",
        "nested": f"sh(wpkh({keys[0]}))",
        "tr": f"tr({keys[0][2:]})",
        "wsh": f"wsh(sortedmulti(2,{three}))",
        "sh": f"sh(sortedmulti(2,{three}))",
        "nestedWsh": f"sh(wsh(sortedmulti(2,{three})))",
        "trMulti": f"tr({NUMS},sortedmulti_a(2,{','.join(key[2:] for key in keys)}))",
    }
    theirs = js_bitcoin("addresses", secrets=[secret.hex() for secret in secrets], internal=NUMS)
    assert theirs == {name: descriptors.parse(form, STYLE).addresses(STYLE)[0] for name, form in ours.items()}
    assert ec.PrivateKey(secrets[0]).get_public_key().sec().hex() == keys[0]
