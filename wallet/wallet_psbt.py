"""A wallet's part in partially signed transactions: what it knows of inputs and outputs, and its signatures.

Refuses to know the encoding and to choose coins.
"""

from wallet import psbt_roles
from wallet.descriptor_keys import DerivedKey, Origin
from wallet.descriptors import Expansion
from wallet.errors import BAD_PARAMETER, WalletError
from wallet.psbt import Psbt, PsbtInput, PsbtOutput, TapOrigins
from wallet.signer import Signer
from wallet.state import WalletState, expansion_data
from wallet.vault import locked


def _tap_origins(expansion: Expansion) -> TapOrigins:
    """Which leaves each key signs in, and where it comes from; the internal key signs in none."""
    found: TapOrigins = {}
    if expansion.internal is not None:
        found[expansion.internal.xonly] = (), expansion.internal.origin
    for key in expansion.keys:
        hashes = tuple(sorted(leaf.hash for leaf in expansion.leaves if key.xonly in leaf.script))
        found[key.xonly] = hashes, key.origin
    return found


def _origins(expansion: Expansion) -> dict[bytes, Origin]:
    return {key.public: key.origin for key in expansion.keys}


def fill_input(state: WalletState, i: PsbtInput, derivations: bool = True) -> None:
    """Tell an input what the wallet knows of it: the coin, scripts behind hashes, origins of keys."""
    coin = state.history.coins.get(i.point)
    record = state.history.records.get(i.point[:32])
    spent = i.spent
    if spent is None and coin is not None:
        spent = coin.record.tx.outputs[coin.vout]
    if spent is None or i.data.is_final:
        return
    expansion = state.expansion_of(spent.script)
    if expansion is not None:
        known = expansion_data(expansion, spent)
        data = i.data
        data.redeem = data.redeem or known.redeem
        data.witness_script = data.witness_script or known.witness_script
        data.internal = data.internal or known.internal
        data.merkle_root = data.merkle_root or known.merkle_root
        data.leaves = {**known.leaves, **data.leaves}
        if derivations and expansion.internal is not None:
            i.tap_origins = {**_tap_origins(expansion), **i.tap_origins}
        elif derivations:
            i.origins = {**_origins(expansion), **i.origins}
    psbt_roles.set_coin(i, spent, record.tx if record is not None else None)


def fill_output(state: WalletState, o: PsbtOutput, derivations: bool = True) -> None:
    """Tell an output what the wallet knows of it, so that signers recognise change."""
    expansion = state.expansion_of(o.script)
    if expansion is None:
        return
    o.redeem = o.redeem or expansion.redeem or b""
    o.witness_script = o.witness_script or expansion.witness_script or b""
    if expansion.internal is not None:
        o.internal = o.internal or expansion.internal.xonly
        if derivations:
            o.tap_origins = {**_tap_origins(expansion), **o.tap_origins}
    elif derivations:
        o.origins = {**_origins(expansion), **o.origins}


def fill(state: WalletState, psbt: Psbt, derivations: bool = True) -> None:
    """Tell a PSBT all that the wallet knows (BIP174, updater). The caller holds the guard."""
    for i in psbt.inputs:
        fill_input(state, i, derivations)
    for o in psbt.outputs:
        fill_output(state, o, derivations)


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
