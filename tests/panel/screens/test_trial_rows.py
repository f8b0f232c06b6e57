from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from htr_tui.journal.records import TRIAL_STATES, StudyFacts, TrialRecord
from htr_tui.panel.screens.trial_columns import TrialColumn, elapsed, fit_columns, trial_columns, value_digits
from htr_tui.panel.screens.trial_filter import parse_filter
from htr_tui.panel.screens.trial_rows import TrialRows
from htr_tui.panel.views import StudyView
from tests.panel.studies import study_view

COLUMNS = trial_columns(study_view(parameters=("a.x", "b.x", "name")))

values = st.one_of(st.none(), st.floats(), st.sampled_from([1.0, 2.0, math.nan, math.inf]))
params = st.fixed_dictionaries(
    {"a.x": st.one_of(st.none(), st.floats(), st.text(max_size=4), st.booleans(), st.integers())}
)
trials = st.builds(
    TrialRecord,
    number=st.integers(0, 30),
    state=st.sampled_from(TRIAL_STATES),
    params=params,
    value=values,
    category=st.sampled_from([None, "gpu_oom", "crash"]),
    epoch=st.one_of(st.none(), st.integers(0, 9)),
)


def numbers(rows: TrialRows) -> list[int]:
    return [rows.key(i) for i in range(len(rows))]


@given(
    st.lists(trials, max_size=30),
    st.lists(trials, max_size=30),
    st.sampled_from([column.key for column in COLUMNS]),
    st.booleans(),
    st.sampled_from(["", "failed", "value>1.5", "!complete"]),
)
def test_rows_changed_one_by_one_stand_as_rows_sorted_anew(
    before: list[TrialRecord], after: list[TrialRecord], sort: str, is_descending: bool, text: str
) -> None:
    predicate = parse_filter(text) if text else None
    rows = TrialRows()
    rows.arrange(COLUMNS, sort, is_descending, predicate)
    rows.update(before)
    for one in after:
        rows.update([one])
    anew = TrialRows()
    anew.arrange(COLUMNS, sort, is_descending, predicate)
    anew.replace_all(rows.trials.values())
    assert numbers(rows) == numbers(anew)
    assert [rows.index_of(number) for number in numbers(rows)] == list(range(len(rows)))
    for row in range(len(rows)):
        assert len(rows.cells(row)) == len(COLUMNS)


def test_missing_values_are_last_in_both_directions() -> None:
    rows = TrialRows()
    made = [TrialRecord(n, "complete", {}, value=v) for n, v in enumerate([1.0, None, 3.0, math.nan, 2.0])]
    rows.replace_all(made)
    rows.arrange(COLUMNS, "value", True, None)
    assert numbers(rows) == [2, 4, 0, 3, 1]
    rows.arrange(COLUMNS, "value", False, None)
    assert numbers(rows) == [0, 4, 2, 3, 1]


def test_search_goes_round_and_ends() -> None:
    rows = TrialRows()
    rows.arrange(COLUMNS, "trial", True, None)
    rows.replace_all([TrialRecord(n, "failed" if n in (1, 3) else "complete", {}) for n in range(5)])

    def is_failed(trial: TrialRecord) -> bool:
        return trial.state == "failed"

    assert rows.find(is_failed, 0, 1) == 1
    assert rows.find(is_failed, 2, 1) == 3
    assert rows.find(is_failed, 4, 1) == 1
    assert rows.find(is_failed, 0, -1) == 3
    assert rows.find(lambda trial: False, 0, 1) is None


def test_a_row_is_made_only_when_it_is_asked_for() -> None:
    rows = TrialRows()
    rows.arrange(COLUMNS, "trial", True, None)
    rows.replace_all([TrialRecord(n, "complete", {}) for n in range(50_000)])
    rows.update([TrialRecord(7, "failed", {})])
    assert rows.cells_made == 0
    assert rows.index_of(7) == 49_992
    assert "failed" in str(rows.cells(49_992)[1])


def titles(columns: list[TrialColumn]) -> list[str]:
    return [column.title for column in columns]


def test_parameters_have_short_names_that_differ() -> None:
    assert titles(COLUMNS)[3:6] == ["a.x", "b.x", "name"]


def test_columns_that_do_not_fit_keep_the_finding_in_sight() -> None:
    assert titles(fit_columns(COLUMNS, 200, 1)) == titles(COLUMNS)
    assert "GB" not in titles(fit_columns(COLUMNS, 76, 1))
    many = trial_columns(study_view(parameters=tuple(f"p{n}" for n in range(12))))
    assert titles(fit_columns(many, 79, 1))[:4] == ["#", "state", "value", "finding"]


def test_decimals_follow_the_size_of_the_value() -> None:
    assert [value_digits(v) for v in (31.4, 0.262, -7.1, 1234.5, None, math.nan, 0.0)] == [2, 4, 3, 1, 2, 2, 2]


def test_times_that_grow_do_not_tick_every_second() -> None:
    assert {elapsed(s) for s in range(120, 180)} == {"2 min"}
    assert {elapsed(s) for s in range(20, 30)} == {"20 s"}
    assert elapsed(2 * 3600 + 14 * 60 + 5) == "2h14"


def test_the_best_trial_and_repaired_ones_are_marked() -> None:
    view: Any = replace(study_view(), facts=StudyFacts(study="s"), best=TrialRecord(1, "complete", {}, value=2.0))
    assert isinstance(view, StudyView)
    rows = TrialRows()
    rows.arrange(trial_columns(view), "trial", True, None)
    rows.context = replace(rows.context, best=1)
    rows.replace_all([TrialRecord(1, "complete", {}, value=2.0), TrialRecord(2, "failed", {}, category="gpu_oom")])
    assert "gpu_oom" in str(rows.cells(0)[-1])
    assert "best" in str(rows.cells(1)[-1])
