"""The script suites of the Bitcoin vectors: one callable a case, which raises where it fails.

Refuses to choose, to time or to count: that is the runner's part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

from ledger.utxo.checks import check_transaction
from ledger.utxo.rules import Active, UtxoRules
from primitives import secp256k1
from primitives.bitcoin import NULL_OUTPOINT, Transaction, TxInput, TxOutput, decode_transaction, outpoint
from primitives.errors import Invalid
from vm.script.asm import from_asm
from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.interpreter import verify_script
from vm.script.sighash import Leaf, SpendContext
from vm.script.signatures import TransactionChecker
from vm.script.taproot import branch_hash, leaf_hash, output_key, tweak_hash
from vm.script.verify import verify_input

Case = tuple[str, Callable[[], None]]
Suite = Callable[[Path], Iterator[Case]]

EVERY = Flags((1 << 21) - 1)
NUMS = bytes.fromhex("50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0")
FORM = UtxoRules(
    flags=lambda header, branch, tx: 0,
    active=lambda header, branch: Active(),
    subsidy=lambda height: 0,
    check_layout=lambda block, rules: None,
    check_reward=lambda block, place, totals, state, rules: None,
)
"""Bitcoin's limits on the form of a transaction; the rest is not asked for."""
CONSENSUS = (
    Flags.P2SH,
    Flags.DERSIG,
    Flags.NULLDUMMY,
    Flags.CHECKLOCKTIMEVERIFY,
    Flags.CHECKSEQUENCEVERIFY,
    Flags.WITNESS,
    Flags.TAPROOT,
)


def load(root: Path, name: str) -> Any:
    """A JSON file of the vectors."""
    return json.loads((root / name).read_text("utf-8"), parse_float=Decimal)


def equal(got: object, wanted: object) -> None:
    """Raise AssertionError unless the two are equal."""
    if got != wanted:
        raise AssertionError(f"{got!r} instead of {wanted!r}")


def named(text: str) -> Flags:
    """The flags of a comma list; NONE and the empty list are no flags."""
    return Flags.named(name for name in text.split(",") if name not in ("", "NONE"))


def filled(flags: Flags) -> Flags:
    """With the flags that these cannot go without."""
    if flags & Flags.CLEANSTACK:
        flags |= Flags.WITNESS
    return flags | Flags.P2SH if flags & Flags.WITNESS else flags


def trimmed(flags: Flags) -> Flags:
    """Without the flags that cannot go without what is missing."""
    if not flags & Flags.P2SH:
        flags &= ~Flags.WITNESS
    return flags if flags & Flags.WITNESS else flags & ~Flags.CLEANSTACK


def outcome(run: Callable[[], None]) -> str:
    """Core's name of the error, or OK."""
    try:
        run()
    except ScriptError as e:
        return e.name
    return "OK"


def both_ways(context: SpendContext, index: int, flags: Flags) -> str:
    """What `verify_input`, shortcuts and all, and the plain interpreter find; they must agree."""
    spend = context.tx.inputs[index]
    script = context.spent_output(index).script
    checker = TransactionChecker(context, index)
    plain = outcome(lambda: verify_script(spend.script, script, spend.witness, flags, checker))
    equal(outcome(lambda: verify_input(context, index, flags)), plain)
    return plain


def script_tests(root: Path) -> Iterator[Case]:
    """Scripts, flags and the name of the error that each must end with."""
    for at, row in enumerate(load(root, "script/script_tests.json")):
        if len(row) > 1:
            yield f"{at} {row[-1] if len(row) > 5 else ''}".strip(), partial(_script_test, row)


def _script_test(row: list[Any]) -> None:
    value, words = 0, []
    if isinstance(row[0], list):
        *words, amount = row[0]
        value, row = int(Decimal(amount) * 10**8), row[1:]
    leaf = next((from_asm(word.removeprefix("#SCRIPT#")) for word in words if word.startswith("#SCRIPT#")), b"")
    key, parity = output_key(NUMS, leaf_hash(leaf))
    witness = tuple(_item(word, leaf, bytes((0xC0 | parity,)) + NUMS) for word in words)
    script_sig = from_asm(row[0])
    script_pubkey = from_asm(row[1].replace("#TAPROOTOUTPUT#", f"0x{key.hex()}"))
    flags = filled(named(row[2]))
    credit = Transaction(1, (TxInput(NULL_OUTPOINT, b"\x00\x00"),), (TxOutput(value, script_pubkey),))
    spend = TxInput(outpoint(credit.id, 0), script_sig, witness=witness)
    tx = Transaction(1, (spend,), (TxOutput(value, b""),))
    equal(both_ways(SpendContext(tx, credit.outputs), 0, flags), row[3])


