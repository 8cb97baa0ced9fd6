"""Signs and completes one input: which signatures a script wants, which of them our keys can make, how they are laid out.

Refuses to know descriptors, PSBTs and wallets: it sees an InputData and a way to look up secrets.
Every signature is checked by the curve library before it is given out, every finished input by the script interpreter.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from primitives import secp256k1
from primitives.bitcoin import TxOutput
from primitives.hashing import hash160, sha256
from vm.script.errors import ScriptError
from vm.script.flags import STANDARD
from vm.script.opcodes import Truncated, operations, push
from vm.script.shapes import is_script_hash, witness_program
from vm.script.sighash import ALL, DEFAULT, Leaf, SpendContext
from vm.script.taproot import leaf_hash
from vm.script.verify import verify_input
from wallet import scripts, taproot
from wallet.errors import BAD_PARAMETER, WalletError

SecretOf = Callable[[bytes], bytes | None]
"""The secret of a public key (33 or 65 bytes) or of an x-only key (32), or None."""

DER_SIGNATURE: Final = 72
"""Bytes of an ECDSA signature with low r and its hash type, and of its length prefix."""


@dataclass(slots=True)
class InputData:
    """What is known of an input: the coin, scripts behind hashes, signatures so far, and the finished form."""

    spent: TxOutput | None = None
    hash_type: int | None = None
    redeem: bytes = b""
    witness_script: bytes = b""
    signatures: dict[bytes, bytes] = field(default_factory=dict)  # public key -> DER signature and hash type
    internal: bytes = b""
    merkle_root: bytes = b""
    leaves: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)  # control block -> script and leaf version
    key_signature: bytes = b""
    leaf_signatures: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)  # x-only key, leaf hash
    final_script: bytes = b""
    final_witness: tuple[bytes, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether it needs nothing more."""
        return bool(self.final_script or self.final_witness)


def _refuse(what: str) -> WalletError:
    return WalletError(BAD_PARAMETER, what)


def signed_script(data: InputData) -> tuple[bytes, bool]:
    """The script whose signatures are wanted (behind hashes, the one inside), and whether it signs by BIP143.

    Raises WalletError("bad-parameter") for a redeem or witness script that is not the one its hash names.
    """
    if data.spent is None:
        raise _refuse("the coin that the input spends is unknown")
    script = data.spent.script
    if is_script_hash(script):
        if not data.redeem:
            return b"", False
        if scripts.p2sh(data.redeem) != script:
            raise _refuse("the redeem script does not match the coin's script")
        script = data.redeem
    elif data.redeem:
        raise _refuse("a redeem script for a coin that is not locked to a script hash")
    program = witness_program(script)
    if program is None:
        if data.witness_script:
            raise _refuse("a witness script for an input without witness")
        return script, False
    version, payload = program
    if version == 0 and len(payload) == 32:
        if not data.witness_script:
            return b"", True
        if sha256(data.witness_script) != payload:
            raise _refuse("the witness script does not match the program")
        return data.witness_script, True
    if data.witness_script:
        raise _refuse("a witness script for a program that has none")
    return (scripts.p2pkh(payload), True) if version == 0 and len(payload) == 20 else (b"", True)


def taproot_key(data: InputData) -> bytes | None:
    """The output key, if the coin is a taproot one."""
    program = witness_program(data.spent.script) if data.spent is not None else None
    return program[1] if program is not None and program[0] == 1 and len(program[1]) == 32 else None


def _wanted_keys(script: bytes, known: Callable[[bytes], bytes | None]) -> list[bytes]:
    """The public keys that a script wants signatures of, as far as they can be named."""
    multisig = scripts.multisig_in(script)
    if multisig is not None:
        return list(multisig.keys)
    key = scripts.pk_in(script)
    if key is not None:
        return [key] if len(key) != 32 else []
    key_hash = scripts.pkh_in(script)
    owner = known(key_hash) if key_hash is not None else None
    return [owner] if owner is not None else []


