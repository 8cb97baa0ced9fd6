"""What a user of web3.py does, against the node at a URL; a line a check. Runs in an environment of its own."""

import asyncio
import json
import sys
import traceback
from pathlib import Path

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from hexbytes import HexBytes
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import (
    ContractCustomError,
    ContractLogicError,
    ContractPanicError,
    TransactionNotFound,
    Web3RPCError,
)

url, ws_url, contracts_path, key = sys.argv[1:5]
w3 = Web3(Web3.HTTPProvider(url))
contracts = json.loads(Path(contracts_path).read_text())
a, b, c = w3.eth.accounts[:3]
CHECKS = []


def check(run):
    CHECKS.append(run)
    return run


def deploy(name, *arguments):
    contract = w3.eth.contract(abi=contracts[name]["abi"], bytecode=contracts[name]["bytecode"])
    receipt = w3.eth.wait_for_transaction_receipt(contract.constructor(*arguments).transact({"from": a}))
    assert receipt.status == 1
    return w3.eth.contract(address=receipt.contractAddress, abi=contracts[name]["abi"])


@check
def connects():
    assert w3.is_connected() and w3.eth.chain_id == 31337 and w3.client_version.startswith("Chainyard/")
    assert len(w3.eth.accounts) == 10 and w3.eth.get_balance(a) == w3.to_wei(10_000, "ether")
    assert w3.net.version == "31337" and w3.eth.syncing is False


@check
def sends_with_the_nodes_key():
    before = w3.eth.get_balance(b)
    sent = w3.eth.send_transaction({"from": a, "to": b, "value": w3.to_wei(1, "ether")})
    receipt = w3.eth.get_transaction_receipt(sent)
    assert receipt.status == 1 and receipt.gasUsed == 21_000
    assert w3.eth.get_balance(b) - before == w3.to_wei(1, "ether")
    tx = w3.eth.get_transaction(sent)
    assert tx["from"] == a and tx.type == 2 and tx.blockNumber == receipt.blockNumber


@check
def sends_with_a_local_key():
    account = Account.from_key(key)
    for extra in ({"gasPrice": w3.eth.gas_price}, {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}):
        tx = {
            "to": c,
            "value": 5,
            "gas": 21_000,
            "nonce": w3.eth.get_transaction_count(account.address),
            "chainId": 31337,
        }
        sent = w3.eth.send_raw_transaction(account.sign_transaction({**tx, **extra}).raw_transaction)
        assert w3.eth.wait_for_transaction_receipt(sent).status == 1


@check
def an_access_list_and_a_delegation_are_sent():
    account = Account.from_key(key)
    nonce = w3.eth.get_transaction_count(account.address)
    tx = {"type": 1, "to": c, "gas": 30_000, "nonce": nonce, "chainId": 31337, "gasPrice": 2 * 10**10, "value": 1}
    tx["accessList"] = [{"address": c, "storageKeys": ["0x" + "00" * 32]}]
    sent = w3.eth.send_raw_transaction(account.sign_transaction(tx).raw_transaction)
    assert w3.eth.get_transaction_receipt(sent).type == 1
    box = deploy("Box", a)
    nonce += 1 + (w3.eth.get_transaction_count(account.address) - nonce - 1)
    grant = account.sign_authorization({"chainId": 31337, "address": box.address, "nonce": nonce + 1})
    tx = {"to": account.address, "gas": 200_000, "nonce": nonce, "chainId": 31337, "authorizationList": [grant]}
    tx |= {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9, "value": 0, "data": "0x"}
    sent = w3.eth.send_raw_transaction(account.sign_transaction(tx).raw_transaction)
    assert w3.eth.get_transaction_receipt(sent).type == 4
    assert w3.eth.get_code(account.address) == HexBytes("0xef0100" + box.address[2:])