def _item(word: str, leaf: bytes, control: bytes) -> bytes:
    if word.startswith("#SCRIPT#"):
        return leaf
    return control if word == "#CONTROLBLOCK#" else bytes.fromhex(word)


def _context(row: list[Any]) -> SpendContext:
    """The transaction of a row of tx_valid or tx_invalid, and the coins that the row gives it."""
    coins = {}
    for txid, index, script, *amount in row[0]:
        coins[outpoint(bytes.fromhex(txid)[::-1], index & 0xFFFFFFFF)] = TxOutput(sum(amount), from_asm(script))
    tx = decode_transaction(bytes.fromhex(row[1]))
    return SpendContext(tx, [coins.get(i.outpoint) for i in tx.inputs])


def _passes(context: SpendContext, flags: Flags) -> bool:
    return all(both_ways(context, index, flags) == "OK" for index in range(len(context.tx.inputs)))


def tx_valid(root: Path) -> Iterator[Case]:
    """Transactions that hold under all flags but some, and under fewer."""

    def run(row: list[Any]) -> None:
        context, flags = _context(row), trimmed(EVERY & ~named(row[2]))
        check_transaction(context.tx, FORM)
        equal(_passes(context, flags), True)
        for flag in Flags:
            equal((flag, _passes(context, trimmed(flags & ~flag))), (flag, True))
        for flag in named(row[2]):  # none is left out without need
            equal((flag, _passes(context, filled(flags | flag))), (flag, False))

    for at, row in enumerate(r for r in load(root, "script/tx_valid.json") if len(r) > 1):
        yield f"{at}", partial(run, row)


def tx_invalid(root: Path) -> Iterator[Case]:
    """Transactions that fail under some flags, and under more."""

    def run(row: list[Any]) -> None:
        context = _context(row)
        if row[2] == "BADTX":
            try:
                check_transaction(context.tx, FORM)
            except Invalid:
                return
            raise AssertionError("the transaction is accepted")
        check_transaction(context.tx, FORM)
        flags = named(row[2])
        equal(_passes(context, flags), False)
        for flag in Flags:
            equal((flag, _passes(context, filled(flags | flag))), (flag, False))
        for flag in flags:  # none is named without need
            equal((flag, _passes(context, trimmed(flags & ~flag))), (flag, True))

    for at, row in enumerate(r for r in load(root, "script/tx_invalid.json") if len(r) > 1):
        yield f"{at}", partial(run, row)


def sighash(root: Path) -> Iterator[Case]:
    """Legacy signature hashes of random transactions and scripts."""

    def run(row: list[Any]) -> None:
        tx = decode_transaction(bytes.fromhex(row[0]))
        context = SpendContext(tx, [None] * len(tx.inputs))
        equal(context.legacy(row[2], bytes.fromhex(row[1]), row[3])[::-1].hex(), row[4])

    for at, row in enumerate(r for r in load(root, "script/sighash.json") if len(r) > 1):
        yield f"{at}", partial(run, row)


class _Remembering(TransactionChecker):
    """A checker that checks each signature once: the same case runs under many flags."""

    __slots__ = ("_ecdsa", "_schnorr")

    def __init__(self, context: SpendContext, index: int) -> None:
        super().__init__(context, index)
        self._ecdsa = cache(super().ecdsa)
        self._schnorr = cache(self._name)

    def _name(self, signature: bytes, public: bytes, annex: bytes | None, leaf: Leaf | None) -> str:
        return outcome(lambda: TransactionChecker.schnorr(self, signature, public, annex, leaf))

    def ecdsa(self, signature: bytes, public: bytes, code: bytes, witness: bool) -> bool:
        return self._ecdsa(signature, public, code, witness)

    def schnorr(self, signature: bytes, public: bytes, annex_hash: bytes | None, leaf: Leaf | None) -> None:
        name = self._schnorr(signature, public, annex_hash, leaf)
        if name != "OK":
            raise ScriptError(name)


