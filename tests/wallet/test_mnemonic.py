"""Mnemonics: what is refused, and that no error tells a word."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import DecodeError
from wallet import mnemonic

PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"


@given(st.sampled_from([16, 20, 24, 28, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)))
def test_entropy_survives_its_phrase(entropy: bytes) -> None:
    assert mnemonic.to_entropy(mnemonic.from_entropy(entropy)) == entropy


@pytest.mark.parametrize("size", [0, 4, 15, 17, 33, 36])
def test_other_lengths_of_entropy_are_refused(size: int) -> None:
    with pytest.raises(DecodeError):
        mnemonic.from_entropy(bytes(size))


@pytest.mark.parametrize("count", [12, 15, 18, 21, 24])
def test_generated_phrases_have_the_words_asked_for(count: int) -> None:
    phrase = mnemonic.generate(random.Random(1), count)
    assert len(phrase.split()) == count
    mnemonic.to_entropy(phrase)


def test_a_wrong_word_is_named_by_its_place_only() -> None:
    words = PHRASE.split()
    words[3] = "secretword"
    with pytest.raises(DecodeError) as caught:
        mnemonic.to_entropy(" ".join(words))
    assert "word 4" in str(caught.value) and "secretword" not in str(caught.value)


def test_swapped_words_fail_the_checksum() -> None:
    words = PHRASE.split()
    words[0], words[3] = words[3], words[0]
    with pytest.raises(DecodeError, match="checksum"):
        mnemonic.to_entropy(" ".join(words))


def test_case_and_spaces_do_not_matter() -> None:
    assert mnemonic.seed("  " + PHRASE.upper().replace(" ", "\n ")) == mnemonic.seed(PHRASE)


def test_a_passphrase_without_utf8_is_refused_without_showing_it() -> None:
    with pytest.raises(DecodeError) as caught:
        mnemonic.seed(PHRASE, "hunter2\ud800")
    assert "hunter2" not in repr(caught.value) and caught.value.__cause__ is None
