from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.panel.screens.trial_filter import FilterMistake, parse_filter

PARAMETERS = ("loss.pixel", "loss.adv", "train.optimizer")


def trial(number: int, state: Any = "complete", value: float | None = None, **others: Any) -> TrialRecord:
    params = {"loss.pixel": 10.0 * number, "loss.adv": 1.0, "train.optimizer": "adam"}
    return TrialRecord(number, state, others.pop("params", params), value=value, **others)


TRIALS = [
    trial(0, value=31.4),
    trial(1, value=12.0, epoch=4),
    trial(2, "failed", category="gpu_oom", attempts=(AttemptRecord(1, "failed", title="GPU out of memory"),)),
    trial(3, "pruned", epoch=2),
    trial(4, "running"),
    trial(5, value=math.nan, label="[/foo]"),
]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("failed", [2]),
        ("fail", [2]),
        ("value>20", [0]),
        ("value>=12 value<20", [1]),
        ("pixel<=10", [0, 1]),
        ("loss.pixel=40", [4]),
        ("loss.pixel!=40", [0, 1, 2, 3, 5]),
        ("finding:oom", [2]),
        ("state:prun", [3]),
        ("!complete", [2, 3, 4]),
        ("epoch<=2", [3]),
        ("optimizer=ADAM", [0, 1, 2, 3, 4, 5]),
        ("#3", [3]),
        ("nothing like it", []),
        ("memory", [2]),
        ("attempts>0", [2]),
        ("[/foo]", [5]),
    ],
)
def test_filters(text: str, numbers: list[int]) -> None:
    matches = parse_filter(text, PARAMETERS)
    assert [t.number for t in TRIALS if matches(t)] == numbers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("value>many", "many is no number"),
        ("pixle<3", "did you mean pixel?"),
        ("value>", "what with?"),
        ("nothing.at.all=3", "nothing is called"),
    ],
)
def test_mistakes_are_explained(text: str, words: str) -> None:
    with pytest.raises(FilterMistake) as caught:
        parse_filter(text, PARAMETERS)
    assert words in str(caught.value)


@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    try:
        matches = parse_filter(text, PARAMETERS)
    except FilterMistake:
        return
    for one in TRIALS:
        assert matches(one) in (True, False)
