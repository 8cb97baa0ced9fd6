"""The client on a twin chain: one set of controls for both of its sides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chainyard import Node

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
ACCOUNT = "0x00000000000000000000000000000000000000aa"


@pytest.fixture(scope="module", params=["twin", "twin-ethash", "twin-stake"])
def twin(request: pytest.FixtureRequest) -> Iterator[Node]:
    with Node(request.param) as node:
        yield node


def balance(node: Node) -> int:
    return int(node.eth.eth_getBalance(ACCOUNT, "latest"), 16)


def pay(node: Node, wei: int) -> str:
    """The hash of a payment by the first account, in a block at once."""
    payment = {
        "from": node.accounts[0].address,
        "to": ACCOUNT,
        "value": hex(wei),
        "gas": "0x5208",
        "gasPrice": hex(10**11),
    }
    return str(node.eth.eth_sendTransaction(payment))


def test_the_first_accounts_have_money_on_both_sides(twin: Node) -> None:
    assert len(twin.accounts) == len(twin.coin_accounts) == 10
    assert int(twin.eth.eth_getBalance(twin.accounts[9].address, "latest"), 16) == 10_000 * 10**18
    twin.rpc.createwallet("first", blank=True)
    wif = twin.coin_accounts[0].wif
    descriptor = twin.rpc.getdescriptorinfo(f"wpkh({wif})")
    found = twin.wallet("first").importdescriptors([{"desc": f"wpkh({wif})#{descriptor['checksum']}", "timestamp": 0}])
    assert found[0]["success"] and twin.wallet("first").getbalance() == 100


def test_a_snapshot_of_one_port_is_reverted_at_the_other(twin: Node) -> None:
    tip = twin.tip
    mark = twin.eth.evm_snapshot()
    twin.faucet(ADDRESS, 1)
    twin.revert(int(mark, 16))
    assert twin.tip == tip
    number = twin.snapshot()
    pay(twin, 5)
    assert twin.eth.evm_revert(hex(number)) is True and twin.tip == tip


def test_a_branch_holds_transactions_of_both_sides(twin: Node) -> None:
    with twin.kept():
        before = balance(twin)
        paid = twin.faucet(ADDRESS, 3)
        coins = twin.rpc.getrawtransaction(paid["txid"])
        twin.mine()
        sent = twin.eth.eth_getRawTransactionByHash(pay(twin, 7))
        twin.reorg(2, with_=sent)
        assert balance(twin) == before + 7
        assert twin.rpc.getrawtransaction(paid["txid"]) == coins


def test_the_one_clock_and_the_wishes_for_the_next_block(twin: Node) -> None:
    with twin.kept():
        second = twin.travel(100)
        twin.eth.evm_increaseTime(50)
        assert twin.time >= second + 50
        wished = twin.time + 500
        twin.eth.evm_setNextBlockTimestamp(wished)
        block = twin.mine()[0]
        assert twin.rpc.getblockheader(block)["time"] == wished
        assert int(twin.eth.eth_getBlockByNumber("latest", False)["timestamp"], 16) == wished


def test_coins_and_balances_are_granted_and_undone(twin: Node) -> None:
    coins = twin.rpc.gettxoutsetinfo()["total_amount"]
    with twin.kept():
        twin.set_coins(ADDRESS, 11)
        twin.set_balance(ACCOUNT, 99)
        assert balance(twin) == 99
        assert twin.rpc.gettxoutsetinfo()["total_amount"] >= coins + 11
    assert twin.rpc.gettxoutsetinfo()["total_amount"] == coins