@cache
def _combinations() -> tuple[Flags, ...]:
    """Every lawful set of consensus flags: WITNESS needs P2SH, TAPROOT needs WITNESS."""
    found = []
    for bits in range(1 << len(CONSENSUS)):
        flags = Flags(0)
        for at, flag in enumerate(CONSENSUS):
            flags |= flag if bits >> at & 1 else Flags(0)
        if (flags & Flags.P2SH or not flags & Flags.WITNESS) and (flags & Flags.WITNESS or not flags & Flags.TAPROOT):
            found.append(flags)
    return tuple(found)


def taproot_ref(root: Path) -> Iterator[Case]:
    """Inputs that succeed under their flags and any fewer (all of them, where final), or fail under these and any more."""
    for at, row in enumerate(load(root, "script/taproot_ref.json")):
        yield f"{at} {row['comment']}", partial(_taproot_ref, row)


def _taproot_ref(row: dict[str, Any]) -> None:
    tx, index, flags = decode_transaction(bytes.fromhex(row["tx"])), row["index"], named(row["flags"])
    coins = [_txout(bytes.fromhex(raw)) for raw in row["prevouts"]]
    if "success" in row:
        fewer = [f for f in _combinations() if row.get("final") or f & flags == f]
        _under(tx, index, coins, row["success"], fewer, True)
    if "failure" in row:
        _under(tx, index, coins, row["failure"], [f for f in _combinations() if f & flags == flags], False)


def _txout(raw: bytes) -> TxOutput:
    tx = decode_transaction(bytes(4) + b"\x01" + bytes(41) + b"\x01" + raw + bytes(4))
    return tx.outputs[0]


def _under(
    tx: Transaction, index: int, coins: list[TxOutput], unlock: dict[str, Any], sets: Sequence[Flags], holds: bool
) -> None:
    script_sig, witness = bytes.fromhex(unlock["scriptSig"]), tuple(map(bytes.fromhex, unlock["witness"]))
    inputs = list(tx.inputs)
    inputs[index] = inputs[index]._replace(script=script_sig, witness=witness)
    context = SpendContext(Transaction(tx.version, tuple(inputs), tx.outputs, tx.lock_time), coins)
    checker = _Remembering(context, index)
    script = coins[index].script
    for flags in sets:
        found = outcome(partial(verify_script, script_sig, script, witness, flags, checker))
        if (found == "OK") != holds:
            raise AssertionError(f"{found} under {flags!r}")
    for flags in (sets[0], sets[-1]):
        equal(outcome(partial(verify_input, context, index, flags)) == "OK", holds)


def bip143(root: Path) -> Iterator[Case]:
    """Signature hashes of witness v0, and whole signed transactions."""

    def hashed(row: dict[str, Any]) -> None:
        tx = decode_transaction(bytes.fromhex(row["unsigned_tx"]))
        raw, index = bytes.fromhex(row["script_code_with_len_hex"]), row["input_index"]
        size = raw[0] if raw[0] < 0xFD else int.from_bytes(raw[1:3], "little")
        coins: list[TxOutput | None] = [None] * len(tx.inputs)
        coins[index] = TxOutput(row["amount_sat"], b"")
        got = SpendContext(tx, coins).v0(index, raw[len(raw) - size :], row["hash_type"])
        equal(got.hex(), row["sighash_hex"])

    def signed(row: dict[str, Any]) -> None:
        tx = decode_transaction(bytes.fromhex(row["signed_tx"]))
        coins = [TxOutput(c["value_sat"], bytes.fromhex(c["script_hex"])) for c in row["prevouts"]]
        equal(_passes(SpendContext(tx, coins), Flags.P2SH | Flags.WITNESS), True)

    for at, row in enumerate(load(root, "script/bip143_sighash.json")):
        yield f"sighash/{at} {row['section']}", partial(hashed, row)
    for at, row in enumerate(load(root, "script/bip143_signed.json")):
        yield f"signed/{at} {row['section']}", partial(signed, row)


