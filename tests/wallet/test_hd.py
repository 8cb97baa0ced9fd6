"""Extended keys: both ways to a public child agree, an index without a key is told, nothing secret is shown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives import secp256k1
from primitives.errors import DecodeError
from wallet import hd

MASTER = hd.ExtendedPrivate.from_seed(bytes(range(32)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, hd.HARDENED - 1), max_size=3))
def test_the_public_child_is_the_childs_public_key(path: list[int]) -> None:
    assert MASTER.derive(tuple(path)).public == MASTER.public.derive(tuple(path))


def test_a_hardened_child_of_a_public_key_is_refused() -> None:
    with pytest.raises(DecodeError):
        MASTER.public.child(hd.HARDENED)


@pytest.mark.parametrize("left", [secp256k1.N.to_bytes(32, "big"), b"\xff" * 32, bytes(32)])
def test_an_index_without_a_key_is_invalid(left: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    if left == bytes(32):  # a sum of zero: the tweak is the negated secret
        left = (secp256k1.N - int.from_bytes(MASTER.key, "big")).to_bytes(32, "big")
    monkeypatch.setattr(hd, "_expand", lambda code, data: (left, bytes(32)))
    for node in (MASTER, MASTER.public):
        with pytest.raises(hd.InvalidChild):
            node.child(7)
    with pytest.raises(hd.InvalidChild):
        MASTER.child(7 | hd.HARDENED)


def test_no_secret_is_shown() -> None:
    for text in (repr(MASTER), str(MASTER), f"{MASTER}"):
        assert MASTER.key.hex() not in text and str(MASTER.key) not in text and MASTER.encode() not in text
    with pytest.raises(DecodeError) as caught:
        hd.decode(MASTER.encode()[:-1] + "1")
    assert MASTER.encode()[:20] not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("m", ()),
        ("m/84'/0h/5", (84 | hd.HARDENED, hd.HARDENED, 5)),
        ("0/1", (0, 1)),
        ("m/2147483647", (2147483647,)),
    ],
)
def test_paths_are_read(text: str, path: tuple[int, ...]) -> None:
    assert hd.parse_path(text) == path


@pytest.mark.parametrize(
    "text", ["m/", "m//1", "m/x", "m/-1", "m/2147483648", "m/1''", "m/٣", "m/99999999999999999999"]
)
def test_bad_paths_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        hd.parse_path(text)


def test_account_paths() -> None:
    assert hd.format_path(hd.account_path(84, 1, 2)) == "/84'/1'/2'"
    assert hd.parse_path("m/44'/60'/0'/0/0")[:3] == hd.account_path(44, 60)
