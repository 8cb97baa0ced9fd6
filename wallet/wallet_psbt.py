"""A wallet's part in partially signed transactions: what it knows of inputs and outputs, and its signatures.

Refuses to know the encoding and to choose coins.
"""

from wallet import psbt_roles
from wallet.descriptor_keys import DerivedKey
from wallet.errors import BAD_PARAMETER, WalletError
from wallet.psbt import Psbt, PsbtInput
from wallet.psbt_updating import update_input, update_output
from wallet.signer import Signer
from wallet.state import WalletState
from wallet.vault import locked


def fill_input(state: WalletState, i: PsbtInput, derivations: bool = True) -> None:
    """Tell an input what the wallet knows of it: the coin, scripts behind hashes, origins of keys."""
    coin = state.history.coins.get(i.point)
    record = state.history.records.get(i.point[:32])
    spent = None if coin is None else coin.record.tx.outputs[coin.vout]
    update_input(i, spent, None if record is None else record.tx, state.expansion_of, derivations)


def fill(state: WalletState, psbt: Psbt, derivations: bool = True) -> None:
    """Tell a PSBT all that the wallet knows (BIP174, updater). The caller holds the guard."""
    for i in psbt.inputs:
        fill_input(state, i, derivations)
    for o in psbt.outputs:
        update_output(o, state.expansion_of, derivations)


def signer_for(state: WalletState, psbt: Psbt) -> Signer:
    """A signer that was told of all keys that the wallet, or the PSBT itself, names."""
    signer = state.signer()
    for i in psbt.inputs:
        for key, origin in i.origins.items():
            signer.learn(DerivedKey(key, origin))
        for xonly, (_, origin) in i.tap_origins.items():
            signer.learn(DerivedKey(xonly, origin))
        if i.spent is not None:
            state.input_data(i.spent, signer)
    return signer


def process(
    state: WalletState,
    psbt: Psbt,
    *,
    sign: bool = True,
    hash_type: int | None = None,
    derivations: bool = True,
    finalize: bool = True,
) -> bool:
    """Update a PSBT, sign it and finalize what is complete; whether it is complete. Raises WalletError: wallet-locked,
    bad-parameter for one whose parts contradict each other."""
    if sign and not state.vault.is_open(state.env.monotonic()):
        raise locked()
    with state.guard:
        fill(state, psbt, derivations)
        signer = signer_for(state, psbt)
    if sign:
        for i in psbt.inputs:
            if hash_type is not None and i.data.hash_type is not None and i.data.hash_type != hash_type:
                raise WalletError(BAD_PARAMETER, "Specified sighash value does not match value stored in PSBT")
        psbt_roles.sign(psbt, signer.secret_of, signer.key_of_hash, hash_type)
    if finalize:
        return psbt_roles.finalize(psbt)
    return all(state_of.next in ("finalizer", "extractor") for state_of in psbt_roles.analyse(psbt).inputs)
