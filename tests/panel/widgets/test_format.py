from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from htr_tui.journal.records import TRIAL_STATES
from htr_tui.panel import format


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (math.nan, "—"),
        (math.inf, "—"),
        (-3, "00:00"),
        (0, "00:00"),
        (252, "04:12"),
        (3599.9, "59:59"),
        (8040, "2h14"),
        (3 * 86400 + 4 * 3600, "3d 04h"),
        (1e18, ">27 y"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert format.duration(seconds) == text


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (None, "—"),
        (1000, "just now"),
        (958, "42 s ago"),
        (1000 - 600, "10 min ago"),
        (1000 - 7200, "2 h ago"),
        (1000 - 86400 * 5, "5 d ago"),
        (1060, "in 60 s"),
        (math.inf, "—"),
    ],
)
def test_ago(t: float | None, text: str) -> None:
    assert format.clock_ago(t, 1000) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (None, "—"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (11.2e9, "11.2 GB"),
        (16e9, "16.0 GB"),
        (512e6, "512 MB"),
        (1e30, "1000000000000000000 TB"),
        (math.nan, "—"),
    ],
)
def test_sizes(n: float | None, text: str) -> None:
    assert format.size_bytes(n) == text


@pytest.mark.parametrize(
    ("x", "digits", "text"),
    [
        (None, 2, "—"),
        (math.nan, 2, "nan"),
        (math.inf, 2, "inf"),
        (-math.inf, 2, "-inf"),
        (20.2649, 2, "20.26"),
        (0, 3, "0.000"),
        (0.00001, 2, "1.00e-05"),
        (123456789.0, 2, "1.23e+08"),
        (10**400, 2, "huge"),
    ],
)
def test_numbers(x: float | None, digits: int, text: str) -> None:
    assert format.number(x, digits) == text


@given(st.floats() | st.none(), st.integers(-2, 40), st.booleans())
def test_a_bar_has_its_width_and_is_full_only_when_done(fraction: float | None, width: int, ascii: bool) -> None:
    text = format.bar(fraction, width, ascii)
    assert len(text) == max(0, width)
    assert text.isascii() or not ascii
    full = "#" if ascii else "█"
    if width > 0 and fraction is not None and math.isfinite(fraction):
        assert (text == full * width) == (fraction >= 1)
        assert width == 1 or (text.count(full) > 0) == (fraction > 0)


def test_every_state_has_a_mark_and_a_word() -> None:
    for ascii in (False, True):
        marks = {format.state_mark(state, ascii) for state in TRIAL_STATES}
        assert len(marks) == 6
        assert all(cell_len(mark) == 1 for mark in marks)
        assert all(format.state_symbol(state, ascii).endswith(f" {state}") for state in TRIAL_STATES)
    assert format.state_symbol("odd") == "? odd"


def test_the_time_left() -> None:
    assert format.eta(5, 10, 100) == "01:40"
    assert format.eta(0, 10, 100) == "—"
    assert format.eta(10, 10, 100) == "00:00"
    assert format.eta(12, 10, 100) == "00:00"
    assert format.eta(None, 10, 100) == "—"
    assert format.eta(1e-320, 1e308, 1e300) == "—"


@pytest.mark.parametrize(
    ("environ", "is_ascii"),
    [
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "de_DE.utf8"}, False),
        ({"LANG": "en_US.ISO-8859-1"}, True),
        ({"LC_ALL": "C"}, True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, True),
        ({"LC_CTYPE": "UTF-8"}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({}, False),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, True),
        ({"LANG": "en_US.UTF-8", "HTR_TUI_ASCII": "1"}, True),
        ({"LC_ALL": "C", "HTR_TUI_ASCII": "0"}, False),
    ],
)
def test_which_terminals_show_ascii_only(environ: dict[str, str], is_ascii: bool) -> None:
    assert format.is_ascii_terminal(environ) is is_ascii


@given(st.text())
def test_ascii_text_is_ascii_and_as_long(text: str) -> None:
    assert format.to_ascii(text).isascii()
    assert len(format.to_ascii(text)) == len(text)


def test_ascii_text_keeps_its_sense() -> None:
    assert format.to_ascii("▸ ██░░ — ✓ …") == "> ##.. - + ~"
