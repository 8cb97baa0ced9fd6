"""What is done with partially signed transactions: create, update, sign, combine, finalize, extract, analyse (BIP174).

Refuses to know wallets: secrets are looked up through a SecretOf. What is finalized has been run by the script interpreter.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.errors import Missing
from primitives.hashing import hash160
from vm.script.shapes import is_script_hash, witness_program
from vm.script.sighash import SpendContext
from wallet import scripts, signing, spend_utxo
from wallet.errors import BAD_PARAMETER, NOT_SIGNED, WalletError
from wallet.psbt import Psbt, PsbtInput, PsbtOutput
from wallet.signing import InputData, SecretOf


def create(tx: Transaction, version: int = 0) -> Psbt:
    """A PSBT of an unsigned transaction; scripts and witnesses in its inputs are left out."""
    return Psbt(
        [PsbtInput(i.outpoint, i.sequence) for i in tx.inputs],
        [PsbtOutput(o.value, o.script) for o in tx.outputs],
        version,
        tx.version,
        tx.lock_time,
        modifiable=3 if version >= 2 else None,
    )


def convert(psbt: Psbt, version: int) -> Psbt:
    """The same PSBT in the other version. Raises DecodeError where a v2's lock times cannot be settled."""
    new = copy.deepcopy(psbt)
    new.version, new.states_version = version, False
    if version == 0:
        new.lock_time, new.modifiable = psbt.settled_lock_time(), None
        for i in new.inputs:
            i.least_time = i.least_height = None
    elif new.modifiable is None:
        new.modifiable = 0
    return new


def set_coin(i: PsbtInput, output: TxOutput, previous: Transaction | None = None) -> None:
    """Tell an input which output it spends. A witness input needs no more; the whole transaction is kept where it is known.

    Source: BIP174, updater; Bitcoin Core, wallet/wallet.cpp, FillPSBT (the whole transaction also for v0 witnesses).
    """
    script = i.data.redeem if is_script_hash(output.script) and i.data.redeem else output.script
    program = witness_program(script)
    if previous is not None and (program is None or program[0] == 0):
        i.previous = previous
    if program is not None:
        i.witness_utxo = output
    i.data.spent = i.spent or output


def check_coin(i: PsbtInput) -> None:
    """Raise WalletError("bad-parameter") for an input whose coin or scripts contradict each other (BIP174, signer checks)."""
    data = i.data
    data.spent = i.spent
    if data.spent is None:
        return
    if i.previous is not None and i.witness_utxo is not None:
        vout = int.from_bytes(i.point[32:], "little")
        if i.previous.outputs[vout] != i.witness_utxo:
            raise WalletError(BAD_PARAMETER, "the two forms of the coin of an input differ")
    _, segwit = signing.signed_script(data)
    is_witness = segwit or witness_program(data.spent.script) is not None
    if i.previous is None and not is_witness and not (is_script_hash(data.spent.script) and not data.redeem):
        raise WalletError(BAD_PARAMETER, "an input without witness needs the whole transaction that it spends")


def context_of(psbt: Psbt) -> SpendContext:
    """The transaction and its coins, for signature hashes."""
    return SpendContext(psbt.tx, [i.spent for i in psbt.inputs])


def sign(
    psbt: Psbt,
    secret_of: SecretOf,
    key_of_hash: Callable[[bytes], bytes | None] | None = None,
    hash_type: int | None = None,
) -> int:
    """Add all signatures that the secrets can make; how many. Raises WalletError("bad-parameter")."""
    for i in psbt.inputs:
        check_coin(i)
    context, added = context_of(psbt), 0
    for index, i in enumerate(psbt.inputs):
        if i.spent is None:
            continue
        known = {hash160(key): key for key in (*i.origins, *i.data.signatures)}

        def find(key_hash: bytes, known: dict[bytes, bytes] = known) -> bytes | None:
            found = known.get(key_hash)
            return found if found is not None or key_of_hash is None else key_of_hash(key_hash)

        try:
            added += signing.sign_input(context, index, i.data, secret_of, find, hash_type)
        except Missing:  # a taproot input needs every coin, and one is not told yet
            continue
    return added


