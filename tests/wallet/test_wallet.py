"""The wallet on a small chain: receive, send, survive reorganisations and restarts, lock, label, bump."""

from __future__ import annotations

from dataclasses import replace

import pytest

from primitives.bitcoin import Transaction, TxOutput, outpoint
from primitives.errors import Refused
from tests.wallet.world import ANYONE, NET, PHRASE, REWARD, Chain, World, funded, make, picture, reopen, rule, script_of
from wallet.errors import WalletError
from wallet.history import Balances
from wallet.spend_utxo import Payment
from wallet.spending import SendOptions

COIN = 100_000_000
KINDS = ["legacy", "p2sh-segwit", "bech32", "bech32m"]


def test_rewards_ripen() -> None:
    chain = Chain()
    wallet = make(chain)
    chain.mine(script_of(wallet))
    assert wallet.balances() == Balances(0, 0, REWARD)
    assert [m.category for m in wallet.transactions()] == ["immature"]
    chain.mine(count=99)
    assert wallet.balances() == Balances(0, 0, REWARD)
    chain.mine()
    assert wallet.balances() == Balances(REWARD, 0, 0)
    assert [m.category for m in wallet.transactions()] == ["generate"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_address_is_paid_and_spends(kind: str) -> None:
    chain = Chain()
    alice, bob = funded(chain), make(chain, name="bob", folder="/wallets/bob")
    sent = alice.pay(bob.new_address("from alice", kind), 3 * COIN)
    assert bob.balances() == Balances(0, 3 * COIN, 0)
    assert alice.balances().trusted == REWARD - 3 * COIN - sent.fee
    chain.mine()
    back = bob.pay(alice.new_address(kind=kind), COIN, SendOptions(change_kind=kind))
    assert chain.pool[back.tx.id] == back.tx
    chain.mine()
    assert bob.balances().trusted == 2 * COIN - back.fee
    assert alice.balances().trusted == REWARD - 2 * COIN - sent.fee
    received, sent_away = bob.transactions()
    assert (received.category, received.amount, received.label) == ("receive", 3 * COIN, "from alice")
    assert (sent_away.category, sent_away.amount, sent_away.fee) == ("send", -COIN, -back.fee)


def test_the_fee_follows_the_rate_and_the_size() -> None:
    chain = Chain()
    wallet = funded(chain)
    for kind in KINDS:
        for rate in (1_000, 7_345, 50_000):
            sent = wallet.send([Payment(script_of(wallet, kind), COIN)], SendOptions(rate=rate))
            least = -(-sent.tx.vsize * rate // 1000)
            assert least <= sent.fee <= least + 3 * rate // 1000 + 2
            assert chain.fee(sent.tx) == sent.fee


def test_subtract_fee_and_sweep() -> None:
    chain = Chain()
    alice, bob = funded(chain, 2), make(chain, name="bob", folder="/b")
    sent = alice.pay(bob.new_address(), COIN, subtract_fee=True)
    assert bob.balances().pending == COIN - sent.fee
    chain.mine()
    swept = alice.sweep(bob.new_address())
    assert swept.change_at is None and len(swept.tx.outputs) == 1
    chain.mine()
    assert alice.balances() == Balances(0, 0, 0)
    assert bob.balances().trusted == 2 * REWARD - sent.fee - swept.fee


def test_what_cannot_be_sent_is_refused_with_a_word() -> None:
    chain = Chain()
    wallet = funded(chain)
    address = wallet.new_address()
    assert rule(lambda: wallet.pay(address, REWARD)) == "insufficient-funds"
    assert rule(lambda: wallet.pay(address, 100)) == "dust"
    assert rule(lambda: wallet.pay(address, -1)) == "bad-amount"
    assert rule(lambda: wallet.pay(address, 22_000_000 * COIN)) == "bad-amount"
    assert rule(lambda: wallet.pay(address, COIN, SendOptions(rate=999))) == "bad-fee"
    assert rule(lambda: wallet.pay(address, COIN, SendOptions(rate=100_000_000))) == "bad-fee"
    assert rule(lambda: wallet.send([])) == "bad-parameter"
    for bad in (
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
        address[:-1] + ("q" if address[-1] != "q" else "p"),
        "nonsense",
        "",
    ):
        assert rule(lambda bad=bad: wallet.pay(bad, COIN)) == "bad-address"
    assert not chain.pool and wallet.balances().trusted == REWARD


def test_a_refused_transaction_leaves_no_trace() -> None:
    chain = Chain()
    wallet = funded(chain)

    def refuse(tx: object) -> None:
        raise Refused("min relay fee not met")

    before = picture(wallet)
    chain.refuse = refuse
    assert rule(lambda: wallet.pay(wallet.new_address(), COIN)) == "rejected"
    assert picture(wallet) == before and wallet.state.keys.sent == []
    chain.refuse = None
    wallet.pay(wallet.new_address(), COIN)


def test_reorganisation_drops_a_payment_and_brings_it_back() -> None:
    chain = Chain()
    alice, bob = funded(chain), make(chain, name="bob", folder="/b")
    sent = alice.pay(bob.new_address(), COIN)
    chain.mine()
    chain.mine()
    mined = picture(alice), picture(bob)
    assert bob.transaction(sent.tx.id).confirmations == 2
    gone = chain.disconnect(2)
    assert bob.balances() == Balances(0, COIN, 0) and bob.transaction(sent.tx.id).confirmations == 0
    for block in reversed(gone):
        chain.connect(block)
    assert (picture(alice), picture(bob)) == mined


def test_a_reward_of_an_orphaned_block_is_gone() -> None:
    chain = Chain()
    wallet = make(chain)
    chain.mine(script_of(wallet))
    chain.disconnect()
    assert wallet.balances() == Balances(0, 0, 0)
    assert [m.category for m in wallet.transactions()] == ["orphan"]
    chain.mine(count=2)
    assert wallet.balances() == Balances(0, 0, 0)


def test_a_rival_that_is_mined_beats_a_payment_until_it_is_reorganised_away() -> None:
    chain = Chain()
    alice, bob = funded(chain), make(chain, name="bob", folder="/b")
    twin = make(chain, World(9), name="twin", folder="/t", phrase=alice.export_phrase(), scan_from=0)
    twin.resume()
    first = alice.pay(bob.new_address(), COIN)
    chain.evict(first.tx)
    chain.wallets.remove(twin)
    twin.state.history.forget(twin.state.history.records[first.tx.id])
    second = twin.pay(bob.new_address(), 2 * COIN)
    chain.wallets.append(twin)
    chain.mine()
    view = bob.transaction(first.tx.id)
    assert view.confirmations == -1 and view.conflicts == (second.tx.id,)
    assert alice.transaction(first.tx.id).conflicts == (second.tx.id,)
    assert bob.balances() == Balances(0, 2 * COIN, 0) or bob.balances() == Balances(2 * COIN, 0, 0)
    assert alice.balances() == twin.balances()
    chain.disconnect()
    assert bob.transaction(first.tx.id).confirmations == 0
    assert alice.balances() == twin.balances()


def test_restart_rescan_and_restore_agree() -> None:
    chain = Chain()
    alice, bob = funded(chain, 3), make(chain, name="bob", folder="/b")
    for n in range(12):
        alice.pay(bob.new_address(kind=KINDS[n % 4]), (n + 1) * COIN // 10)
        if n % 3 == 0:
            chain.mine()
        if n % 5 == 4:
            bob.pay(alice.new_address(), COIN // 20, SendOptions(include_unsafe=True))
    alive = picture(alice), picture(bob)
    bob.rescan(0)
    assert picture(bob) == alive[1]
    bob.close()
    assert picture(reopen(bob, chain)) == alive[1]
    restored = make(chain, World(77), name="again", folder="/r", phrase=alice.export_phrase())
    restored.resume()
    assert picture(restored) == alive[0]


def test_blocks_missed_while_closed_are_caught_up_even_over_a_reorganisation() -> None:
    chain = Chain()
    alice, bob = funded(chain), make(chain, name="bob", folder="/b")
    alice.pay(bob.new_address(), COIN)
    chain.mine(count=3)
    bob.close()
    chain.wallets.remove(bob)
    chain.disconnect(3)
    chain.mine(txs=[])
    chain.mine(count=4)
    again = reopen(bob, chain)
    fresh = make(chain, World(5), name="fresh", folder="/f", phrase=bob.export_phrase())
    fresh.resume()
    assert again.balances() == fresh.balances() == Balances(COIN, 0, 0)
    assert picture(again) == picture(fresh)


def test_a_crash_before_the_checkpoint_loses_nothing() -> None:
    chain = Chain()
    wallet = funded(chain)
    sent = wallet.pay(wallet.new_address(), COIN)
    alive = picture(wallet)
    again = reopen(wallet, chain)  # without close()
    assert picture(again) == alive
    chain.pool.clear()
    again = reopen(again, chain)
    assert again.state.history.records[sent.tx.id].pooled is False
    assert again.rebroadcast() == [sent.tx.id]
    assert picture(again) == alive


def test_bump_replaces_and_pays_more() -> None:
    chain = Chain()
    alice, bob = funded(chain, 2), make(chain, name="bob", folder="/b")
    sent = alice.pay(bob.new_address(), COIN, SendOptions(rate=1_000))
    bumped = alice.bump(sent.tx.id, SendOptions(rate=9_000))
    assert bumped.fee > bumped.old_fee == sent.fee
    assert list(chain.pool) == [bumped.tx.id]
    assert bob.balances() == Balances(0, COIN, 0)
    assert alice.balances().trusted == 2 * REWARD - COIN - bumped.fee
    assert alice.transaction(sent.tx.id).notes["replaced_by"] == bumped.tx.id[::-1].hex()
    assert rule(lambda: alice.bump(sent.tx.id)) == "bad-parameter"
    chain.mine()
    assert alice.transaction(sent.tx.id).confirmations == -1
    assert rule(lambda: alice.bump(bumped.tx.id)) == "bad-parameter"
    final = alice.pay(bob.new_address(), COIN, SendOptions(replaceable=False))
    assert rule(lambda: alice.bump(final.tx.id)) == "bad-parameter"


def test_bump_takes_more_coins_where_the_change_does_not_suffice() -> None:
    chain = Chain()
    alice, bob = funded(chain, 2), make(chain, name="bob", folder="/b")
    sent = alice.pay(bob.new_address(), REWARD - 2_000, SendOptions(rate=1_000))
    assert len(sent.tx.inputs) == 1
    bumped = alice.bump(sent.tx.id, SendOptions(rate=40_000))
    assert len(bumped.tx.inputs) == 2 and bob.balances().pending == REWARD - 2_000


def test_a_child_pays_for_its_parent() -> None:
    chain = Chain()
    alice, bob = funded(chain, 2), make(chain, name="bob", folder="/b")
    sent = alice.pay(bob.new_address(), COIN, SendOptions(rate=1_000, replaceable=False))
    child = alice.bump_child(sent.tx.id, SendOptions(rate=20_000))
    both = sent.fee + child.fee
    assert both * 1000 >= 20_000 * (sent.tx.vsize + child.tx.vsize) - 40_000
    assert both * 1000 <= 21_000 * (sent.tx.vsize + child.tx.vsize)
    from_payee = bob.bump_child(sent.tx.id, SendOptions(rate=30_000))
    assert from_payee.fee > 30 * from_payee.tx.vsize
    assert rule(lambda: bob.bump_child(sent.tx.id)) == "bad-parameter"
    chain.mine()
    assert alice.balances().trusted == 2 * REWARD - COIN - both
    assert rule(lambda: alice.bump_child(sent.tx.id)) == "bad-parameter"


def test_the_slow_curve_signs_for_no_real_money(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain()
    wallet = funded(chain)
    monkeypatch.setattr("primitives.secp256k1.CONSTANT_TIME", False)
    wallet.pay(wallet.new_address(), COIN)
    wallet.state.net = replace(NET, coin_type=0)
    assert rule(lambda: wallet.pay(wallet.new_address(), COIN)) == "no-key"


def test_abandon_frees_the_coins() -> None:
    chain = Chain()
    wallet = funded(chain)
    sent = wallet.pay(wallet.new_address(), COIN)
    assert rule(lambda: wallet.abandon(sent.tx.id)) == "bad-parameter"
    chain.evict(sent.tx)
    assert wallet.balances().trusted == 0
    wallet.abandon(sent.tx.id)
    assert wallet.balances().trusted == REWARD and wallet.rebroadcast() == []
    again = reopen(wallet, chain)
    assert again.balances().trusted == REWARD
    chain.submit(sent.tx)
    chain.mine()
    assert again.transaction(sent.tx.id).confirmations == 1
    assert again.balances().trusted == REWARD - sent.fee


def test_frozen_coins_stay_where_they_are() -> None:
    chain = Chain()
    wallet = funded(chain, 2)
    point = wallet.coins()[0].coin.outpoint
    wallet.freeze([point], persistent=True)
    assert rule(lambda: wallet.freeze([point])) == "bad-parameter"
    assert [c.coin.outpoint for c in wallet.coins()] != [point] and len(wallet.coins()) == 1
    assert rule(lambda: wallet.pay(wallet.new_address(), REWARD + COIN)) == "insufficient-funds"
    wallet.close()
    again = reopen(wallet, chain)
    assert again.frozen() == [point]
    again.freeze([point], frozen=False)
    assert rule(lambda: again.freeze([point], frozen=False)) == "bad-parameter"
    again.pay(again.new_address(), REWARD + COIN)


def test_labels_and_addresses() -> None:
    chain = Chain()
    wallet = make(chain)
    address = wallet.new_address("rent")
    plain = wallet.new_address()
    assert wallet.labels() == ["", "rent"]
    assert wallet.addresses("rent") == {address: "receive"}
    assert wallet.addresses("") == {plain: "receive"}
    other = "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x"
    wallet.set_label(other, "shop")
    assert wallet.labels("send") == ["shop"]
    assert rule(lambda: wallet.addresses("nobody")) == "not-found"
    info = wallet.address_info(address)
    assert info.is_mine and not info.is_change and info.labels == ("rent",)
    assert info.path is not None and info.path.startswith("m/84h/1h/0h/0/")
    change = wallet.address_info(wallet.change_address())
    assert change.is_mine and change.is_change and change.labels == ()
    assert not wallet.address_info(other).is_mine
    chain.mine(wallet.state.script_of(address))
    chain.mine(count=100)
    assert [(r.name, r.amount) for r in wallet.received(by_label=True)] == [("rent", REWARD)]
    assert sorted(r.name for r in wallet.received(empty=True)) == sorted([address, plain])


def test_watch_only_wallets_see_and_do_not_sign() -> None:
    chain = Chain()
    alice = funded(chain)
    watch = make(chain, name="watch", folder="/watch", private_keys=False)
    for source in alice.descriptors():
        watch.import_descriptor(source.text, active=True, internal=source.internal)
    watch.rescan(0)
    assert watch.balances() == alice.balances()
    assert watch.address_info(watch.new_address()).is_mine
    assert rule(lambda: watch.pay(watch.new_address(), COIN)) == "no-key"
    private = alice.export_descriptor(alice.descriptors()[0])
    assert rule(lambda: watch.import_descriptor(private)) == "no-key"


def test_imported_private_descriptors_spend() -> None:
    chain = Chain()
    alice = funded(chain)
    texts = [(alice.export_descriptor(s), s.internal) for s in alice.descriptors()]
    blank = make(chain, name="blank", folder="/blank", blank=True)
    assert rule(blank.new_address) == "not-found"
    for text, internal in texts:
        blank.import_descriptor(text, active=True, internal=internal)
    blank.rescan(0)
    assert blank.balances() == alice.balances()
    blank.pay(alice.new_address(), COIN)


def test_a_single_imported_key_is_found_by_rescan_and_spends() -> None:
    chain = Chain()
    alice = funded(chain)
    wif = "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA"
    from wallet import checksum

    keeper = make(chain, name="keeper", folder="/keeper", blank=True)
    source = keeper.import_descriptor(checksum.add(f"combo({wif})"), label="paper")
    scripts = [source.descriptor.expand()[n].script for n in range(4)]
    alice.send([Payment(script, COIN) for script in scripts])
    chain.mine()
    assert keeper.balances().trusted == 4 * COIN
    sent = keeper.sweep(alice.new_address())
    assert len(sent.tx.inputs) == 4


def test_outputs_by_hand_and_by_bip69() -> None:
    chain = Chain()
    wallet = funded(chain, 3)
    points = tuple(c.coin.outpoint for c in wallet.coins())
    sent = wallet.send(
        [Payment(ANYONE * 3 + b"\x75\x75", 5 * COIN), Payment(script_of(wallet), COIN)],
        SendOptions(inputs=points, bip69=True, lock_time=5),
        submit=False,
    )
    assert sorted(i.outpoint[31::-1] for i in sent.tx.inputs) == [i.outpoint[31::-1] for i in sent.tx.inputs]
    assert [o.value for o in sent.tx.outputs] == sorted(o.value for o in sent.tx.outputs)
    assert sent.tx.lock_time == 5 and not chain.pool
    assert isinstance(sent.tx.outputs[0], TxOutput) and len(outpoint(sent.tx.id, 0)) == 36


def test_restored_phrase_gives_the_published_addresses() -> None:
    chain = Chain()
    wallet = make(chain, phrase=PHRASE)
    assert wallet.new_address(kind="bech32") == "bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk"


def test_long_chains_of_unmined_change_are_left_alone() -> None:
    chain = Chain()
    wallet = funded(chain, 3)

    def depth(tx: Transaction) -> int:
        return 1 + max((depth(chain.pool[i.txid]) for i in tx.inputs if i.txid in chain.pool), default=0)

    def short(tx: Transaction) -> None:
        if depth(tx) > 25:
            raise Refused("too-long-mempool-chain")

    chain.refuse = short
    other = make(chain, name="other", folder="/o")
    sent = 0
    with pytest.raises(WalletError) as refused:
        for _ in range(200):
            wallet.pay(other.new_address(), 1_000_000)
            sent += 1
    assert refused.value.rule == "insufficient-funds" and sent >= 70
    chain.mine()
    wallet.pay(other.new_address(), 1_000_000)