@check
def deploys_and_calls():
    token = deploy("Token")
    assert token.functions.symbol().call() == "YRD"
    token.functions.transfer(b, 10**18).transact({"from": a})
    assert token.functions.balanceOf(b).call() == 10**18
    first = w3.eth.block_number - 1
    assert token.functions.balanceOf(b).call(block_identifier=first) == 0


@check
def decodes_reverts():
    token = deploy("Token")
    try:
        token.functions.refuse().call()
        raise AssertionError("no revert")
    except ContractLogicError as e:
        assert "not today" in str(e), e
    try:
        token.functions.limited(10**30).call()
        raise AssertionError("no revert")
    except ContractCustomError as e:
        assert e.data is not None
    try:
        token.functions.panics(0).call()
        raise AssertionError("no revert")
    except ContractPanicError:
        pass
    try:
        token.functions.transfer(b, 1).transact({"from": c})
        raise AssertionError("no revert")
    except ContractCustomError:
        pass


@check
def finds_logs():
    token = deploy("Token")
    first = w3.eth.block_number
    for amount in (1, 2, 3):
        token.functions.transfer(b, amount).transact({"from": a})
    events = token.events.Transfer.get_logs(from_block=first + 1)
    assert [e.args.value for e in events] == [1, 2, 3]
    assert len(w3.eth.get_logs({"address": token.address, "fromBlock": first})) == 4
    assert [e.args.value for e in token.events.Transfer.get_logs(from_block=first, argument_filters={"value": 2})] in (
        [2],
        [],
    )


@check
def filters():
    token = deploy("Token")
    wanted = token.events.Transfer.create_filter(from_block="latest")
    blocks = w3.eth.filter("latest")
    pending = w3.eth.filter("pending")
    sent = token.functions.transfer(b, 7).transact({"from": a})
    assert [e.args.value for e in wanted.get_new_entries()] == [7]
    assert wanted.get_new_entries() == []
    assert blocks.get_new_entries() == [w3.eth.get_block("latest").hash]
    assert pending.get_new_entries() == [sent]
    assert 7 in [e.args.value for e in wanted.get_all_entries()]
    assert w3.eth.uninstall_filter(wanted.filter_id)


@check
def unknown_things_are_null():
    try:
        w3.eth.get_transaction("0x" + "12" * 32)
        raise AssertionError("found")
    except TransactionNotFound:
        pass


@check
def fees():
    history = w3.eth.fee_history(2, "latest", [10, 50])
    assert len(history.baseFeePerGas) == 3 and len(history.reward) == 2
    assert w3.eth.max_priority_fee > 0 and w3.eth.gas_price > 0
    assert w3.eth.estimate_gas({"from": a, "to": b, "value": 1}) == 21_000


@check
def proofs():
    box = deploy("Box", a)
    box.functions.store(42).transact({"from": a})
    proof = w3.eth.get_proof(box.address, [1])
    assert int.from_bytes(proof.storageProof[0].value, "big") == 42
    assert w3.keccak(proof.accountProof[0]) == w3.eth.get_block("latest").stateRoot


@check
def signs():
    signature = w3.eth.sign(a, text="hello")
    assert Account.recover_message(encode_defunct(text="hello"), signature=signature) == a
    data = {
        "types": {"EIP712Domain": [{"name": "name", "type": "string"}], "Mail": [{"name": "text", "type": "string"}]},
        "primaryType": "Mail",
        "domain": {"name": "Yard"},
        "message": {"text": "hi"},
    }
    signature = w3.provider.make_request("eth_signTypedData_v4", [a, json.dumps(data)])["result"]
    assert Account.recover_message(encode_typed_data(full_message=data), signature=signature) == a


@check
def batches():
    with w3.batch_requests() as batch:
        batch.add(w3.eth.get_balance(a))
        batch.add(w3.eth.get_block("latest"))
        found = batch.execute()
    assert len(found) == 2 and found[1].number == w3.eth.block_number


