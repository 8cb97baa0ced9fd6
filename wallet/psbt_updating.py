"""Tells a partially signed transaction what a descriptor knows of its inputs and outputs (BIP174, updater).

Refuses to know wallets and chains: scripts are looked up through a function, coins are given.
"""

from collections.abc import Callable, Iterable

from primitives.bitcoin import Transaction, TxOutput
from primitives.errors import DecodeError
from primitives.hashing import hash160
from wallet import psbt_roles
from wallet.descriptor_keys import DerivedKey, Origin
from wallet.descriptors import Descriptor, Expansion
from wallet.hd import InvalidChild
from wallet.psbt import Psbt, PsbtInput, PsbtOutput, TapOrigins
from wallet.state import expansion_data

ExpansionOf = Callable[[bytes], Expansion | None]
"""What is known of an output script."""


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


def update_input(
    i: PsbtInput,
    spent: TxOutput | None,
    previous: Transaction | None,
    expansion_of: ExpansionOf,
    derivations: bool = True,
) -> None:
    """Tell an input its coin, the scripts behind hashes and the origins of keys; one that is final is left as it is."""
    spent = i.spent or spent
    if spent is None or i.data.is_final:
        return
    expansion = expansion_of(spent.script)
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
    psbt_roles.set_coin(i, spent, previous)


def update_output(o: PsbtOutput, expansion_of: ExpansionOf, derivations: bool = True) -> None:
    """Tell an output how its script is made, so that signers recognise change."""
    expansion = expansion_of(o.script)
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


def drop_needless(psbt: Psbt) -> None:
    """Leave out whole transactions where every coin is a taproot one: their signatures commit to all values and scripts.

    Source: Bitcoin Core, psbt.cpp, RemoveUnnecessaryTransactions.
    """
    kinds = [i.data.hash_type for i in psbt.inputs]
    if any(kind is not None and kind & 0x80 for kind in kinds):
        return
    if all(i.witness_utxo is not None and i.witness_utxo.script[:2] == b"\x51\x20" for i in psbt.inputs):
        for i in psbt.inputs:
            i.previous = None


class Provider:
    """Expansions and secrets of some descriptors, for scripts that are looked for."""

    def __init__(self, descriptors: Iterable[tuple[Descriptor, range]]) -> None:
        self._scripts: dict[bytes, Expansion] = {}
        self._secrets: dict[bytes, bytes] = {}
        self._hashes: dict[bytes, bytes] = {}
        for descriptor, span in descriptors:
            for index in span if descriptor.is_range else (0,):
                try:
                    expansions = descriptor.expand(index)
                except InvalidChild:
                    continue
                for expansion in expansions:
                    self._take(expansion)

    def __repr__(self) -> str:
        return f"Provider({len(self._scripts)} scripts)"

    def _take(self, expansion: Expansion) -> None:
        self._scripts[expansion.script] = expansion
        internal = () if expansion.internal is None else (expansion.internal,)
        for key in (*expansion.keys, *internal):
            self._learn(key)

    def _learn(self, key: DerivedKey) -> None:
        self._hashes[hash160(key.public)] = key.public
        if key.secret is not None:
            self._secrets[key.public] = self._secrets[key.xonly] = key.secret

    def expansion_of(self, script: bytes) -> Expansion | None:
        """What the descriptors say of a script."""
        return self._scripts.get(script)

    def secret_of(self, public: bytes) -> bytes | None:
        """The secret of a public or x-only key, where a descriptor has it."""
        return self._secrets.get(public)

    def key_of_hash(self, key_hash: bytes) -> bytes | None:
        """The public key of a hash160."""
        return self._hashes.get(key_hash)


def update(
    psbt: Psbt,
    spent: dict[bytes, TxOutput],
    previous: dict[bytes, Transaction],
    expansion_of: ExpansionOf,
    derivations: bool = True,
) -> None:
    """Tell a PSBT all that is known: coins by outpoint, whole transactions by id, scripts through the function.

    A coin without its transaction is told only where that suffices to sign, for witnesses. Raises DecodeError for one that
    contradicts the PSBT.
    """
    for i in psbt.inputs:
        whole = previous.get(i.point[:32])
        coin = spent.get(i.point)
        if whole is not None and coin is None:
            vout = int.from_bytes(i.point[32:], "little")
            if vout >= len(whole.outputs):
                raise DecodeError("input specifies output index that does not exist")
            coin = whole.outputs[vout]
        update_input(i, coin, whole, expansion_of, derivations)
    for o in psbt.outputs:
        update_output(o, expansion_of, derivations)
    drop_needless(psbt)