def combine(psbts: Sequence[Psbt]) -> Psbt:
    """All that several PSBTs of one transaction know. Raises WalletError("bad-parameter") for different transactions."""
    if not psbts:
        raise WalletError(BAD_PARAMETER, "there is nothing to combine")
    new = copy.deepcopy(psbts[0])
    for other in psbts[1:]:
        if other.version != new.version or other.tx.id != new.tx.id:
            raise WalletError(BAD_PARAMETER, "PSBTs not compatible (different transactions)")
        _merge_dict(new.xpubs, other.xpubs)
        _merge_dict(new.unknown, other.unknown)
        for mine, theirs in zip(new.inputs, other.inputs, strict=True):
            _merge_input(mine, theirs)
        for own, other_output in zip(new.outputs, other.outputs, strict=True):
            _merge_output(own, other_output)
    return new


def _merge_dict(mine: dict[Any, Any], theirs: dict[Any, Any]) -> None:
    for key, value in theirs.items():
        mine.setdefault(key, value)


def _merge_input(mine: PsbtInput, theirs: PsbtInput) -> None:
    mine.previous = mine.previous or theirs.previous
    mine.witness_utxo = mine.witness_utxo or theirs.witness_utxo
    for name in ("origins", "tap_origins", "preimages", "musig", "unknown"):
        _merge_dict(getattr(mine, name), getattr(theirs, name))
    a, b = mine.data, theirs.data
    for name in ("signatures", "leaves", "leaf_signatures"):
        _merge_dict(getattr(a, name), getattr(b, name))
    for name in (
        "redeem",
        "witness_script",
        "internal",
        "merkle_root",
        "key_signature",
        "final_script",
        "final_witness",
    ):
        setattr(a, name, getattr(a, name) or getattr(b, name))
    a.hash_type = a.hash_type if a.hash_type is not None else b.hash_type
    mine.least_time = mine.least_time if mine.least_time is not None else theirs.least_time
    mine.least_height = mine.least_height if mine.least_height is not None else theirs.least_height
    a.spent = mine.spent


def _merge_output(mine: PsbtOutput, theirs: PsbtOutput) -> None:
    for name in ("origins", "tap_origins", "musig", "unknown"):
        _merge_dict(getattr(mine, name), getattr(theirs, name))
    for name in ("redeem", "witness_script", "internal", "tree"):
        setattr(mine, name, getattr(mine, name) or getattr(theirs, name))


def finalize(psbt: Psbt) -> bool:
    """Finish all inputs that can be finished; whether all are. Raises WalletError("bad-parameter") for one that does not verify."""
    finished = []
    for index, i in enumerate(psbt.inputs):
        if not i.data.is_final and i.spent is not None:
            check_coin(i)
            if signing.finalize_input(i.data):
                i.origins, i.tap_origins = {}, {}
                finished.append(index)
    if finished and all(i.spent is not None for i in psbt.inputs):
        tx = spend_utxo.with_final_inputs(psbt.tx, [i.data for i in psbt.inputs])
        context = SpendContext(tx, [i.spent for i in psbt.inputs])
        for index in finished:
            signing.check_input(context, index)
    return all(i.data.is_final for i in psbt.inputs)


def extract(psbt: Psbt) -> Transaction:
    """The signed transaction. Raises WalletError("not-signed") while an input is not final."""
    for index, i in enumerate(psbt.inputs):
        if not i.data.is_final:
            raise WalletError(NOT_SIGNED, f"input {index} is not final")
    return spend_utxo.with_final_inputs(psbt.tx, [i.data for i in psbt.inputs])


def join(psbts: Sequence[Psbt]) -> Psbt:
    """One PSBT with the inputs and outputs of several. Raises WalletError("bad-parameter") for a shared input."""
    if len(psbts) < 2:
        raise WalletError(BAD_PARAMETER, "at least two PSBTs are required to join PSBTs")
    new = Psbt(tx_version=max(p.tx_version for p in psbts), lock_time=min(p.settled_lock_time() for p in psbts))
    points = set()
    for psbt in psbts:
        for i in psbt.inputs:
            if i.point in points:
                raise WalletError(BAD_PARAMETER, "an input exists in multiple PSBTs")
            points.add(i.point)
            new.inputs.append(copy.deepcopy(i))
        new.outputs.extend(copy.deepcopy(o) for o in psbt.outputs)
        _merge_dict(new.xpubs, psbt.xpubs)
        _merge_dict(new.unknown, psbt.unknown)
    return new