@check
def creates_at_a_known_address():
    factory = deploy("Factory")
    salt = b"\x07" * 32
    receipt = w3.eth.get_transaction_receipt(factory.functions.make(salt).transact({"from": a}))
    where = factory.events.Made().process_receipt(receipt)[0].args.where
    code = bytes.fromhex(contracts["Box"]["bytecode"][2:]) + bytes(12) + bytes.fromhex(a[2:])
    digest = w3.keccak(b"\xff" + bytes.fromhex(factory.address[2:]) + salt + w3.keccak(code))
    assert where.lower() == "0x" + digest[12:].hex()


@check
def upgrades_a_proxy():
    place = int.from_bytes(w3.keccak(text="eip1967.proxy.implementation"), "big") - 1
    first, second = deploy("Counter"), deploy("CounterTwo")
    proxy = deploy("Pointer", first.address, b"")
    counter = w3.eth.contract(address=proxy.address, abi=contracts["Counter"]["abi"])
    assert w3.eth.get_storage_at(proxy.address, place)[12:] == bytes.fromhex(first.address[2:])
    try:
        counter.functions.upgradeToAndCall(second.address, b"").transact({"from": a})
        raise AssertionError("no revert")
    except ContractLogicError as e:
        assert "nothing counted" in str(e), e
    counter.functions.increase().transact({"from": a})
    assert counter.functions.version().call() == 1
    sent = counter.functions.upgradeToAndCall(second.address, b"").transact({"from": a})
    assert len(counter.events.Upgraded().process_receipt(w3.eth.get_transaction_receipt(sent))) == 1
    assert w3.eth.get_storage_at(proxy.address, place)[12:] == bytes.fromhex(second.address[2:])
    assert (counter.functions.version().call(), counter.functions.count().call()) == (2, 1)
    assert first.functions.count().call() == 0


def init_code(size):
    """Code that makes a contract of so many zero bytes."""
    return "0x62" + size.to_bytes(3, "big").hex() + "5ff3"


@check
def code_is_24_kib_and_no_more():
    sent = w3.eth.send_transaction({"from": a, "data": init_code(24_576)})
    receipt = w3.eth.get_transaction_receipt(sent)
    assert receipt.status == 1 and len(w3.eth.get_code(receipt.contractAddress)) == 24_576
    sent = w3.eth.send_transaction({"from": a, "data": init_code(24_577), "gas": 6_000_000})
    receipt = w3.eth.get_transaction_receipt(sent)
    assert receipt.status == 0 and receipt.gasUsed == 6_000_000
    assert len(w3.eth.get_code(receipt.contractAddress)) == 0
    for data, word in (
        (init_code(24_577), "max code size exceeded"),
        ("0x" + "00" * 49_153, "max initcode size exceeded"),
    ):
        try:
            w3.eth.call({"from": a, "data": data})
            raise AssertionError("no error")
        except Web3RPCError as e:
            assert word in str(e), e
    assert w3.eth.call({"from": a, "data": "0x" + "00" * 49_152}) == b""


@check
def subscribes():
    asyncio.run(_subscribes())


async def _subscribes():
    async with AsyncWeb3(WebSocketProvider(ws_url)) as w:
        heads = await w.eth.subscribe("newHeads")
        pending = await w.eth.subscribe("newPendingTransactions")
        logs = await w.eth.subscribe("logs", {})
        box = deploy("Box", a)
        box.functions.store(5).transact({"from": a})
        seen = {heads: 0, pending: 0, logs: 0}
        async with asyncio.timeout(20):
            async for message in w.socket.process_subscriptions():
                seen[message["subscription"]] += 1
                if seen[heads] >= 2 and seen[pending] >= 2 and seen[logs] >= 1:
                    break
        assert await w.eth.unsubscribe(heads)
        assert await w.eth.block_number == w3.eth.block_number


for run in CHECKS:
    try:
        run()
        print(f"{run.__name__}: ok")
    except Exception:
        print(f"{run.__name__}: {traceback.format_exc().strip().splitlines()[-1][:500]}")
        traceback.print_exc()
