from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.text import clean_line, clean_segments, clean_text

HIDDEN = set(
    "\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)


def is_harmless(text: str) -> bool:
    return not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in HIDDEN for c in text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        (b"", ""),
        (b"with newline\r\n", "with newline"),
        ("Grüße ━━ ✓".encode(), "Grüße ━━ ✓"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b[38;2;1;2;3mtrue\x1b[K colour", "true colour"),
        (b"\x1b]0;owned\x07after", "after"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1b]52;c;aGk=\x07clip", "clip"),
        (b"\x1bPq#0;2;0;0;0\x1b\\sixel", "sixel"),
        (b"\x1b]0;never ended", "0;never ended"),
        (b"\x9b31mred", "red"),
        (b"\xc2\x9b31mred", "red"),
        (b"\x9d0;title\x9cafter", "after"),
        (b"\x1b(Bcharset\x1b=", "charset"),
        (b"lone escape at the end\x1b", "lone escape at the end"),
        (b"10%\r20%\rdone", "done"),
        (b"bar 100%\r       \r", "bar 100%"),
        (b"abc\b\bXY", "aXY"),
        (b"\b\b\bstart", "start"),
        (b"a\tb", "a       b"),
        (b"bell\x07 nul\x00 del\x7f", "bell nul del"),
        (b"latin \xe9 byte", "latin \ufffd byte"),
        ("a\u202eb\u200bc\u2066d\ufeffe".encode(), "abcde"),
        (b"[bold]markup is data[/bold]", "[bold]markup is data[/bold]"),
    ],
)
def test_a_line_is_shown_as_plain_text(raw: bytes, shown: str) -> None:
    assert clean_line(raw) == shown


def test_a_long_line_is_cut_before_it_is_cleaned_and_says_so() -> None:
    assert clean_line(b"x" * 100, limit=10) == "x" * 10 + " ... 90 bytes more"
    assert clean_line("ä".encode() * 10, limit=5) == "ää ... 16 bytes more"


def test_segments_keep_what_a_carriage_return_hides() -> None:
    assert clean_segments(b"\r 10%|#|\rRuntimeError: CUDA out of memory\r  \r 20%|##|") == [
        " 10%|#|",
        "RuntimeError: CUDA out of memory",
        " 20%|##|",
    ]
    assert clean_segments(b"\r\r") == [""]


@given(st.binary(max_size=300), st.integers(1, 400))
def test_no_bytes_make_a_line_that_a_terminal_obeys(raw: bytes, limit: int) -> None:
    assert is_harmless(clean_line(raw, limit))


@given(
    st.lists(
        st.sampled_from(
            [b"\x1b", b"[", b"]", b"P", b"\x9b", b"\x9d", b"\x9c", b"\x07", b"31m", b"\b", b"\r", b"\xc2", b"a"]
        )
    )
)
def test_no_sequence_of_pieces_makes_one_either(parts: list[bytes]) -> None:
    assert is_harmless(clean_line(b"".join(parts)))


@given(st.text(alphabet=st.characters(), max_size=200), st.integers(3, 300))
def test_names_are_one_bounded_harmless_line(text: str, limit: int) -> None:
    shown = clean_text(text, limit)
    assert is_harmless(shown)
    assert len(shown) <= limit


def test_names_with_surrogates_breaks_and_escapes() -> None:
    assert clean_text("a\nb\u2028c\ud800\x1b[31md") == "a b c\ufffdd"
    assert clean_text("y" * 50, limit=10) == "yyyyyyy..."
