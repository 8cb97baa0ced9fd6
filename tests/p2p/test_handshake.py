"""The handshake: order, refusals, and that nothing leaks before it is done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from p2p import messages as m
from p2p.handshake import Handshake, HandshakeError, Local, State

HERE = Local(version=70016, services=9, user_agent="/Chainyard:0.1/", nonce=1, height=5, time=1000)
THERE = Local(version=70016, services=9, user_agent="/Satoshi:25/", nonce=2, height=7, time=1003)


def run(a: Handshake, b: Handshake) -> list[str]:
    """Pass messages both ways until none is left; the commands in the order in which they travelled."""
    queue = [(b, x) for x in a.start()] + [(a, x) for x in b.start()]
    seen = []
    while queue:
        side, message = queue.pop(0)
        seen.append(m.command_of(message))
        other = b if side is a else a
        queue += [(other, x) for x in side.on(message)]
    return seen


def test_two_sides_agree() -> None:
    a, b = Handshake(HERE, False, {1}), Handshake(THERE, True, {2})
    order = run(a, b)
    assert a.state is b.state is State.DONE and a.agreed and b.agreed
    assert a.agreed.user_agent == THERE.user_agent and a.agreed.height == 7 and a.agreed.time_offset == 3
    assert a.agreed.wtxid_relay and a.agreed.addr_v2 and b.agreed.wtxid_relay
    assert order[0] == "version" and order.count("verack") == 2
    assert order.index("wtxidrelay") < order.index("verack")


def test_an_old_peer_is_not_told_of_new_features() -> None:
    a, b = Handshake(HERE, False, {1}), Handshake(replace(THERE, version=70001), True, {2})
    assert "wtxidrelay" not in run(a, b)
    assert a.agreed and a.agreed.version == 70001 and not a.agreed.wtxid_relay and not a.agreed.addr_v2


@pytest.mark.parametrize("early", [m.Ping(1), m.GetAddr(), m.Verack(), m.GetHeaders(1, ()), m.Inv(()), m.WtxidRelay()])
def test_nothing_leaks_before_version(early: m.Message) -> None:
    h = Handshake(HERE, True, {1})
    assert h.on(early) == [] and h.state is State.VERSION
    h.on(m.Version(70016, 9, 0, nonce=5))
    if not isinstance(early, m.Verack | m.WtxidRelay):
        assert h.on(early) == [] and h.agreed is None


def test_a_second_version_is_ignored() -> None:
    h = Handshake(HERE, True, {1})
    assert h.on(m.Version(70016, 9, 0, nonce=5, height=3))
    assert h.on(m.Version(70016, 9, 0, nonce=5, height=4)) == []
    h.on(m.Verack())
    assert h.agreed and h.agreed.height == 3


def test_own_nonce_ends_it() -> None:
    with pytest.raises(HandshakeError, match="self-connection"):
        Handshake(HERE, True, {77}).on(m.Version(70016, 9, 0, nonce=77))


@pytest.mark.parametrize("version", [0, -1, 31799])
def test_an_obsolete_version_ends_it(version: int) -> None:
    with pytest.raises(HandshakeError, match="obsolete-version"):
        Handshake(HERE, True, {1}).on(m.Version(version, 9, 0))


def test_wanted_services_must_be_there() -> None:
    with pytest.raises(HandshakeError, match="missing-services"):
        Handshake(replace(HERE, wanted_services=9), False, {1}).on(m.Version(70016, 1, 0))


@pytest.mark.parametrize("late", [m.WtxidRelay(), m.SendAddrV2()])
def test_features_after_verack_end_it(late: m.Message) -> None:
    h = Handshake(HERE, True, {1})
    h.on(m.Version(70016, 9, 0))
    h.on(m.Verack())
    with pytest.raises(HandshakeError, match="late-feature"):
        h.on(late)
