"""Frames survive any cut of the stream; a foreign stream ends at its first wrong byte; memory stays at one frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.framing import BadFrame, Frame, Framer, pack

MAGIC = b"\xfa\xbf\xb5\xda"
frames = st.lists(st.tuples(st.sampled_from(["ping", "inv", "x" * 12]), st.binary(max_size=80)), max_size=5)


@given(frames, st.data())
def test_any_cut_gives_the_same_frames(sent: list[tuple[str, bytes]], data: st.DataObject) -> None:
    stream = b"".join(pack(MAGIC, c, p) for c, p in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    framer = Framer(MAGIC, 100)
    got: list[Frame] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += framer.feed(stream[start:stop])
    assert got == [Frame(c, p) for c, p in sent]
    assert framer.pending == 0 and framer.received == len(stream)


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_header_may_be_split_anywhere(cut: int) -> None:
    stream = pack(MAGIC, "ping", b"12345678")
    framer = Framer(MAGIC, 8)
    assert [*framer.feed(stream[:cut]), *framer.feed(stream[cut:])] == [Frame("ping", b"12345678")]


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_random_bytes_raise_nothing_but_bad_frame(chunks: list[bytes]) -> None:
    framer = Framer(MAGIC, 1000)
    try:
        for chunk in chunks:
            framer.feed(chunk)
    except BadFrame:
        pass


@pytest.mark.parametrize("at", range(4))
def test_a_wrong_magic_is_seen_at_its_first_byte(at: int) -> None:
    framer = Framer(MAGIC, 100)
    assert framer.feed(MAGIC[:at]) == []
    with pytest.raises(BadFrame, match="bad-magic"):
        framer.feed(b"\0")


def test_a_length_above_the_limit_is_refused_before_the_payload() -> None:
    assert Framer(MAGIC, 100).feed(pack(MAGIC, "tx", bytes(100)))
    with pytest.raises(BadFrame, match="oversized"):
        Framer(MAGIC, 100).feed(MAGIC + b"tx".ljust(12, b"\0") + (101).to_bytes(4, "little"))


def test_a_bad_checksum_or_command_drops_the_frame_alone() -> None:
    good = pack(MAGIC, "ping", b"12345678")
    bad = bytearray(good)
    bad[-1] ^= 1
    framer = Framer(MAGIC, 100)
    assert framer.feed(bytes(bad) + good) == [Frame("ping", b"12345678")]
    garbled = good.replace(b"ping\0\0", b"pi\0ng\0")
    assert framer.feed(garbled + good) == [Frame("ping", b"12345678")]
    assert framer.dropped == 2 and framer.received == 4 * len(good)
