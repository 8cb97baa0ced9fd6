import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import address, base58, bech32
from primitives.errors import DecodeError
from tests.vectors.bitcoin_primitives import MAIN, REGTEST, TEST

PROGRAMS = st.one_of(
    st.tuples(st.just(0), st.sampled_from([20, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))),
    st.tuples(st.integers(1, 16), st.binary(min_size=2, max_size=40)),
)
HASHES = st.binary(min_size=20, max_size=20)
# EIP-55, test cases
CHECKSUMMED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@given(st.binary(max_size=60))
def test_base58_reads_what_it_wrote(data: bytes) -> None:
    assert base58.decode(base58.encode(data)) == data
    assert base58.check_decode(base58.check_encode(data)) == data


@pytest.mark.parametrize("text", ["0", "O", "I", "l", " 2g", "2g ", "é", "1" * 1025, "1\n"])
def test_base58_refuses(text: str) -> None:
    with pytest.raises(DecodeError):
        base58.decode(text)


@pytest.mark.parametrize("style", [MAIN, TEST, REGTEST])
@given(program=PROGRAMS, digest=HASHES)
def test_each_script_with_an_address_comes_back(
    style: address.AddressStyle, program: tuple[int, bytes], digest: bytes
) -> None:
    for script in (address.witness_script(*program), address.p2pkh_script(digest), address.p2sh_script(digest)):
        text = address.encode(script, style)
        assert text is not None
        assert address.decode(text, style) == script


@pytest.mark.parametrize(
    "script", ["", "51", "6a", "0014", "0013" + "00" * 19, "5101ff", "5129" + "00" * 41, "6114" + "00" * 20]
)
def test_other_scripts_have_none(script: str) -> None:
    assert address.encode(bytes.fromhex(script), MAIN) is None


def test_the_anchor_has_an_address() -> None:
    assert address.encode(bytes.fromhex("51024e73"), MAIN) == "bc1pfeessrawgf"


@given(PROGRAMS, st.data())
def test_a_changed_character_is_a_bad_checksum(program: tuple[int, bytes], data: st.DataObject) -> None:
    text = bech32.program_encode("bc", *program)
    at = data.draw(st.integers(3, len(text) - 1))
    other = data.draw(st.sampled_from(bech32.CHARSET.replace(text[at], "")))
    with pytest.raises(DecodeError, match="bad checksum"):
        address.decode(text[:at] + other + text[at + 1 :], MAIN)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "another network"),
        ("tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "another network: it begins with tb1"),
        ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", "bad checksum"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "bad checksum"),
        ("bc1", "too short"),
        ("", "too short"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "not one of its characters"),
        (base58.check_encode(b"\x00" + bytes(19)), "19 bytes"),
    ],
)
def test_the_message_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        address.decode(text, MAIN)


@given(
    st.text(max_size=100)
    | st.text(alphabet=base58.ALPHABET, max_size=60)
    | st.text(alphabet=bech32.CHARSET).map("bc1".__add__)
)
def test_any_text_is_an_address_or_a_decode_error(text: str) -> None:
    for read in (lambda t: address.decode(t, MAIN), lambda t: address.wif_decode(t, MAIN), address.account_decode):
        try:
            read(text)
        except DecodeError:
            continue


@pytest.mark.parametrize("compressed", [True, False])
def test_exported_keys(compressed: bool) -> None:
    text = address.wif_encode(bytes([7]) * 32, compressed, TEST)
    assert address.wif_decode(text, TEST) == (bytes([7]) * 32, compressed)
    for style, data, why in (
        (MAIN, b"", "another network"),
        (TEST, b"\xef" + bytes(32), "out of range"),
        (TEST, b"\xef" + bytes(31), "wrong size"),
        (TEST, b"\xef" + bytes([7]) * 32 + b"\x02", "wrong size"),
    ):
        with pytest.raises(DecodeError, match=why):
            address.wif_decode(base58.check_encode(data) if data else text, style)


@pytest.mark.parametrize("text", CHECKSUMMED)
def test_account_addresses(text: str) -> None:
    data = bytes.fromhex(text[2:])
    assert address.account_encode(data) == text
    for form in (text, text.lower(), "0x" + text[2:].upper()):
        assert address.account_decode(form) == data


@pytest.mark.parametrize(
    "text",
    ["0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x", "0x" + "g" * 40],
)
def test_account_addresses_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        address.account_decode(text)
