"""Signing a raw transaction with keys at hand, input by input, and gathering the signatures that copies of it bear already.

It refuses to know where coins come from. What an input needs and how it is laid out is wallet/signing.py's; here are half-signed forms too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from primitives import secp256k1
from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.hashing import hash160, sha256
from vm.script.errors import ScriptError
from vm.script.flags import STANDARD
from vm.script.opcodes import Truncated, operations, push
from vm.script.shapes import is_script_hash, last_push, witness_program
from vm.script.sighash import SpendContext
from vm.script.verify import verify_input
from wallet import scripts, taproot
from wallet.errors import WalletError
from wallet.signing import InputData, final_form, sign_input, signed_script, taproot_key

UNABLE = "Unable to sign input, invalid stack size (possibly missing key)"
MORE_NEEDED = "CHECK(MULTI)SIG failing with non-zero signature (possibly need more signatures)"
_LONGEST_SIGNATURE = 73


@dataclass(slots=True, repr=False)
class Keyring:
    """Secrets by public key, and scripts by their hashes."""

    secrets: dict[bytes, bytes] = field(default_factory=dict)
    scripts: dict[bytes, bytes] = field(default_factory=dict)
    outputs: dict[bytes, bytes] = field(default_factory=dict)
    """Taproot output keys of keys without a tree -> the internal key."""

    def add_secret(self, secret: bytes, compressed: bool) -> None:
        """A key, with what its hashes may stand for."""
        public = secp256k1.public_key(secret, compressed)
        self.secrets[public] = secret
        if compressed:
            self.add_script(scripts.p2wpkh(hash160(public)))
            self.secrets[public[1:]] = secret
            self.outputs[taproot.output(public[1:]).script[2:]] = public[1:]

    def add_script(self, script: bytes) -> None:
        """A script that some hash stands for."""
        self.scripts[hash160(script)] = script
        self.scripts[sha256(script)] = script

    def key_of_hash(self, key_hash: bytes) -> bytes | None:
        """The public key of a hash."""
        return next((key for key in self.secrets if hash160(key) == key_hash), None)


def describe(spent: TxOutput, spend: TxInput, ring: Keyring) -> InputData:
    """What is known of an input: scripts from the ring, or from what the input bears already."""
    data = InputData(spent)
    script = spent.script
    if is_script_hash(script):
        inner = last_push(spend.script)
        found = ring.scripts.get(script[2:22])
        if found is None and inner is not None and hash160(inner) == script[2:22]:
            found = inner
        data.redeem = script = found or b""
    program = witness_program(script)
    if program is not None and program[0] == 0 and len(program[1]) == 32:
        found = ring.scripts.get(program[1])
        if found is None and spend.witness and sha256(spend.witness[-1]) == program[1]:
            found = spend.witness[-1]
        data.witness_script = found or b""
    if program is not None and program[0] == 1:
        data.internal = ring.outputs.get(program[1], b"")
    return data


def gather(context: SpendContext, index: int, data: InputData, copies: Iterable[TxInput]) -> None:
    """Put the signatures that copies of an input bear into its data; each is checked against the keys that the script names."""
    if taproot_key(data) is not None:
        return
    script, segwit = signed_script(data)
    if not script:
        return
    for copy in copies:
        items = [*_pushes(copy.script), *copy.witness]
        keys = _keys_in(script, items)
        for item in items:
            if not 9 <= len(item) <= _LONGEST_SIGNATURE:
                continue
            kind = item[-1]
            digest = context.v0(index, script, kind) if segwit else context.legacy(index, script, kind)
            for key in keys:
                if key not in data.signatures and secp256k1.verify(key, item[:-1], digest):
                    data.signatures[key] = item


def _pushes(script: bytes) -> list[bytes]:
    try:
        return [data for _, data in operations(script)]
    except Truncated:
        return []


def _keys_in(script: bytes, items: Sequence[bytes]) -> Sequence[bytes]:
    multisig = scripts.multisig_in(script)
    if multisig is not None:
        return multisig.keys
    key, key_hash = scripts.pk_in(script), scripts.pkh_in(script)
    if key is not None:
        return (key,)
    return [item for item in items if len(item) in (33, 65) and hash160(item) == key_hash]


def written(data: InputData, spend: TxInput) -> TxInput:
    """The input as far as it is signed: whole, or a multisig with empty places, or as it was."""
    final = final_form(data)
    if final is not None:
        return spend._replace(script=final[0], witness=final[1])
    if taproot_key(data) is not None:
        return spend
    script, segwit = signed_script(data)
    multisig = scripts.multisig_in(script) if script else None
    if multisig is None:
        return spend
    found = [data.signatures[key] for key in multisig.keys if key in data.signatures]
    stack = [b"", *found, *[b""] * (multisig.threshold - len(found))]
    if segwit:
        return spend._replace(script=push(data.redeem) if data.redeem else b"", witness=(*stack, data.witness_script))
    items = [*stack, data.redeem] if data.redeem else stack
    return spend._replace(script=b"".join(push(item) for item in items), witness=())


def merge(tx: Transaction, copies: Sequence[Transaction], spent: Sequence[TxOutput]) -> Transaction:
    """One transaction with the signatures of all its copies."""
    context = SpendContext(tx, list(spent))
    inputs = []
    for index, spend in enumerate(tx.inputs):
        others = [copy.inputs[index] for copy in copies if len(copy.inputs) > index]
        whole = next((o for o in others if _holds(replace_input(tx, index, o), index, spent) is None), None)
        if whole is not None:
            inputs.append(spend._replace(script=whole.script, witness=whole.witness))
            continue
        source = next((o for o in others if o.script or o.witness), spend)
        data = describe(spent[index], source, Keyring())
        gather(context, index, data, others)
        inputs.append(written(data, spend))
    return replace(tx, inputs=tuple(inputs))


def replace_input(tx: Transaction, index: int, spend: TxInput) -> Transaction:
    """The transaction with another script and witness in one input."""
    changed = tx.inputs[index]._replace(script=spend.script, witness=spend.witness)
    return replace(tx, inputs=(*tx.inputs[:index], changed, *tx.inputs[index + 1 :]))


def _holds(tx: Transaction, index: int, spent: Sequence[TxOutput | None]) -> ScriptError | None:
    try:
        verify_input(SpendContext(tx, list(spent)), index, STANDARD)
    except ScriptError as e:
        return e
    return None


def sign(
    tx: Transaction, spent: Sequence[TxOutput | None], ring: Keyring, hash_type: int | None
) -> tuple[Transaction, dict[int, str]]:
    """The transaction with all the signatures that the ring can make, and what is wrong with which input. None: an unknown coin."""
    context = SpendContext(tx, list(spent))
    inputs, errors = [], {}
    for index, (spend, coin) in enumerate(zip(tx.inputs, spent, strict=True)):
        if coin is None:
            errors[index] = "Input not found or already spent"
            inputs.append(spend)
        else:
            inputs.append(_signed(context, index, spend, coin, ring, hash_type, all(spent)))
    result = replace(tx, inputs=tuple(inputs))
    for index, coin in enumerate(spent):
        if coin is not None and (error := _fault(result, index, spent)) is not None:
            errors[index] = error
    return result, errors


def _signed(
    context: SpendContext, index: int, spend: TxInput, coin: TxOutput, ring: Keyring, hash_type: int | None, known: bool
) -> TxInput:
    """One input, signed as far as can be."""
    if hash_type is not None and hash_type & 0x1F == 3 and index >= len(context.tx.outputs):
        return spend
    data = describe(coin, spend, ring)
    if taproot_key(data) is not None and not known:
        return spend
    try:
        gather(context, index, data, (spend,))
        sign_input(context, index, data, ring.secrets.get, ring.key_of_hash, hash_type)
        return written(data, spend)
    except WalletError:
        return spend


def _fault(tx: Transaction, index: int, spent: Sequence[TxOutput | None]) -> str | None:
    if taproot_key(InputData(spent[index])) is not None and not all(spent):
        return "Missing input coins for taproot signatures"
    error = _holds(tx, index, spent)
    if error is None:
        return None
    return {"INVALID_STACK_OPERATION": UNABLE, "NULLFAIL": MORE_NEEDED}.get(error.name, error.text)
