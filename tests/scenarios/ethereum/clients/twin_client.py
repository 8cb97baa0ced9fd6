"""web3.py beside a Bitcoin client on one chain: it deploys, spends what was deposited, and tells what it sees; blocks come from others."""

import json
import sys
from pathlib import Path

from eth_account import Account
from web3 import Web3

url, contracts_path, step, *rest = sys.argv[1:]
w3 = Web3(Web3.HTTPProvider(url))
token_parts = json.loads(Path(contracts_path).read_text())["Token"]


def token(address):
    return w3.eth.contract(address=Web3.to_checksum_address(address), abi=token_parts["abi"])


def deploy():
    """Deploy an ERC-20 and wait for somebody to mine it."""
    made = w3.eth.contract(abi=token_parts["abi"], bytecode=token_parts["bytecode"])
    sent = made.constructor().transact({"from": w3.eth.accounts[0]})
    receipt = w3.eth.wait_for_transaction_receipt(sent, 60, 0.05)
    assert receipt.status == 1
    return {"address": receipt.contractAddress, "hash": sent.to_0x_hex()}


def spend(key, to, wei):
    """Send ether of a key that nobody but its owner holds; the raw transaction, to be sent again after a reorganisation."""
    account = Account.from_key(key)
    tx = {"to": Web3.to_checksum_address(to), "value": int(wei), "gas": 21_000, "chainId": w3.eth.chain_id}
    tx |= {
        "nonce": w3.eth.get_transaction_count(account.address),
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
    }
    signed = account.sign_transaction(tx)
    sent = w3.eth.send_raw_transaction(signed.raw_transaction)
    receipt = w3.eth.wait_for_transaction_receipt(sent, 60, 0.05)
    assert receipt.status == 1
    return {"hash": sent.to_0x_hex(), "raw": signed.raw_transaction.to_0x_hex()}


def story(address, *accounts):
    """What the chain looks like from here: head, code, supply, balances."""
    head = w3.eth.get_block("latest")
    code = w3.eth.get_code(Web3.to_checksum_address(address))
    return {
        "number": head.number,
        "hash": head.hash.to_0x_hex(),
        "deployed": len(code) > 0,
        "supply": token(address).functions.totalSupply().call() if code else None,
        "balances": [str(w3.eth.get_balance(Web3.to_checksum_address(a))) for a in accounts],
        "tokens": [
            str(token(address).functions.balanceOf(Web3.to_checksum_address(a)).call()) if code else None
            for a in accounts
        ],
        "transfers": len(token(address).events.Transfer.get_logs(from_block=0)),
    }


print(json.dumps({"deploy": deploy, "spend": spend, "story": story}[step](*rest)))
