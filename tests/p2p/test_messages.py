"""Every message survives its encoding; random bytes raise nothing but DecodeError; limits are the protocol's."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p import messages as m
from p2p.framing import Frame
from p2p.netaddress import TORV3, NetAddress, address, split_host_port
from primitives.errors import DecodeError
from tests.p2p.strategies import BY_CLASS, FORMAT, messages


def roundtrip(message: m.Message) -> m.Message:
    return m.decode(Frame(m.command_of(message), m.encode(message)), FORMAT)


def test_the_strategies_cover_the_table() -> None:
    assert {m.command_of_class(c) for c in BY_CLASS} == set(m.TABLE)


@given(messages)
def test_decode_undoes_encode(message: m.Message) -> None:
    assert roundtrip(message) == message


@given(st.sampled_from(sorted(m.TABLE)), st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_decode_errors(command: str, payload: bytes) -> None:
    try:
        message = m.decode(Frame(command, payload), FORMAT)
    except DecodeError:
        return
    if command not in ("version", "headers", "block"):
        assert m.decode(Frame(command, m.encode(message)), FORMAT) == message


@given(messages, st.data())
def test_mutated_messages_raise_nothing_but_decode_errors(message: m.Message, data: st.DataObject) -> None:
    payload = bytearray(m.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        if payload:
            payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    del payload[data.draw(st.integers(0, len(payload))) :]
    with contextlib.suppress(DecodeError):
        m.decode(Frame(m.command_of(message), bytes(payload)), FORMAT)


def test_an_unknown_command_is_not_an_error() -> None:
    assert m.decode(Frame("sendtxrcncl", b"abc"), FORMAT) == m.Unknown("sendtxrcncl", b"abc")


@pytest.mark.parametrize(
    ("command", "count", "item"),
    [("inv", 50_000, 36), ("getdata", 50_000, 36), ("headers", 2_000, 81), ("addr", 1_000, 30), ("addrv2", 1_000, 12)],
)
def test_lists_end_at_the_protocols_limit(command: str, count: int, item: int) -> None:
    entry = bytes(4) + b"\x00\x01\x04" + bytes(6) if command == "addrv2" else bytes(item)
    size = count.to_bytes(2, "little"), (count + 1).to_bytes(2, "little")
    m.decode(Frame(command, b"\xfd" + size[0] + entry * count), FORMAT)
    with pytest.raises(m.TooMany):
        m.decode(Frame(command, b"\xfd" + size[1] + entry * (count + 1)), FORMAT)


def test_a_locator_has_at_most_101_hashes() -> None:
    m.decode(Frame("getheaders", bytes(4) + bytes([101]) + bytes(32 * 102)), FORMAT)
    with pytest.raises(m.TooMany):
        m.decode(Frame("getheaders", bytes(4) + bytes([102]) + bytes(32 * 103)), FORMAT)


@pytest.mark.parametrize(
    "command", ["inv", "headers", "addr", "addrv2", "getheaders", "blocktxn", "getblocktxn", "merkleblock"]
)
def test_a_count_that_lies_allocates_nothing(command: str) -> None:
    lead = {"getheaders": 4, "blocktxn": 32, "getblocktxn": 32, "merkleblock": 84}.get(command, 0)
    with pytest.raises(DecodeError):
        m.decode(Frame(command, bytes(lead) + b"\xfe\xff\xff\xff\xff" + bytes(10)), FORMAT)


def test_trailing_bytes_are_refused_but_in_version() -> None:
    with pytest.raises(DecodeError):
        m.decode(Frame("ping", bytes(9)), FORMAT)
    version = m.Version(70016, 1, 2)
    assert m.decode(Frame("version", m.encode(version) + b"future"), FORMAT) == version


def test_an_old_version_message_ends_early() -> None:
    old = m.encode(m.Version(60000, 1, 2, relay=True))
    assert m.decode(Frame("version", old[:-1]), FORMAT) == m.Version(60000, 1, 2, relay=True)
    assert m.decode(Frame("version", old[:46]), FORMAT).version == 60000  # type: ignore[attr-defined]


def test_addresses_know_their_text_and_group() -> None:
    assert address("1.2.3.4", 5).text == "1.2.3.4:5"
    assert address("::ffff:1.2.3.4", 5) == address("1.2.3.4", 5)
    assert address("2001:db8::1", 5).text == "[2001:db8::1]:5"
    assert address("8.8.1.1", 1).group == address("8.8.9.9", 2).group != address("8.9.1.1", 1).group
    assert address("127.0.0.1", 1).group != address("127.0.0.1", 2).group
    onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"
    assert address(onion, 8333).kind == TORV3 and address(onion, 8333).hostname == onion
    assert split_host_port("[::1]:7", 1) == ("::1", 7) and split_host_port("::1", 1) == ("::1", 1)
    assert split_host_port("host", 1) == ("host", 1) and split_host_port("1.2.3.4:9", 1) == ("1.2.3.4", 9)
    with pytest.raises(ValueError):
        split_host_port("host:70000", 1)


def test_a_known_kind_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(DecodeError):
        m.decode(Frame("addrv2", b"\x01" + bytes(4) + b"\x00\x04\x04" + bytes(6)), FORMAT)
    assert roundtrip(m.AddrV2((m.Known(1, 2, NetAddress(99, b"x" * 20, 3)),)))
