from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_gan.alphabet import LOWERCASE, Alphabet


@given(st.lists(st.text(LOWERCASE.letters, max_size=10), max_size=5))
def test_text_to_labels_and_back(texts: list[str]) -> None:
    rows = LOWERCASE.encode_padded(texts, 10)
    assert [LOWERCASE.decode(row) for row in rows] == texts


def test_labels_leave_room_for_blank_and_begin() -> None:
    alphabet = Alphabet("ab")
    assert alphabet.encode("ba") == [2, 1]
    assert (alphabet.classes, alphabet.begin) == (3, 3)
    assert alphabet.decode([alphabet.begin, 0, 2, 0]) == "b"


def test_double_letters_survive() -> None:
    assert LOWERCASE.decode(LOWERCASE.encode("letter")) == "letter"


def test_unknown_letters_and_long_texts_are_refused() -> None:
    assert LOWERCASE.unknown_letters("Aa.b.") == ".A"
    with pytest.raises(KeyError):
        LOWERCASE.encode("A")
    with pytest.raises(ValueError, match="does not fit"):
        LOWERCASE.encode_padded(["abc"], 2)


@pytest.mark.parametrize("letters", ["", "aa"])
def test_an_alphabet_needs_different_letters(letters: str) -> None:
    with pytest.raises(ValueError, match="letters"):
        Alphabet(letters)