def bip341(root: Path) -> Iterator[Case]:
    """Output keys and control blocks of script trees; signature hashes and signatures of key paths."""
    data = load(root, "script/bip341_wallet_vectors.json")
    for at, row in enumerate(data["scriptPubKey"]):
        yield f"scriptPubKey/{at}", partial(_tree_case, row)
    for number, spending in enumerate(data["keyPathSpending"]):
        tx = decode_transaction(bytes.fromhex(spending["given"]["rawUnsignedTx"]))
        coins = [TxOutput(c["amountSats"], bytes.fromhex(c["scriptPubKey"])) for c in spending["given"]["utxosSpent"]]
        context = SpendContext(tx, coins)
        for row in spending["inputSpending"]:
            name = f"keyPathSpending/{number}/input {row['given']['txinIndex']}"
            yield name, partial(_key_path, context, spending, row)


def _tree_case(row: dict[str, Any]) -> None:
    given, wanted = row["given"], row["intermediary"]
    internal = bytes.fromhex(given["internalPubkey"])
    leaves: list[tuple[bytes, bytes, int]] = []
    root = b""
    if given["scriptTree"] is not None:
        root, leaves = _walk(given["scriptTree"])
        equal([leaf.hex() for leaf, _, _ in leaves], wanted["leafHashes"])
        equal(root.hex(), wanted["merkleRoot"])
    key, parity = output_key(internal, root)
    equal(tweak_hash(internal, root).hex(), wanted["tweak"])
    equal(key.hex(), wanted["tweakedPubkey"])
    equal(f"5120{key.hex()}", row["expected"]["scriptPubKey"])
    blocks = [(bytes((version | parity,)) + internal + path).hex() for _, path, version in leaves]
    equal(blocks, row["expected"].get("scriptPathControlBlocks", []))


def _walk(tree: Any) -> tuple[bytes, list[tuple[bytes, bytes, int]]]:
    """The hash of a tree, and for each leaf its hash, its path and its version."""
    if isinstance(tree, dict):
        leaf = leaf_hash(bytes.fromhex(tree["script"]), tree["leafVersion"])
        return leaf, [(leaf, b"", tree["leafVersion"])]
    (left, under_left), (right, under_right) = map(_walk, tree)
    found = [(leaf, path + right, version) for leaf, path, version in under_left]
    found += [(leaf, path + left, version) for leaf, path, version in under_right]
    return branch_hash(left, right), found


def _shared_hashes(context: SpendContext, spending: dict[str, Any]) -> None:
    wanted = spending["intermediary"]
    equal(context.amounts_hash.hex(), wanted["hashAmounts"])
    equal(context.outputs_hash.hex(), wanted["hashOutputs"])
    equal(context.prevouts_hash.hex(), wanted["hashPrevouts"])
    equal(context.scripts_hash.hex(), wanted["hashScriptPubkeys"])
    equal(context.sequences_hash.hex(), wanted["hashSequences"])
    signed = decode_transaction(bytes.fromhex(spending["auxiliary"]["fullySignedTx"]))
    equal(_passes(SpendContext(signed, context.spent), trimmed(EVERY)), True)


def _key_path(context: SpendContext, spending: dict[str, Any], row: dict[str, Any]) -> None:
    _shared_hashes(context, spending)
    given, wanted = row["given"], row["intermediary"]
    index, hash_type = given["txinIndex"], given["hashType"]
    secret, root = bytes.fromhex(given["internalPrivkey"]), bytes.fromhex(given["merkleRoot"] or "")
    internal = secp256k1.public_key(secret)[1:]
    equal(internal.hex(), wanted["internalPubkey"])
    tweak = tweak_hash(internal, root)
    equal(tweak.hex(), wanted["tweak"])
    tweaked = secp256k1.tweak_secret_xonly(secret, tweak)
    equal(tweaked.hex(), wanted["tweakedPrivkey"])
    digest = context.taproot(index, hash_type)
    if digest is None:
        raise AssertionError("there is nothing to sign")
    equal(digest.hex(), wanted["sigHash"])
    signature = secp256k1.sign_schnorr(tweaked, digest) + (bytes((hash_type,)) if hash_type else b"")
    equal([signature.hex()], row["expected"]["witness"])


SUITES: dict[str, Suite] = {
    "script_tests": script_tests,
    "tx_valid": tx_valid,
    "tx_invalid": tx_invalid,
    "sighash": sighash,
    "taproot_ref": taproot_ref,
    "bip143": bip143,
    "bip341": bip341,
}
