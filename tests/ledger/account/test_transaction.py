"""Which transactions are lawful, in geth's words; what they pay; authorizations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.account import rules
from ledger.account.fees import floor_gas, intrinsic_gas
from ledger.account.rules import ETHER, GWEI
from ledger.account.state import State
from ledger.account.transaction import MAX_NONCE, Outcome, check_form, check_possible, check_state, execute
from primitives.errors import InvalidTx
from primitives.ethereum_tx import BLOB, CURVE_ORDER, SET_CODE, EthereumTransaction, authorize, sign
from tests.accounts import ACCOUNTS, CHAIN_ID, KEYS, MINER, transfer
from tests.vectors.ethereum_data import Memory
from vm.evm.api import BlockContext

BLOCK = BlockContext(MINER, 1, 1_000, 30_000_000, base_fee=GWEI, chain_id=CHAIN_ID)
OTHER = b"\xaa" * 20
STORE_ONE = bytes.fromhex("600160005500")


def state_with(**balances: int) -> State:
    state = State(Memory())
    state.set_balance(ACCOUNTS[0], balances.get("sender", 10 * ETHER))
    state.end_transaction(True)
    return state


def apply(tx: EthereumTransaction, state: State, fork: rules.AccountRules = rules.OSAKA) -> Outcome:
    check_form(tx, fork, CHAIN_ID)
    check_state(tx, state, BLOCK, fork)
    return execute(tx, state, BLOCK, fork)


def refused(tx: EthereumTransaction, state: State | None = None, fork: rules.AccountRules = rules.OSAKA) -> str:
    state = state or state_with()
    root = state.commit()
    with pytest.raises(InvalidTx) as e:
        apply(tx, state, fork)
    assert state.commit() == root
    return f"{e.value.rule}: {e.value.detail}"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nonce": 1}, "nonce too high: address 0x7e5f4552091a69125d5dfcb7b8c2659029395bdf, tx: 1 state: 0"),
        ({"gas_limit": 20_999}, "intrinsic gas too low: have 20999, want 21000"),
        ({"gas_limit": 21_100, "data": bytes(40)}, "intrinsic gas too low: have 21100, want 21160"),
        ({"gas_limit": 21_200, "data": bytes(40)}, "insufficient gas for floor data gas cost: have 21200, want 21400"),
        ({"gas_limit": (1 << 24) + 1}, "transaction gas limit too high: cap: 16777216, tx: 16777217"),
        ({"fee_cap": 1, "tip_cap": 2}, "max priority fee per gas higher than max fee per gas: "),
        ({"fee_cap": 1, "tip_cap": 1}, "max fee per gas less than block base fee: "),
        ({"value": 10 * ETHER}, "insufficient funds for gas * price + value: "),
        ({"value": 2**256 - 1, "fee_cap": 2**256 - 1}, "insufficient funds for gas * price + value: "),
        ({"chain_id": 1}, "invalid chain id for signer: have 1 want 31337"),
        ({"kind": 0, "chain_id": 1}, "invalid chain id for signer: have 1 want 31337"),
        (
            {"to": None, "data": bytes(49_153), "gas_limit": 10**7},
            "max initcode size exceeded: code size 49153 limit 49152",
        ),
        ({"kind": BLOB, "blob_fee_cap": 1}, "blob transaction missing blob hashes: "),
        ({"kind": BLOB, "blob_fee_cap": 1, "blob_hashes": (b"\2" * 32,)}, "blob has invalid hash version: blob 0"),
        ({"kind": BLOB, "blob_hashes": (b"\1" * 32,) * 7}, "blob transaction has too many blobs: have 7, max: 6"),
        ({"kind": BLOB, "blob_hashes": (b"\1" * 32,)}, "max fee per blob gas less than block blob gas fee: "),
        ({"kind": SET_CODE}, "EIP-7702 transaction with empty auth list: "),
        ({"kind": SET_CODE, "to": None}, "EIP-7702 transaction cannot be used to create contract: "),
    ],
)
def test_unlawful_transactions_are_refused_in_geths_words(fields: dict[str, Any], words: str) -> None:
    assert refused(transfer(fields.pop("nonce", 0), **fields)).startswith(words)


def test_a_used_nonce_is_refused() -> None:
    state = state_with()
    apply(transfer(0), state)
    assert refused(transfer(0), state).startswith("nonce too low: ")


def test_the_last_nonce_is_refused() -> None:
    state = state_with()
    state.set_nonce(ACCOUNTS[0], MAX_NONCE)
    state.end_transaction(True)
    tx = transfer(MAX_NONCE)
    assert refused(tx, state).startswith("nonce has max value: ")
    with pytest.raises(InvalidTx, match="nonce has max value"):
        check_possible(tx)


def test_a_contract_cannot_send_but_a_delegated_account_can() -> None:
    state = state_with()
    state.set_code(ACCOUNTS[0], STORE_ONE)
    state.end_transaction(True)
    assert refused(transfer(0), state).startswith("sender not an eoa: ")
    state.set_code(ACCOUNTS[0], b"\xef\x01\x00" + OTHER)
    state.end_transaction(True)
    assert refused(transfer(0), state, rules.CANCUN).startswith("sender not an eoa: ")
    assert apply(transfer(0), state).result.success


def test_a_high_s_is_refused_from_homestead_on() -> None:
    low = transfer(0, kind=0, chain_id=None)
    high = replace(low, s=CURVE_ORDER - low.s, v=55 - low.v)
    check_form(high, rules.FRONTIER, CHAIN_ID)
    with pytest.raises(InvalidTx, match="s is high"):
        check_form(high, rules.HOMESTEAD, CHAIN_ID)


@pytest.mark.parametrize(
    ("fork", "kind"),
    [(rules.ISTANBUL, 1), (rules.BERLIN, 2), (rules.LONDON, BLOB), (rules.SHANGHAI, BLOB), (rules.CANCUN, SET_CODE)],
)
def test_a_type_is_refused_before_its_fork(fork: rules.AccountRules, kind: int) -> None:
    assert refused(transfer(0, kind=kind), fork=fork).startswith("transaction type not supported")


def test_protected_legacy_transactions_wait_for_their_fork() -> None:
    assert "replay protection" in refused(transfer(0, kind=0), fork=rules.TANGERINE_WHISTLE)


def test_what_is_paid_adds_up() -> None:
    state = state_with()
    outcome = apply(transfer(0, value=5, tip_cap=3 * GWEI), state)
    assert (outcome.gas_used, outcome.gas_price, outcome.tip) == (21_000, 4 * GWEI, 63_000 * GWEI)
    assert state.balance(ACCOUNTS[0]) == 10 * ETHER - 5 - 21_000 * 4 * GWEI
    assert state.balance(MINER) == 21_000 * 3 * GWEI
    assert state.balance(OTHER) == 5
    assert state.nonce(ACCOUNTS[0]) == 1


def test_blob_gas_is_paid_and_burnt() -> None:
    state = state_with()
    tx = transfer(0, kind=BLOB, blob_fee_cap=9, blob_hashes=(b"\1" * 32,) * 2)
    block = replace(BLOCK, blob_base_fee=7)
    check_state(tx, state, block, rules.OSAKA)
    outcome = execute(tx, state, block, rules.OSAKA)
    spent = outcome.gas_used * outcome.gas_price + 2 * 131_072 * 7 + 1
    assert state.balance(ACCOUNTS[0]) == 10 * ETHER - spent


def test_a_refund_is_capped_and_the_floor_holds() -> None:
    state = state_with()
    state.set_code(OTHER, bytes.fromhex("600060005560006001556000600255" + "00"))
    for slot in range(3):
        state.set_storage(OTHER, slot, 1)
    state.end_transaction(True)
    used = 21_000 + 3 * (6 + 5_000)
    outcome = apply(transfer(0, gas_limit=100_000, value=0), state)
    assert outcome.gas_used == used - used // 5
    data = bytes(2_000)
    outcome = apply(transfer(1, gas_limit=100_000, value=0, data=data), state)
    assert outcome.gas_used == floor_gas(transfer(1, data=data), rules.OSAKA.fork) == 41_000
    assert intrinsic_gas(transfer(1, data=data), rules.OSAKA.fork) == 29_000


def test_a_failed_transaction_pays_all_its_gas_and_changes_nothing_else() -> None:
    state = state_with()
    state.set_code(OTHER, b"\xfe")
    state.end_transaction(True)
    outcome = apply(transfer(0, gas_limit=50_000, value=7), state)
    assert not outcome.result.success
    assert outcome.gas_used == 50_000
    assert (state.balance(OTHER), state.nonce(ACCOUNTS[0])) == (0, 1)


def test_a_creation_names_its_contract() -> None:
    state = state_with()
    outcome = apply(transfer(0, to=None, gas_limit=100_000, data=b"\x00"), state)
    assert outcome.created is not None
    assert state.nonce(outcome.created) == 1


def delegation(signer: int, chain_id: int = CHAIN_ID, nonce: int = 0, target: bytes = OTHER) -> Any:
    return authorize(KEYS[signer], chain_id, target, nonce)


def set_code_tx(*authorizations: Any, nonce: int = 0) -> EthereumTransaction:
    return transfer(nonce, kind=SET_CODE, gas_limit=500_000, authorizations=authorizations)


def test_an_authorization_delegates_and_is_taken_back() -> None:
    state = state_with()
    state.set_balance(ACCOUNTS[1], 1)
    state.end_transaction(True)
    apply(set_code_tx(delegation(1)), state)
    assert state.code(ACCOUNTS[1]) == b"\xef\x01\x00" + OTHER
    assert state.nonce(ACCOUNTS[1]) == 1
    apply(set_code_tx(delegation(1, nonce=1, target=bytes(20)), nonce=1), state)
    assert state.code(ACCOUNTS[1]) == b""


def test_authorizations_that_do_not_hold_are_passed_over() -> None:
    state = state_with()
    state.set_code(ACCOUNTS[2], STORE_ONE)
    state.end_transaction(True)
    wrong = (delegation(1, chain_id=5), delegation(1, nonce=1), delegation(1, nonce=MAX_NONCE), delegation(2))
    bad_signature = replace(delegation(1), r=0)
    assert apply(set_code_tx(*wrong, bad_signature), state).result.success
    assert not state.exists(ACCOUNTS[1])
    assert state.code(ACCOUNTS[2]) == STORE_ONE
    apply(set_code_tx(delegation(1, chain_id=0), nonce=1), state)
    assert state.code(ACCOUNTS[1]) == b"\xef\x01\x00" + OTHER


def test_an_authority_that_exists_earns_a_refund() -> None:
    costs = []
    for exists in (False, True):
        state = state_with()
        if exists:
            state.set_balance(ACCOUNTS[1], 1)
            state.end_transaction(True)
        costs.append(apply(set_code_tx(delegation(1)), state).gas_used)
    assert costs[0] == 21_000 + 25_000
    assert costs[1] == costs[0] - costs[0] // 5


def test_a_sender_may_delegate_itself() -> None:
    state = state_with()
    apply(set_code_tx(delegation(0, nonce=1)), state)
    assert state.nonce(ACCOUNTS[0]) == 2
    assert state.code(ACCOUNTS[0]) == b"\xef\x01\x00" + OTHER


def test_signing_is_bound_to_the_chain() -> None:
    mine = transfer(0)
    assert sign(replace(mine, chain_id=1), KEYS[0]).sender == ACCOUNTS[0]
    assert replace(mine, chain_id=1).sender != ACCOUNTS[0]
