"""Limits, branches and failures of the interpreter; random bytes never end in anything but a ScriptError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import Missing
from primitives.hashing import sha256
from tests.vm.script.spends import KEYS, SECRETS, signed, spend, verdict
from vm.script.asm import from_asm
from vm.script.errors import ScriptError
from vm.script.flags import MANDATORY, STANDARD, Flags
from vm.script.interpreter import evaluate, verify_script
from vm.script.machine import BASE, TAPSCRIPT, WITNESS_V0, Tapscript
from vm.script.opcodes import DISABLED, push
from vm.script.sighash import SpendContext
from vm.script.signatures import TransactionChecker
from vm.script.taproot import leaf_hash, output_key
from vm.script.templates import pay_to_script_hash, pay_to_witness, pay_to_witness_script
from vm.script.verify import verify_input

NUMS = KEYS[0][1:]
ALL_FLAGS = Flags((1 << 21) - 1)


def bare(asm: str, unlock: str = "", flags: Flags = MANDATORY) -> str:
    return verdict(spend(from_asm(asm), from_asm(unlock)), flags)


def in_witness(script: bytes, *items: bytes, flags: Flags = MANDATORY) -> str:
    return verdict(spend(pay_to_witness_script(script), witness=(*items, script)), flags)


def tap(script: bytes, *items: bytes, flags: Flags = MANDATORY, version: int = 0xC0, annex: bytes | None = None) -> str:
    return verdict(tap_spend(script, *items, version=version, annex=annex), flags)


def tap_spend(script: bytes, *items: bytes, version: int = 0xC0, annex: bytes | None = None) -> SpendContext:
    key, parity = output_key(NUMS, leaf_hash(script, version))
    witness = (*items, script, bytes((version | parity,)) + NUMS, *(() if annex is None else (annex,)))
    return spend(pay_to_witness(1, key), witness=witness)


# Limits.


def test_201_operations_and_no_more() -> None:
    assert bare("1" + " NOP" * 201) == "OK"
    assert bare("1" + " NOP" * 202) == "OP_COUNT"
    assert in_witness(from_asm("1" + " NOP" * 202)) == "OP_COUNT"
    assert tap(from_asm("1" + " NOP" * 5_000)) == "OK"


def test_operations_count_where_they_are_not_run_and_pushes_never_do() -> None:
    assert bare("0 IF" + " NOP" * 198 + " ENDIF 1") == "OK"
    assert bare("0 IF" + " NOP" * 200 + " ENDIF 1") == "OP_COUNT"
    assert bare("0 IF" + " RESERVED" * 300 + " ENDIF 1") == "OK"


def test_keys_of_a_multisig_count_as_operations() -> None:
    one = "0 0 0 0 CHECKMULTISIG DROP".replace("0 0 0 0", "0 0" + " 0x01 0x02" * 20 + " 20")
    assert bare(" ".join([one] * 9) + " 1") == "OK"  # 9 * (20 + 2) = 198
    assert bare(" ".join([one] * 10) + " 1") == "OP_COUNT"
    assert bare("0 0" + " 0x01 0x02" * 21 + " 21 CHECKMULTISIG") == "PUBKEY_COUNT"


def test_an_element_has_520_bytes_at_most() -> None:
    assert verdict(spend(push(bytes(519) + b"\x01"))) == "OK"
    assert verdict(spend(push(bytes(520) + b"\x01"))) == "PUSH_SIZE"
    assert verdict(spend(b"\x00\x63" + push(bytes(521)) + b"\x68\x51")) == "PUSH_SIZE"
    assert in_witness(from_asm("DROP 1"), bytes(520)) == "OK"
    assert in_witness(from_asm("DROP 1"), bytes(521)) == "PUSH_SIZE"
    assert tap(from_asm("DROP 1"), bytes(521)) == "PUSH_SIZE"


def test_the_stacks_hold_1000_items_together() -> None:
    assert verdict(spend(b"\x51" * 1000)) == "OK"
    assert verdict(spend(b"\x51" * 1001)) == "STACK_SIZE"
    assert verdict(spend(b"\x51" * 901 + b"\x6b" * 100 + b"\x51" * 99)) == "OK"
    assert verdict(spend(b"\x51" * 901 + b"\x6b" * 100 + b"\x51" * 100)) == "STACK_SIZE"
    assert tap(b"\x75" * 999, *[b"\x01"] * 1000) == "OK"
    assert tap(b"\x75" * 1000, *[b"\x01"] * 1001) == "STACK_SIZE"


def test_a_script_has_10000_bytes_at_most_but_not_in_tapscript() -> None:
    filler = push(bytes(499)) + b"\x75"
    exact = filler * 19 + push(bytes(10_000 - len(filler) * 19 - 5)) + b"\x75\x51"
    assert len(exact) == 10_000
    assert verdict(spend(exact)) == "OK"
    assert verdict(spend(exact + b"\x61")) == "SCRIPT_SIZE"
    assert in_witness(exact + b"\x61") == "SCRIPT_SIZE"
    assert tap(exact + b"\x61") == "OK"


def test_disabled_opcodes_fail_where_they_are_not_reached() -> None:
    for op in DISABLED:
        assert verdict(spend(b"\x00\x63" + bytes((op,)) + b"\x68\x51")) == "DISABLED_OPCODE"
        assert verdict(spend(b"\x51" + bytes((op,)))) == "DISABLED_OPCODE"
        assert tap(b"\x00\x63" + bytes((op,)) + b"\x68\x51") == "OK"  # OP_SUCCESS there


@pytest.mark.parametrize(
    ("asm", "error"), [("VERIF", "BAD_OPCODE"), ("VERNOTIF", "BAD_OPCODE"), ("VER", "OK"), ("0xff", "OK")]
)
def test_which_unknown_opcodes_fail_where_they_are_not_reached(asm: str, error: str) -> None:
    assert bare(f"0 IF {asm} ELSE 1 ENDIF") == error
    assert bare(f"1 IF {asm} ELSE 1 ENDIF") == "BAD_OPCODE"


# Branches.


@pytest.mark.parametrize(
    ("asm", "found"),
    [
        ("1 IF 1 ELSE 0 ENDIF", "OK"),
        ("0 IF 0 ELSE 1 ENDIF", "OK"),
        ("0 NOTIF 1 ELSE 0 ENDIF", "OK"),
        ("1 IF 1 ELSE 0 ELSE 0 ENDIF", "EVAL_FALSE"),
        ("1 1 IF ELSE DROP 0 ELSE ENDIF", "OK"),
        ("0 IF 1 IF ELSE ELSE ENDIF ELSE 1 ENDIF", "OK"),
        ("0 IF IF IF ENDIF ENDIF ELSE 1 ENDIF", "OK"),
        ("1 IF", "UNBALANCED_CONDITIONAL"),
        ("1 ENDIF", "UNBALANCED_CONDITIONAL"),
        ("1 ELSE", "UNBALANCED_CONDITIONAL"),
        ("IF 1 ENDIF", "INVALID_STACK_OPERATION"),
        ("1 IF RETURN ENDIF 1", "OP_RETURN"),
    ],
)
def test_branches(asm: str, found: str) -> None:
    assert bare(asm) == found


def test_conditions_in_witnesses_are_empty_or_one() -> None:
    script = from_asm("IF 1 ELSE 1 ENDIF")
    for item in (b"\x02", b"\x00", b"\x01\x00", b"\x80"):
        assert bare("IF 1 ELSE 1 ENDIF", f"0x{push(item).hex()}") == "OK"
        assert in_witness(script, item) == "OK"
        assert in_witness(script, item, flags=MANDATORY | Flags.MINIMALIF) == "MINIMALIF"
        assert tap(script, item) == "TAPSCRIPT_MINIMALIF"
    for item in (b"", b"\x01"):
        assert in_witness(script, item, flags=STANDARD) == "OK"
        assert tap(script, item) == "OK"


# Lock times.


def test_lock_times_compare_like_with_like() -> None:
    def check(asm: str, **fields: int) -> str:
        return verdict(spend(from_asm(asm), **fields))  # type: ignore[arg-type]

    cltv = "{} CHECKLOCKTIMEVERIFY DROP 1"
    assert check(cltv.format(100), lock_time=100, sequence=0) == "OK"
    assert check(cltv.format(101), lock_time=100, sequence=0) == "UNSATISFIED_LOCKTIME"
    assert check(cltv.format(100), lock_time=100) == "UNSATISFIED_LOCKTIME"
    assert check(cltv.format(100), lock_time=500_000_000, sequence=0) == "UNSATISFIED_LOCKTIME"
    assert check(cltv.format(4294967295), lock_time=4294967295, sequence=0) == "OK"
    assert check(cltv.format(-1), lock_time=100, sequence=0) == "NEGATIVE_LOCKTIME"
    assert check("CHECKLOCKTIMEVERIFY 1", lock_time=100, sequence=0) == "INVALID_STACK_OPERATION"
    csv = "{} CHECKSEQUENCEVERIFY DROP 1"
    assert check(csv.format(5), sequence=5) == "OK"
    assert check(csv.format(6), sequence=5) == "UNSATISFIED_LOCKTIME"
    assert check(csv.format(5), sequence=5, version=1) == "UNSATISFIED_LOCKTIME"
    assert check(csv.format(5), sequence=5, version=-1) == "OK"  # versions compare without a sign
    assert check(csv.format(5), sequence=1 << 31 | 5) == "UNSATISFIED_LOCKTIME"
    assert check(csv.format(1 << 31), sequence=0xFFFFFFFF) == "OK"
    assert check(csv.format(1 << 22 | 5), sequence=5) == "UNSATISFIED_LOCKTIME"


# Witness programs.


def test_witness_rules() -> None:
    assert verdict(spend(pay_to_witness(0, bytes(20)), witness=(b"", b""))) == "EVAL_FALSE"
    program = sha256(b"\x51")
    assert verdict(spend(pay_to_witness(0, program), witness=(b"\x51",))) == "OK"
    assert verdict(spend(pay_to_witness(0, program))) == "WITNESS_PROGRAM_WITNESS_EMPTY"
    assert verdict(spend(pay_to_witness(0, program), witness=(b"\x52",))) == "WITNESS_PROGRAM_MISMATCH"
    assert verdict(spend(pay_to_witness(0, program), b"\x51", (b"\x51",))) == "WITNESS_MALLEATED"
    assert verdict(spend(pay_to_witness(0, program[:31]), witness=(b"",))) == "WITNESS_PROGRAM_WRONG_LENGTH"
    assert verdict(spend(b"\x51", witness=(b"",))) == "WITNESS_UNEXPECTED"
    assert verdict(spend(b"\x51", witness=(b"",)), Flags.P2SH) == "OK"
    redeem = pay_to_witness(0, program)
    assert verdict(spend(pay_to_script_hash(redeem), push(redeem), (b"\x51",))) == "OK"
    assert verdict(spend(pay_to_script_hash(redeem), b"\x00" + push(redeem), (b"\x51",))) == "WITNESS_MALLEATED_P2SH"


def test_programs_of_the_future_pass_until_policy_minds() -> None:
    for version, program in ((2, bytes(32)), (1, b"\x01" * 30), (16, b"\x01\x01")):
        context = spend(pay_to_witness(version, program + b"\x01"))
        assert verdict(context) == "OK"
        assert verdict(context, STANDARD) == "DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM"
    assert verdict(spend(b"\x51\x02\x4e\x73"), STANDARD) == "OK"  # the anchor


def test_flags_that_need_another_are_refused() -> None:
    context = spend(b"\x51")
    for flags in (Flags.WITNESS, Flags.CLEANSTACK, Flags.CLEANSTACK | Flags.P2SH):
        with pytest.raises(ValueError, match="needs"):
            verify_input(context, 0, flags)


def test_a_coin_that_is_unknown_is_missing() -> None:
    context = spend(b"\x51")
    with pytest.raises(Missing):
        verify_input(SpendContext(context.tx, [None]), 0, MANDATORY)


# Tapscript.


def test_tapscript_rules() -> None:
    assert tap(b"\x51") == "OK"
    assert tap(b"\x51", annex=b"\x50abc") == "OK"
    assert tap(b"\x51", version=0xC2) == "OK"
    assert tap(b"\x6a", version=0xC2, flags=STANDARD) == "DISCOURAGE_UPGRADABLE_TAPROOT_VERSION"
    assert tap(b"\x6a\xfe") == "OK"  # OP_SUCCESS254
    assert tap(b"\x6a\xfe", flags=STANDARD) == "DISCOURAGE_OP_SUCCESS"
    assert tap(b"\x05\xfe") == "BAD_OPCODE"
    assert tap(from_asm("0 0 0 CHECKMULTISIG")) == "TAPSCRIPT_CHECKMULTISIG"
    assert tap(push(b"") + b"\xac", b"") == "TAPSCRIPT_EMPTY_PUBKEY"
    assert tap(push(b"\x01" * 33) + b"\xac", b"\x01") == "OK"
    assert tap(push(b"\x01" * 33) + b"\xac", b"\x01", flags=STANDARD) == "DISCOURAGE_UPGRADABLE_PUBKEYTYPE"
    assert tap(push(KEYS[0][1:]) + b"\xac", b"") == "EVAL_FALSE"
    assert tap(push(KEYS[0][1:]) + b"\xac", bytes(63)) == "SCHNORR_SIG_SIZE"
    assert tap(push(KEYS[0][1:]) + b"\xac", bytes(64)) == "SCHNORR_SIG"
    assert tap(push(KEYS[0][1:]) + b"\xac", bytes(65)) == "SCHNORR_SIG_HASHTYPE"
    assert tap(push(KEYS[0][1:]) + b"\xac", bytes(64) + b"\x04") == "SCHNORR_SIG_HASHTYPE"
    assert bare("0 0 0 0xba") == "BAD_OPCODE"
    assert tap(from_asm("1") + b"\xba") == "INVALID_STACK_OPERATION"
    assert tap(b"\x00\x57" + push(KEYS[0][1:]) + b"\xba\x57\x87") == "OK"  # CHECKSIGADD of an empty signature


def test_the_budget_of_signatures_is_the_witness_and_50() -> None:
    unknown = push(b"\x01" * 33)  # a key of a kind to come: any signature counts, and holds
    check = b"\x51" + unknown + b"\xad"
    script = check * 3 + b"\x51"
    assert len(script) == 109
    assert tap(script) == "OK"  # 1 + 1 + 109 + 1 + 33 + 50 = 195, three times 50 are taken
    script = check * 40 + b"\x51"
    assert tap(script) == "TAPSCRIPT_VALIDATION_WEIGHT"
    lacking = 50 * 40 - 50 - (1 + 3 + len(script) + 1 + 33)
    assert tap(script, annex=b"\x50" + bytes(lacking - 3 - 1 - 1)) == "TAPSCRIPT_VALIDATION_WEIGHT"
    assert tap(script, annex=b"\x50" + bytes(lacking - 3 - 1)) == "OK"


@pytest.mark.parametrize("size", [0, 1, 32, 34, 64, 66, 33 + 32 * 128 + 1, 33 + 32 * 129])
def test_control_blocks_of_other_lengths(size: int) -> None:
    context = spend(pay_to_witness(1, NUMS), witness=(b"\x51", b"\xc0" * size))
    assert verdict(context) == "TAPROOT_WRONG_CONTROL_SIZE"


@pytest.mark.parametrize("size", [33, 65, 33 + 32 * 128])
def test_control_blocks_of_lawful_lengths(size: int) -> None:
    context = spend(pay_to_witness(1, NUMS), witness=(b"\x51", b"\xc0" * size))
    assert verdict(context) == "WITNESS_PROGRAM_MISMATCH"


# Signatures.


def test_multisig_wants_the_order_of_its_keys() -> None:
    script = from_asm("2 " + " ".join(f"0x21 0x{key.hex()}" for key in KEYS[:3]) + " 3 CHECKMULTISIG")
    digest = spend(pay_to_witness_script(script)).v0(0, script, 1)
    a, b, c = (signed(secret, digest) for secret in SECRETS[:3])
    for pair in ((a, b), (a, c), (b, c)):
        assert in_witness(script, b"", *pair, flags=STANDARD) == "OK"
    for pair in ((b, a), (c, a), (a, a)):
        assert in_witness(script, b"", *pair) == "EVAL_FALSE"
        assert in_witness(script, b"", *pair, flags=STANDARD) == "NULLFAIL"
    assert in_witness(script, b"\x01", a, b) == "SIG_NULLDUMMY"
    assert in_witness(script, b"\x01", a, b, flags=MANDATORY & ~Flags.NULLDUMMY) == "OK"
    assert in_witness(script, a, b) == "INVALID_STACK_OPERATION"


def test_the_encoding_of_keys_that_are_not_tried_does_not_matter() -> None:
    strict = MANDATORY | Flags.STRICTENC
    key = f"0x21 0x{KEYS[0].hex()}"
    last_bad, first_bad = f"1 0x01 0x05 {key} 2", f"1 {key} 0x01 0x05 2"
    for keys, found in ((last_bad, "OK"), (first_bad, "PUBKEYTYPE")):
        script = from_asm(keys + " CHECKMULTISIG")
        signature = signed(SECRETS[0], spend(script).legacy(0, script, 1))
        assert verdict(spend(script, b"\x00" + push(signature)), strict) == found


def test_a_signature_within_its_own_script_is_removed_before_it_is_hashed() -> None:
    tail = push(KEYS[0]) + b"\xac"
    bare_hash = spend(tail).legacy(0, b"\x75" + tail, 1)
    signature = signed(SECRETS[0], bare_hash)
    script = push(signature) + b"\x75" + tail
    assert verdict(spend(script, push(signature)), Flags.P2SH) == "OK"
    assert verdict(spend(script, push(signature)), Flags.CONST_SCRIPTCODE) == "SIG_FINDANDDELETE"


def test_signatures_commit_to_what_follows_the_last_separator_that_ran() -> None:
    tail = push(KEYS[0]) + b"\xac"
    for head, code in ((b"\x51\x75\xab", tail), (b"\x00\x63\xab\x68", b"\x00\x63\x68" + tail)):
        script = head + tail
        signature = signed(SECRETS[0], spend(script).legacy(0, code, 1))
        assert verdict(spend(script, push(signature))) == "OK"
        assert verdict(spend(script, push(signature)), Flags.CONST_SCRIPTCODE) == "OP_CODESEPARATOR"
    script = b"\x00\x63\xab\x68" + tail
    signature = signed(SECRETS[0], spend(pay_to_witness_script(script)).v0(0, script, 1))
    assert in_witness(script, signature, flags=STANDARD) == "OK"


# Nothing but ScriptError.


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, (1 << 21) - 1))
def test_random_bytes_as_scripts_end_in_success_or_a_script_error(script: bytes, unlock: bytes, bits: int) -> None:
    flags = Flags(bits | Flags.P2SH | Flags.WITNESS)
    verdict(spend(script, unlock), flags)
    verdict(spend(pay_to_script_hash(script), push(script)), flags)
    verdict(spend(pay_to_witness_script(script), witness=(unlock, script)), flags)
    verdict(tap_spend(script, unlock), flags)


OPCODES = st.lists(
    st.one_of(
        st.integers(0x4F, 0xBA).map(lambda op: bytes((op,))),
        st.sampled_from([b"\x00", b"\x51", b"\x52", b"\x01\x80", push(KEYS[0]), push(KEYS[0][1:]), push(bytes(64))]),
    ),
    max_size=60,
).map(b"".join)


@given(
    OPCODES, st.lists(st.binary(max_size=6), max_size=6), st.sampled_from([BASE, WITNESS_V0, TAPSCRIPT]), st.booleans()
)
def test_opcodes_on_any_stack_end_in_success_or_a_script_error(
    script: bytes, stack: list[bytes], version: int, strict: bool
) -> None:
    checker = TransactionChecker(spend(b""), 0)
    tapscript = Tapscript(bytes(32), None, 200) if version == TAPSCRIPT else None
    items = list(stack)
    try:
        evaluate(items, script, int(STANDARD if strict else 0), checker, version, tapscript)
    except ScriptError:
        return
    assert len(items) <= 1000
    assert all(isinstance(item, bytes) for item in items)


@given(st.lists(st.binary(max_size=80), max_size=6), st.binary(min_size=2, max_size=40), st.integers(0, 16))
def test_any_witness_for_any_program(witness: list[bytes], program: bytes, version: int) -> None:
    context = spend(pay_to_witness(version, program), witness=witness)
    own = context.tx.inputs[0]
    try:
        verify_script(
            own.script, context.spent_output(0).script, own.witness, MANDATORY, TransactionChecker(context, 0)
        )
    except ScriptError as e:
        assert e.name
