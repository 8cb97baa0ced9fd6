"""A contract that Vyper made, used by web3.py against the node at a URL; a line a check."""

import json
import sys
import traceback
from pathlib import Path

from web3 import Web3
from web3.exceptions import ContractLogicError

url, contract_path = sys.argv[1:3]
w3 = Web3(Web3.HTTPProvider(url))
made = json.loads(Path(contract_path).read_text())
a, b = w3.eth.accounts[:2]
factory = w3.eth.contract(abi=made["abi"], bytecode=made["bytecode"])
receipt = w3.eth.wait_for_transaction_receipt(factory.constructor(1_000).transact({"from": a}))
token = w3.eth.contract(address=receipt.contractAddress, abi=made["abi"])


def is_deployed():
    assert receipt.status == 1 and token.functions.balances(a).call() == 1_000
    assert token.events.Transfer().process_receipt(receipt)[0].args.amount == 1_000
    assert token.functions.double(21).call() == 42


def transfers():
    sent = token.functions.transfer(b, 400).transact({"from": a})
    assert w3.eth.get_transaction_receipt(sent).status == 1
    assert (token.functions.balances(a).call(), token.functions.balances(b).call()) == (600, 400)
    assert [e.args.amount for e in token.events.Transfer.get_logs(from_block=1)] == [1_000, 400]


def fails(call, word):
    try:
        call.call({"from": b})
    except ContractLogicError as e:
        assert word in str(e), e
        return
    raise AssertionError("no revert")


def reverts_without_a_word_where_a_number_is_too_large():
    fails(token.functions.transfer(a, 401), "")
    fails(token.functions.double(2**255), "")


def reverts_with_its_word():
    token.functions.freeze().transact({"from": a})
    fails(token.functions.transfer(a, 1), "frozen")


for run in (is_deployed, transfers, reverts_without_a_word_where_a_number_is_too_large, reverts_with_its_word):
    try:
        run()
        print(f"{run.__name__}: ok")
    except Exception:
        print(f"{run.__name__}: {traceback.format_exc().strip().splitlines()[-1][:500]}")
        traceback.print_exc()
