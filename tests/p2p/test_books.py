"""The address book, the ban list, eviction and gossip by themselves: bounded, fair, and the same after a restart."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.addresses import BUCKET_SIZE, NEW_BUCKETS, AddressBook
from p2p.bans import BanList, subnet
from p2p.dialing import Dialer
from p2p.eviction import Candidate, choose
from p2p.gossip import Gossip
from p2p.limits import MAX_DISCOURAGED, RecentSet, TokenBucket
from p2p.messages import Addr, Known
from p2p.netaddress import TORV3, NetAddress, address
from p2p.peer import Kind
from primitives.errors import DecodeError

NOW = 1_700_000_000


def host(n: int) -> NetAddress:
    """A routable address, each 256 in a /16 of their own."""
    return address(f"{20 + n // 65536}.{n // 256 % 256}.{n % 256}.1", 8333)


def known(n: int, time: int = NOW) -> Known:
    return Known(time, 9, host(n))


# -- address book ---------------------------------------------------------------------------------------------------------


def test_one_source_fills_no_more_than_its_64_buckets() -> None:
    book = AddressBook(Random(1))
    source = address("5.5.5.5", 1)
    book.add((known(n) for n in range(10_000)), source, NOW)
    assert 10 < len(book.new) <= 64
    assert len(book) <= 64 * BUCKET_SIZE


def test_the_tables_stay_within_their_bounds() -> None:
    book = AddressBook(Random(1))
    for s in range(100):
        source = address(f"7.{s}.1.1", 1)
        book.add((known(s * 300 + n) for n in range(300)), source, NOW)
    assert len(book.new) <= NEW_BUCKETS and all(len(b) <= BUCKET_SIZE for b in book.new.values())
    assert sum(len(r.slots) for r in book.all()) == sum(len(b) for b in book.new.values())


def test_one_group_reaches_few_tried_buckets() -> None:
    book = AddressBook(Random(1))
    for i in range(2000):
        a = address(f"8.8.{i // 250}.{i % 250}", 8333)
        book.add([Known(NOW, 9, a)], a, NOW)
        book.good(a, NOW)
    assert len(book.tried) <= 8


def test_what_answered_is_tried_and_what_failed_is_let_go() -> None:
    book = AddressBook(Random(1))
    book.add([known(1), known(2)], address("5.5.5.5", 1), NOW)
    book.good(host(1), NOW)
    assert sum(len(b) for b in book.tried.values()) == 1 and sum(len(b) for b in book.new.values()) == 1
    for _ in range(3):
        book.attempt(host(2), NOW - 1000)
    assert {k.address for k in book.sample(NOW, percent=100)} == {host(1)}


def test_strangers_do_not_learn_private_addresses_and_select_finds_all() -> None:
    book = AddressBook(Random(1))
    assert book.add([Known(NOW, 9, address("10.0.0.1", 1))], address("5.5.5.5", 1), NOW) == 0
    assert AddressBook(Random(1), private=True).add([Known(NOW, 9, address("10.0.0.1", 1))], host(0), NOW) == 1
    book.add([known(n) for n in range(50)], host(99), NOW)
    assert {book.select(NOW) for _ in range(2000)} >= {r.address for r in book.all()}
    onion = NetAddress(TORV3, bytes(range(32)), 8333)
    book.add([Known(NOW, 9, onion)], host(99), NOW)
    assert onion in book and onion not in {book.select(NOW) for _ in range(500)}, "a plain socket does not reach it"


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["add", "good", "attempt", "forget"])), max_size=60))
def test_the_book_survives_its_file(steps: list[tuple[int, str]]) -> None:
    book = AddressBook(Random(1))
    for n, step in steps:
        if step == "add":
            book.add([known(n)], host(n % 7), NOW)
        elif step == "good":
            book.good(host(n), NOW, 9)
        elif step == "attempt":
            book.attempt(host(n), NOW)
        else:
            book.forget(host(n))
    again = AddressBook.decode(book.encode(), Random(2), NOW)
    kept = {r.address: (r.services, r.seen, r.attempts, r.tried) for r in again.all()}
    all_ = {r.address: (r.services, r.seen, r.attempts, r.tried) for r in book.all()}
    assert kept.items() <= all_.items() and len(kept) >= len(all_) - 2


@given(st.binary(max_size=200))
def test_a_damaged_file_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        AddressBook.decode(data, Random(1), NOW)


# -- bans -----------------------------------------------------------------------------------------------------------------


def test_bans_cover_subnets_and_end() -> None:
    bans = BanList()
    bans.ban(subnet("10.1.0.0/16"), 100, 0.0, NOW)
    bans.ban(subnet("2001:db8::/32"), 100, 0.0, NOW)
    assert bans.banned(address("10.1.2.3", 1), 50.0) and not bans.banned(address("10.2.2.3", 1), 50.0)
    assert bans.banned(address("2001:db8::5", 1), 50.0) and not bans.banned(address("10.1.2.3", 1), 100.0)
    again = BanList.decode(bans.encode(40.0), 7.0)
    assert again.banned(address("10.1.2.3", 1), 66.0) and not again.banned(address("10.1.2.3", 1), 68.0)
    assert again.unban(subnet("10.1.0.0/16")) and not again.unban(subnet("10.1.0.0/16"))


def test_discouraged_hosts_are_bounded_and_the_newest_stay() -> None:
    bans = BanList()
    for n in range(MAX_DISCOURAGED + 100):
        bans.discourage(address(f"{n // 65536 + 1}.{n // 256 % 256}.{n % 256}.9", 1), float(n) / 1e6)
    assert not bans.discouraged(address("1.0.0.9", 1), 1.0)
    assert bans.discouraged(
        address(f"1.{(MAX_DISCOURAGED + 99) // 256 % 256}.{(MAX_DISCOURAGED + 99) % 256}.9", 7), 1.0
    )


@pytest.mark.parametrize("data", [b"", b"[]", b'{"banned": [[1]], "discouraged": []}', b"\xff", b"[" * 100_000])
def test_a_damaged_ban_list_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        BanList.decode(data, 0.0)


# -- eviction -------------------------------------------------------------------------------------------------------------


def candidate(id: int, **facts: object) -> Candidate:
    base: dict[str, object] = {
        "group": bytes([id % 256]), "group_key": id * 7919 % 1009, "connected": float(id), "min_ping": 1.0,
        "last_block": -1.0, "last_tx": -1.0, "relays_txs": True,
    }  # fmt: skip
    return Candidate(id=id, **(base | facts))  # type: ignore[arg-type]


def test_the_useful_are_spared() -> None:
    crowd = [candidate(i) for i in range(100)]
    useful = [
        *(candidate(1000 + i, min_ping=0.001) for i in range(8)),
        *(candidate(1010 + i, last_tx=5.0) for i in range(4)),
        *(candidate(1020 + i, last_block=5.0) for i in range(4)),
        *(candidate(1030 + i, relays_txs=False, last_block=1.0) for i in range(8)),
    ]
    assert choose([*crowd, *useful]) in {c.id for c in crowd}


def test_the_largest_group_loses_its_youngest_and_few_are_never_evicted() -> None:
    crowd = [candidate(i) for i in range(60)]
    gang = [candidate(500 + i, group=b"gang", group_key=0, connected=500.0 + i) for i in range(40)]
    assert choose([*crowd, *gang]) == 539
    assert choose([candidate(i) for i in range(10)]) is None
    assert choose([candidate(i, protected=True) for i in range(100)]) is None
    assert choose([*crowd, candidate(3000, discouraged=True, min_ping=0.0)]) == 3000


# -- gossip, buckets, dialing ---------------------------------------------------------------------------------------------


def test_rumours_go_to_two_others_and_never_back() -> None:
    gossip = Gossip(AddressBook(Random(1)), Random(1))
    for id in range(10):
        gossip.joined(id, host(1000 + 300 * id), True, False, id != 9, False, 0.0)
    told = gossip.on_addresses(0, (known(1),), NOW, 0.0)
    assert len(told) == 2 and 0 not in {id for id, _ in told} and 9 not in {id for id, _ in told}
    assert all(isinstance(message, Addr) for _, message in told)
    assert gossip.on_addresses(2, tuple(known(n) for n in range(11)), NOW, 0.0) == [], "an answer is not passed on"


def test_getaddr_is_answered_once_and_alike_to_all() -> None:
    book = AddressBook(Random(1))
    book.add([known(n) for n in range(500)], host(7), NOW)
    gossip = Gossip(book, Random(1))
    for id in range(3):
        gossip.joined(id, host(1000 + id), id != 2, False, True, False, 0.0)
    first, second = gossip.on_getaddr(0, NOW, 0.0), gossip.on_getaddr(1, NOW, 50.0)
    assert isinstance(first, Addr) and first == second
    assert len(first.entries) <= len(book) * 0.23 + 1
    assert gossip.on_getaddr(0, NOW, 0.0) is None and gossip.on_getaddr(2, NOW, 0.0) is None


def test_an_asked_for_answer_is_let_in_whole_and_no_more() -> None:
    gossip = Gossip(AddressBook(Random(1)), Random(1))
    member = gossip.joined(0, host(9999), False, False, True, False, 0.0)
    gossip.asked(0)
    gossip.on_addresses(0, tuple(known(n) for n in range(1000)), NOW, 0.0)
    assert (member.processed, member.limited) == (1000, 0)
    gossip.on_addresses(0, tuple(known(n) for n in range(1000)), NOW, 100.0)
    assert member.processed <= 1011


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), max_size=50))
def test_a_bucket_never_gives_more_than_rate_and_burst(takes: list[tuple[float, int]]) -> None:
    bucket = TokenBucket(2.0, 10.0, 0.0)
    now, given_ = 0.0, 0
    for wait, count in takes:
        now += wait
        given_ += count if bucket.take(now, count) else 0
        assert given_ <= 10 + 2 * now + 1e-6


@given(st.lists(st.integers(0, 50), max_size=200))
def test_a_recent_set_keeps_the_newest_within_bounds(keys: list[int]) -> None:
    recent = RecentSet(5)
    for at, key in enumerate(keys):
        recent.add(bytes([key]))
        assert len(recent) <= 10
        assert all(bytes([k]) in recent for k in set(keys[max(0, at - 4) : at + 1]))


@pytest.mark.parametrize(
    ("local", "lasted", "rest"), [(True, False, 4), (False, False, 60), (True, True, 1), (False, True, 1)]
)
def test_an_address_of_the_book_rests_after_it_was_tried(local: bool, lasted: bool, rest: float) -> None:
    book = AddressBook(Random(1))
    book.add([known(1)], host(1), NOW)
    dialer = Dialer(book, Random(1), 8333, full=1, block_only=0, local=local)
    (dial,) = dialer.due(0.0, NOW, [])
    assert dial.address == host(1)
    dialer.ended(dial, 5.0, lasted)
    assert dialer.due(5.0, NOW, []) == [] and dialer.due(5.0 + rest - 0.1, NOW, []) == []
    assert [d.address for d in dialer.due(5.0 + rest, NOW, [])] == [host(1)] and not dialer.resting


def test_named_peers_are_tried_for_ever_and_ever_more_slowly() -> None:
    dialer = Dialer(AddressBook(Random(1)), Random(1), 8333, 0, 0)
    assert dialer.add("1.2.3.4") and not dialer.add("1.2.3.4")
    with pytest.raises(ValueError):
        dialer.add("1.2.3.4:99999")
    now, waits = 0.0, []
    for _ in range(12):
        (dial,) = dialer.due(now, NOW, [])
        assert dial.kind is Kind.MANUAL and dialer.due(now, NOW, []) == []
        dialer.ended(dial, now, False)
        waits.append(dialer.manual["1.2.3.4"].due - now)
        now = dialer.manual["1.2.3.4"].due
    assert waits[0] < 2 and 40 < waits[-1] < 80
