"""The time of day in which a study works."""

from __future__ import annotations

import time

import pytest

from htr_tui.study.budget_spec import BudgetSpec


@pytest.mark.parametrize(
    ("text", "clock", "is_open"),
    [
        ("20:00-07:00", "21:30", True),
        ("20:00-07:00", "06:59", True),
        ("20:00-07:00", "07:00", False),
        ("20:00-07:00", "12:00", False),
        ("20:00-07:00", "20:00", True),
        ("9:00 - 17:30", "09:00", True),
        ("9:00 - 17:30", "17:30", False),
        ("12:00-24:00", "23:59", True),
        ("12:00-24:00", "00:00", False),
    ],
)
def test_is_open(text: str, clock: str, is_open: bool) -> None:
    window = BudgetSpec.model_validate({"only": text}).only
    assert window is not None
    now = time.mktime(time.strptime(f"2026-06-15 {clock}", "%Y-%m-%d %H:%M"))
    assert window.is_open(now) is is_open
