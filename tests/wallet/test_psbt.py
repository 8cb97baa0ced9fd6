"""PSBTs: several wallets complete one together, encodings survive, hostile bytes give DecodeError and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.errors import DecodeError
from tests.wallet.world import REWARD, STYLE, Chain, funded, make, script_of
from wallet import checksum, psbt_codec, psbt_roles
from wallet.errors import WalletError
from wallet.hd import ExtendedPrivate
from wallet.psbt import Psbt
from wallet.spend_utxo import Payment
from wallet.spending import SendOptions
from wallet.wallet import Wallet

COIN = 100_000_000
MASTERS = [ExtendedPrivate.from_seed(bytes([n]) * 32) for n in range(3)]


def passed(psbt: Psbt) -> Psbt:
    """The PSBT as another wallet gets it."""
    text = psbt_codec.to_base64(psbt)
    again = psbt_codec.from_base64(text)
    assert psbt_codec.to_base64(again) == text
    return again


def cosigners(chain: Chain, form: str) -> list[Wallet]:
    """Three wallets that share a 2 of 3 descriptor, each with one of its private keys."""
    wallets = []
    for own in range(3):
        for internal in (0, 1):
            keys = []
            for n, master in enumerate(MASTERS):
                base = master.encode(STYLE.bip32_private) if n == own else master.public.encode(STYLE.bip32_public)
                keys.append(f"{base}/{internal}/*")
            text = checksum.add(form.format(",".join(keys)))
            if internal == 0:
                wallet = make(chain, name=f"co{own}", folder=f"/co{own}", blank=True)
                wallets.append(wallet)
            wallet.import_descriptor(text, active=True, internal=bool(internal))
    return wallets


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("wsh(sortedmulti(2,{}))", "bech32"),
        ("sh(wsh(multi(2,{})))", "p2sh-segwit"),
        ("sh(multi(2,{}))", "legacy"),
        ("tr(50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0,multi_a(2,{}))", "bech32m"),
    ],
)
def test_two_of_three_wallets_spend_together(form: str, kind: str, version: int) -> None:
    chain = Chain()
    a, b, c = cosigners(chain, form)
    assert a.new_address(kind=kind) == b.new_address(kind=kind) == c.new_address(kind=kind)
    chain.mine(script_of(a, kind))
    chain.mine(count=100)
    payments = [Payment(b"\x00\x14" + bytes(20), 3 * COIN)]
    psbt, made = a.create_psbt(payments, SendOptions(change_kind=kind, rate=3_000), version)
    assert psbt_roles.analyse(psbt).next == "signer"
    assert psbt.fee() == made.fee
    assert not a.process_psbt(psbt)
    other = passed(psbt)
    assert c.process_psbt(other)
    tx = psbt_roles.extract(passed(other))
    assert made.fee <= 3 * tx.vsize + 40 and tx.vsize * 3 <= made.fee
    chain.submit(tx)
    chain.mine()
    assert a.balances() == b.balances() == c.balances()
    assert a.balances().trusted == REWARD - 3 * COIN - made.fee
    half_a, half_b = passed(psbt), psbt_codec.from_base64(psbt_codec.to_base64(psbt))
    assert psbt_codec.encode(psbt_roles.combine([half_a, half_b])) == psbt_codec.encode(half_a)


def test_a_watch_only_wallet_funds_and_the_cold_one_signs() -> None:
    chain = Chain()
    cold = funded(chain, 2)
    watch = make(chain, name="watch", folder="/watch", private_keys=False)
    for source in cold.descriptors():
        watch.import_descriptor(source.text, active=True, internal=source.internal)
    watch.rescan(0)
    for kind in ("legacy", "p2sh-segwit", "bech32", "bech32m"):
        psbt, _ = watch.create_psbt(
            [Payment(script_of(watch, kind), COIN)], SendOptions(lock_inputs=True, change_kind=kind)
        )
        assert not watch.process_psbt(psbt, sign=False)
        signed = passed(psbt)
        assert cold.process_psbt(signed)
        watch.commit(psbt_roles.extract(signed))
        watch.unfreeze_all()
        chain.mine()
    assert watch.balances() == cold.balances()


def test_conversion_between_versions() -> None:
    tx = Transaction(2, (TxInput(bytes(36), b"", 5), TxInput(bytes(35) + b"\x01")), (TxOutput(7, b"\x51"),), 99)
    first = psbt_roles.create(tx)
    second = psbt_roles.convert(first, 2)
    assert passed(second).version == 2 and second.tx == tx
    assert psbt_codec.encode(psbt_roles.convert(passed(second), 0)) == psbt_codec.encode(first)
    second.inputs[0].least_height, second.inputs[1].least_height = 500, 700
    assert passed(second).tx.lock_time == 700
    second.inputs[1].least_height, second.inputs[1].least_time = None, 500_000_001
    with pytest.raises(DecodeError):
        _ = second.tx


def test_roles_refuse_what_does_not_fit() -> None:
    one = psbt_roles.create(Transaction(2, (TxInput(bytes(36)),), (TxOutput(7, b"\x51"),)))
    two = psbt_roles.create(Transaction(2, (TxInput(bytes(35) + b"\x01"),), (TxOutput(7, b"\x51"),)))
    with pytest.raises(WalletError, match="different transactions"):
        psbt_roles.combine([one, two])
    with pytest.raises(WalletError):
        psbt_roles.extract(one)
    with pytest.raises(WalletError):
        psbt_roles.join([one, one])
    joined = psbt_roles.join([one, two])
    assert len(joined.inputs) == len(joined.outputs) == 2
    assert psbt_roles.analyse(joined).next == "updater"


VALID = psbt_codec.encode(psbt_roles.create(Transaction(2, (TxInput(bytes(36)),), (TxOutput(7, b"\x51"),)), 2))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=120), st.integers(0, len(VALID) - 1), st.integers(0, 255))
def test_hostile_bytes_give_decode_errors_only(junk: bytes, at: int, byte: int) -> None:
    for data in (
        junk,
        b"psbt\xff" + junk,
        VALID[:at] + bytes([byte]) + VALID[at + 1 :],
        VALID[:at] + junk + VALID[at:],
    ):
        try:
            found = psbt_codec.decode(data)
        except DecodeError:
            continue
        assert psbt_codec.decode(psbt_codec.encode(found)) is not None
