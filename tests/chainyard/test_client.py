"""The client of other people's code, on nodes that it starts as processes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from chainyard import Network, NoConnection, Node, ProgramError, Rpc, RpcError
from chainyard.node import raw_hex

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
ACCOUNT = "0x00000000000000000000000000000000000000aa"


@pytest.fixture(scope="module")
def coins() -> Iterator[Node]:
    with Node("regtest") as node:
        yield node


@pytest.fixture(scope="module")
def ether() -> Iterator[Node]:
    with Node("dev", accounts=12) as node:
        yield node


def test_blocks_clock_and_money_of_the_coin_side(coins: Node) -> None:
    with coins.kept():
        before, second = coins.height, coins.time
        assert len(coins.mine(3, to=ADDRESS)) == 3 and coins.height == before + 3
        assert coins.travel(3_600) >= second + 3_600
        paid = coins.faucet(ADDRESS, Decimal("1.25"))
        found = coins.rpc.call("getrawtransaction", paid["txid"], True)
        assert [o["value"] for o in found["vout"] if o["scriptPubKey"].get("address") == ADDRESS] == [Decimal("1.25")]


def test_a_snapshot_comes_back_whole(coins: Node) -> None:
    coins.mine()
    tip, mark = coins.tip, coins.snapshot()
    coins.reorg(1)
    coins.travel(10_000)
    coins.mine(2)
    coins.revert(mark)
    assert coins.tip == tip and abs(coins.info()["offset"]) < 10_000
    with pytest.raises(LookupError):
        coins.revert(mark)


def test_a_snapshot_comes_back_from_under_a_condemned_block(coins: Node) -> None:
    block = coins.mine(2)[0]
    with coins.kept():
        coins.invalidate(block)
        assert coins.tip != block
    assert coins.rpc.getblock(block)["confirmations"] == 2


def test_invalidate_and_reconsider(coins: Node) -> None:
    tip, height = coins.mine(2)[-1], coins.height
    coins.invalidate(tip)
    assert coins.height == height - 1
    coins.reconsider(tip)
    assert coins.tip == tip


def test_a_reorganisation_takes_a_transaction_along(coins: Node) -> None:
    with coins.kept():
        paid = coins.faucet(ADDRESS, 1)
        raw = coins.rpc.call("getrawtransaction", paid["txid"])
        old = coins.mine(2)
        coins.reorg(3, with_=raw)
        assert old[-1] != coins.tip
        assert coins.rpc.call("getrawtransaction", paid["txid"], True)["confirmations"] == 4


def test_what_does_not_apply_to_the_branch_is_refused_and_the_chain_stays(coins: Node) -> None:
    with coins.kept():
        paid = coins.faucet(ADDRESS, 1)
        raw = coins.rpc.call("getrawtransaction", paid["txid"])
        coins.mine()
        tip = coins.tip
        with pytest.raises(RpcError, match="does not apply"):
            coins.reorg(1, with_=raw)  # its coins are spent below the fork
        assert coins.tip == tip


def test_a_dump_loads_and_dumps_to_the_same_bytes(coins: Node, tmp_path: Path) -> None:
    with coins.kept():
        coins.rpc.createwallet("saver")
        coins.faucet(coins.wallet("saver").getnewaddress(), 2)
        coins.wallet("saver").sendtoaddress(ADDRESS, "0.5")
        coins.travel(500)
        coins.dump(tmp_path / "one", wallets=True)
        with Node("regtest") as other:
            other.load(tmp_path / "one")
            assert other.tip == coins.tip and other.rpc.getrawmempool() == coins.rpc.getrawmempool()
            assert other.wallet("saver").getbalances() == coins.wallet("saver").getbalances()
            other.dump(tmp_path / "two", wallets=True)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
        with pytest.raises(RpcError, match="already exists"):
            coins.dump(tmp_path / "one")


def test_edits_of_accounts(ether: Node) -> None:
    with ether.kept():
        ether.set_balance(ACCOUNT, 5)
        ether.faucet(ACCOUNT, 10**30)
        assert int(ether.eth.eth_getBalance(ACCOUNT, "latest"), 16) == 10**30 + 5
        ether.set_code(ACCOUNT, b"\x60\x00")
        assert ether.eth.eth_getCode(ACCOUNT, "latest") == "0x6000"
        ether.set_storage(ACCOUNT, 1, 7)
        assert int(ether.eth.eth_getStorageAt(ACCOUNT, "0x1", "latest"), 16) == 7
        ether.set_nonce(ACCOUNT, 9)
        assert ether.eth.eth_getTransactionCount(ACCOUNT, "latest") == "0x9"
    assert int(ether.eth.eth_getBalance(ACCOUNT, "latest"), 16) == 0


def test_more_accounts_have_money_and_keys(ether: Node) -> None:
    assert len(ether.accounts) == 12 and len(ether.eth.eth_accounts()) == 12
    assert int(ether.eth.eth_getBalance(ether.accounts[11].address, "latest"), 16) == 10_000 * 10**18


def test_a_running_node_is_attached_to(ether: Node) -> None:
    other = Node.attach(ether.url)
    assert other.tip == ether.tip and other.eth.url == ether.eth.url


def test_a_chain_without_edits_says_so(coins: Node) -> None:
    with pytest.raises(RpcError, match="dev edits are not allowed"):
        coins.set_coins(ADDRESS, 1)


def test_a_node_that_cannot_start_says_why() -> None:
    with pytest.raises(ProgramError, match="no chain 'nowhere'"):
        Node("nowhere").start()


def test_nobody_answers_where_nobody_is() -> None:
    with Node("regtest") as node:
        url = node.url
    with pytest.raises(NoConnection):
        Rpc(url).getblockcount()


def test_a_signed_transaction_of_any_library_is_taken() -> None:
    class Signed:
        raw_transaction = b"\x01\x02"

    class Serializable:
        def serialize(self) -> bytes:
            return b"\x03"

    assert [raw_hex(x) for x in (Signed(), Serializable(), b"\x04", "05")] == ["0102", "03", "04", "05"]
    with pytest.raises(TypeError):
        raw_hex(5)


def test_snapshots_outlive_the_process(tmp_path: Path) -> None:
    with Node("regtest", datadir=tmp_path) as node:
        node.mine(2)
        mark, tip = node.snapshot(), node.tip
        node.mine()
    with Node("regtest", datadir=tmp_path) as node:
        node.revert(mark)
        assert node.tip == tip


def test_a_net_parts_heals_slows_grows_and_shrinks() -> None:
    with Network(2, "regtest") as net:
        net.partition([0], [1])
        net[0].mine(1)
        net[1].mine(3)
        assert net[0].tip != net[1].tip
        net.heal()
        assert net.settle() == net[1].tip
        net[0].reorg(2)
        assert net.settle() == net[0].tip
        target = net.travel(86_400)
        net.link(0, 1, latency=0.2)
        for node in net:
            assert node.time >= target
            node.rpc.call("ping")
        deadline = 200
        while net[0].rpc.getpeerinfo()[0].get("pingtime", 0) < Decimal("0.4") and deadline:
            net[0].rpc.call("waitfornewblock", 50)
            deadline -= 1
        assert net[0].rpc.getpeerinfo()[0]["pingtime"] >= Decimal("0.4")
        newcomer = net.add()
        net.settle()
        assert newcomer.time >= target
        net.remove(1)
        net[0].mine()
        assert net.settle() == newcomer.tip


@pytest.mark.parametrize("groups", [[], [[0, 1]]])
def test_a_partition_has_two_sides(groups: list[list[int]]) -> None:
    net = Network(1)
    net.nodes = [Node(), Node()]
    net._names = {id(n): str(i) for i, n in enumerate(net.nodes)}
    with pytest.raises(ValueError, match="two sides"):
        net.partition(*groups)
