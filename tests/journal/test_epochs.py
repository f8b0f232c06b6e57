from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.journal.epochs import EpochValues, compact
from htr_tui.journal.fold import StudyFold


@given(values=st.dictionaries(st.integers(-3, 8), st.floats(allow_nan=False)), asked=st.integers(-5, 12))
def test_compact_is_the_same_mapping(values: dict[int, float], asked: int) -> None:
    small = compact(values)
    assert small == values
    assert list(small.items()) == list(values.items())
    assert small.get(asked) == values.get(asked)
    assert (asked in small) == (asked in values)
    assert {**small, 99: 1.0} == {**values, 99: 1.0}
    assert compact(small) is small
    assert repr(small) == repr(values)


def test_epochs_that_follow_each_other_take_a_quarter_of_the_room() -> None:
    values = {epoch: epoch / 7 for epoch in range(1, 301)}
    small = compact(values)
    assert isinstance(small, EpochValues)
    room = sys.getsizeof(small) + sys.getsizeof(small._values)
    assert room * 4 < sys.getsizeof(values) + sum(map(sys.getsizeof, values.values()))
    with pytest.raises(KeyError):
        small[0]


def test_a_retry_of_an_ended_trial_goes_on_with_its_values() -> None:
    fold = StudyFold()
    for event in (
        {"event": "trial_created"},
        {"event": "attempt_started", "attempt": 1},
        {"event": "attempt_reported", "attempt": 1, "epoch": 1, "value": 1.0},
        {"event": "attempt_reported", "attempt": 1, "epoch": 2, "value": "nan"},
        {"event": "trial_ended", "state": "failed"},
        {"event": "trial_queued"},
        {"event": "attempt_started", "attempt": 2},
        {"event": "attempt_reported", "attempt": 2, "epoch": 2, "value": 2.0},
        {"event": "attempt_reported", "attempt": 2, "epoch": 3, "value": 3.0},
    ):
        if event["event"] == "trial_queued":
            assert isinstance(fold.trials[0].reported, EpochValues)
            assert math.isnan(fold.trials[0].reported[2])
        fold.apply({"t": 1.0, "trial": 0, **event})
    assert fold.skipped == 0
    assert fold.trials[0].reported == {1: 1.0, 2: 2.0, 3: 3.0}