@dataclass(frozen=True, slots=True)
class InputState:
    """How far an input is, and who is to act next."""

    has_utxo: bool
    is_final: bool
    next: str
    missing_keys: tuple[bytes, ...] = ()  # hashes of public keys that are not known
    missing_signatures: tuple[bytes, ...] = ()  # hashes of the keys whose signatures are missing
    missing_redeem: bytes | None = None
    missing_witness_script: bytes | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """How far a PSBT is."""

    inputs: tuple[InputState, ...]
    next: str
    fee: int | None
    vsize: int | None
    error: str | None = None


_ROLES = ("creator", "updater", "signer", "finalizer", "extractor")


def _input_state(i: PsbtInput) -> InputState:
    if i.spent is None:
        return InputState(False, False, "updater")
    if i.data.is_final:
        return InputState(True, True, "extractor")
    data = copy.copy(i.data)
    data.spent = i.spent
    if signing.final_form(data) is not None:
        return InputState(True, False, "finalizer")
    if signing.taproot_key(data) is not None:
        return InputState(True, False, "signer" if data.internal or data.leaves else "updater")
    script, segwit = signing.signed_script(data)
    if not script:
        inner = data.redeem or data.spent.script
        if segwit or witness_program(inner) is not None:
            return InputState(True, False, "updater", missing_witness_script=(witness_program(inner) or (0, b""))[1])
        return InputState(True, False, "updater", missing_redeem=data.spent.script[2:22])
    multisig, single, key_hash = scripts.multisig_in(script), scripts.pk_in(script), scripts.pkh_in(script)
    if multisig is not None:
        wanted = [hash160(key) for key in multisig.keys if key not in data.signatures]
    elif single is not None:
        wanted = [hash160(single)]
    else:
        wanted = [key_hash] if key_hash is not None else []
        if key_hash is not None and key_hash not in {hash160(key) for key in i.origins}:
            return InputState(True, False, "updater", missing_keys=(key_hash,))
    return InputState(True, False, "signer", missing_signatures=tuple(wanted))


def analyse(psbt: Psbt) -> Analysis:
    """How far a PSBT is, who acts next, and what the transaction will cost. Source: Bitcoin Core, node/psbt.cpp, AnalyzePSBT."""
    try:
        states = tuple(_input_state(i) for i in psbt.inputs)
    except WalletError as e:
        return Analysis((), "creator", None, None, str(e))
    role = min((state.next for state in states), key=_ROLES.index, default="extractor")
    fee = psbt.fee()
    if fee is not None and fee < 0:
        return Analysis((), "creator", None, None, "PSBT is not valid. Output amount invalid")
    vsize = None
    if fee is not None and all(s.next in ("signer", "finalizer", "extractor") for s in states):
        vsize = _signed_size(psbt)
    return Analysis(states, role, fee, vsize)


def _signed_size(psbt: Psbt) -> int:
    done = spend_utxo.with_final_inputs(psbt.tx, [i.data for i in psbt.inputs])
    weight = 4 * len(Transaction(done.version, (), done.outputs, done.lock_time).base)
    has_witness = any(_is_witness(i.data) for i in psbt.inputs)
    for spend, i in zip(done.inputs, psbt.inputs, strict=True):
        if i.data.is_final:
            alone = Transaction(2, (TxInput(spend.outpoint, spend.script, spend.sequence, spend.witness),), ())
            weight += alone.weight - 4 * 10 - (2 if spend.witness else 0)
        else:
            weight += signing.input_weight(i.data)
    return (weight + (2 if has_witness else 0) + 3) // 4


def _is_witness(data: InputData) -> bool:
    if data.final_witness or data.spent is None:
        return bool(data.final_witness)
    script = data.redeem if data.redeem else data.spent.script
    return witness_program(script) is not None