def sign_input(
    context: SpendContext,
    index: int,
    data: InputData,
    secret_of: SecretOf,
    key_of_hash: Callable[[bytes], bytes | None],
    hash_type: int | None = None,
) -> int:
    """Add to an input all signatures that our keys can make; how many were added.

    `key_of_hash` finds the public key of a hash160. The hash type is the input's own, else the one given, else ALL (taproot:
    DEFAULT); one that differs from the input's own is refused. Raises WalletError("bad-parameter").
    """
    if data.is_final:
        return 0
    if data.hash_type is not None and hash_type is not None and data.hash_type != hash_type:
        raise _refuse("the input asks for another signature hash type")
    kind = data.hash_type if data.hash_type is not None else hash_type
    output_key = taproot_key(data)
    if output_key is not None:
        return _sign_taproot(context, index, data, output_key, secret_of, DEFAULT if kind is None else kind)
    kind = ALL if kind is None or kind == DEFAULT else kind
    script, segwit = signed_script(data)
    added = 0
    for key in _wanted_keys(script, key_of_hash):
        if key in data.signatures:
            continue
        secret = secret_of(key)
        if secret is None:
            continue
        digest = context.v0(index, script, kind) if segwit else context.legacy(index, script, kind)
        data.signatures[key] = secp256k1.sign(secret, digest, low_r=True) + bytes([kind])
        added += 1
    return added


def _schnorr(context: SpendContext, index: int, secret: bytes, kind: int, leaf: Leaf | None) -> bytes:
    digest = context.taproot(index, kind, None, leaf)
    if digest is None:
        raise _refuse("this signature hash type does not exist, or names an output that is not there")
    return secp256k1.sign_schnorr(secret, digest) + (bytes([kind]) if kind else b"")


def _sign_taproot(
    context: SpendContext, index: int, data: InputData, output_key: bytes, secret_of: SecretOf, kind: int
) -> int:
    added = 0
    if not data.key_signature:
        secret = None
        if data.internal:
            inner = secret_of(data.internal)
            secret = None if inner is None else taproot.output_secret(inner, data.merkle_root)
        else:
            secret = secret_of(output_key)
        if secret is not None:
            if secp256k1.public_key(secret)[1:] != output_key:
                raise _refuse("the internal key does not lead to the coin's output key")
            data.key_signature = _schnorr(context, index, secret, kind, None)
            added += 1
    for control, (script, version) in data.leaves.items():
        multisig = scripts.multisig_tapscript_in(script)
        single = scripts.pk_in(script)
        keys = multisig.keys if multisig is not None else (single,) if single is not None and len(single) == 32 else ()
        if not keys or not taproot.control_commits(output_key, script, control):
            continue
        leaf = leaf_hash(script, version)
        for key in keys:
            secret = None if (key, leaf) in data.leaf_signatures else secret_of(key)
            if secret is not None:
                data.leaf_signatures[key, leaf] = _schnorr(context, index, secret, kind, Leaf(leaf))
                added += 1
    return added


def _satisfy(script: bytes, signatures: dict[bytes, bytes]) -> list[bytes] | None:
    """The stack that satisfies a script of one of the known forms, or None while signatures are missing."""
    multisig = scripts.multisig_in(script)
    if multisig is not None:
        found = [signatures[key] for key in multisig.keys if key in signatures]
        return [b"", *found[: multisig.threshold]] if len(found) >= multisig.threshold else None
    key = scripts.pk_in(script)
    if key is not None:
        return [signatures[key]] if key in signatures else None
    key_hash = scripts.pkh_in(script)
    for owner, signature in signatures.items():
        if key_hash is not None and hash160(owner) == key_hash:
            return [signature, owner]
    return None


def _satisfy_leaf(script: bytes, leaf: bytes, signatures: dict[tuple[bytes, bytes], bytes]) -> list[bytes] | None:
    multisig = scripts.multisig_tapscript_in(script)
    if multisig is not None:
        found, left = [], multisig.threshold
        for owner in multisig.keys:
            signature = signatures.get((owner, leaf), b"") if left else b""
            left -= bool(signature)
            found.append(signature)
        return found[::-1] if left == 0 else None
    key = scripts.pk_in(script)
    return [signatures[key, leaf]] if key is not None and (key, leaf) in signatures else None


def _final_taproot(data: InputData) -> tuple[bytes, ...] | None:
    if data.key_signature:
        return (data.key_signature,)
    options = []
    for control, (script, version) in data.leaves.items():
        stack = _satisfy_leaf(script, leaf_hash(script, version), data.leaf_signatures)
        if stack is not None:
            options.append((*stack, script, control))
    return min(options, key=lambda witness: sum(len(item) for item in witness)) if options else None


def final_form(data: InputData) -> tuple[bytes, tuple[bytes, ...]] | None:
    """The finished script and witness of an input, or None while something is missing. Raises WalletError("bad-parameter")."""
    if data.is_final:
        return data.final_script, data.final_witness
    if taproot_key(data) is not None:
        witness = _final_taproot(data)
        return None if witness is None else (b"", witness)
    script, segwit = signed_script(data)
    stack = _satisfy(script, data.signatures) if script else None
    if stack is None:
        return None
    if not segwit:
        items = [*stack, data.redeem] if data.redeem else stack
        return b"".join(push(item) for item in items), ()
    witness = (*stack, data.witness_script) if data.witness_script else tuple(stack)
    return (push(data.redeem) if data.redeem else b""), witness


def finalize_input(data: InputData) -> bool:
    """Put the finished form into an input and drop what it replaces; False while something is missing."""
    final = final_form(data)
    if final is None:
        return False
    data.final_script, data.final_witness = final
    data.signatures, data.leaf_signatures, data.leaves = {}, {}, {}
    data.redeem = data.witness_script = data.internal = data.merkle_root = data.key_signature = b""
    data.hash_type = None
    return True


def take_over(context: SpendContext, index: int, data: InputData) -> None:
    """Take over what an input of the transaction holds already: the finished form if it verifies, else its signatures."""
    spend = context.tx.inputs[index]
    if data.spent is None or not (spend.script or spend.witness):
        return
    try:
        verify_input(context, index, STANDARD)
    except ScriptError:
        stack = [*_pushes(spend.script), *spend.witness]
        if is_script_hash(data.spent.script) and stack and not data.redeem:
            data.redeem = next((item for item in stack if scripts.p2sh(item) == data.spent.script), b"")
        _recognise(context, index, data, stack)
    else:
        data.final_script, data.final_witness = spend.script, spend.witness


def _pushes(script: bytes) -> list[bytes]:
    try:
        return [data for _, data in operations(script)]
    except Truncated:
        return []


def _recognise(context: SpendContext, index: int, data: InputData, stack: list[bytes]) -> None:
    """Find out which keys of a multisig the signatures on a stack belong to."""
    if taproot_key(data) is not None:
        return
    script, segwit = signed_script(data)
    multisig = scripts.multisig_in(script)
    for item in stack if multisig is not None else ():
        if len(item) < 9 or item[0] != 0x30:
            continue
        digest = context.v0(index, script, item[-1]) if segwit else context.legacy(index, script, item[-1])
        for key in multisig.keys if multisig is not None else ():
            if key not in data.signatures and secp256k1.verify(key, item[:-1], digest):
                data.signatures[key] = item
                break


def check_input(context: SpendContext, index: int) -> None:
    """Run a finished input as nodes will. Raises WalletError("bad-parameter") with the script's error."""
    try:
        verify_input(context, index, STANDARD)
    except ScriptError as e:
        raise _refuse(f"input {index} does not verify: {e}") from None


def input_weight(data: InputData, key_size: int = 33, key_path: bool = True) -> int:
    """What an input will weigh when it is signed, its signatures at their longest; unknown scripts count as one key's.

    `key_size` is that of a key behind a hash, `key_path` says whether a taproot coin will be spent by its key alone.
    """
    base = 4 * 41
    if taproot_key(data) is not None:
        if data.leaves and not key_path:
            return base + max(_leaf_weight(script, control) for control, (script, _) in data.leaves.items())
        return base + 1 + 66
    script, segwit = signed_script(data)
    multisig = scripts.multisig_in(script)
    if multisig is not None:
        stack = 1 + DER_SIGNATURE * multisig.threshold
    elif scripts.pk_in(script) is not None:
        stack = DER_SIGNATURE
    else:
        stack = DER_SIGNATURE + 1 + key_size
    if segwit:
        inner = len(data.witness_script)
        size = 1 + stack + (inner + (1 if inner < 253 else 3) if inner else 0)
        return base + size + (4 * (1 + len(data.redeem)) if data.redeem else 0)
    size = stack + (len(push(data.redeem)) if data.redeem else 0)
    return base + 4 * (size + (0 if size < 253 else 2))


def _leaf_weight(script: bytes, control: bytes) -> int:
    multisig = scripts.multisig_tapscript_in(script)
    stack = 66 * multisig.threshold + len(multisig.keys) - multisig.threshold if multisig is not None else 66
    return 1 + stack + 3 + len(script) + 3 + len(control)
