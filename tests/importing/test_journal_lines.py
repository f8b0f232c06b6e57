"""Whatever was found elsewhere folds into a study of ours without a line left out."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from htr_tui.diagnosis.study import diagnose
from htr_tui.files import MAX_LINE, dump_line, parse_line
from htr_tui.importing.foreign import EpochValues, ForeignStudy, ForeignTrial
from htr_tui.importing.journal_lines import event_lines, patience_s, study_records
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import TRIAL_STATES, ForeignSource
from htr_tui.metrics.events import MetricsEvent, parse_event
from htr_tui.text import clean_text

NOW = 1_800_000_000.0
SOURCE = ForeignSource("sqlite:////x.db", "optuna (SQLite)", "theirs")
times = st.none() | st.floats(1_600_000_000, NOW)
numbers = st.floats(allow_nan=True, allow_infinity=True)
scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | numbers | st.text(max_size=20)


def trials(number: int) -> st.SearchStrategy[ForeignTrial]:
    return st.builds(
        ForeignTrial, number=st.just(number), state=st.sampled_from(TRIAL_STATES),
        params=st.dictionaries(st.text(max_size=10), scalars, max_size=4), label=st.none() | st.text(max_size=10),
        started=times, ended=times, last_seen=times, values=st.lists(numbers, max_size=3).map(tuple),
        reported=st.dictionaries(st.integers(-5, 10**6), numbers, max_size=4),
        metrics=st.lists(
            st.builds(EpochValues, st.integers(0, 100), st.floats(0, NOW), st.dictionaries(st.text(max_size=5), numbers)),
            max_size=3,
        ),
        constraints=st.lists(st.floats(-5, 5), max_size=2).map(tuple), category=st.none() | st.just("gpu_oom"),
        title=st.none() | st.text(max_size=10), remarks=st.lists(st.text(max_size=10), max_size=2),
    )  # fmt: skip


studies = (
    st.integers(0, 6)
    .flatmap(lambda n: st.tuples(*(trials(i) for i in range(n))))
    .map(lambda found: ForeignStudy("theirs", ("maximize",), ("x",), list(found)))
)


def fold_of(study: ForeignStudy) -> StudyFold:
    fold = StudyFold()
    for record in study_records(study, "here", SOURCE, NOW):
        line = parse_line(dump_line(record))
        assert line is not None
        fold.apply(line)
    return fold


@settings(max_examples=60, deadline=None)
@given(studies)
def test_every_trial_arrives_once_in_an_allowed_state(study: ForeignStudy) -> None:
    fold = fold_of(study)
    assert fold.skipped == 0
    assert sorted(fold.trials) == list(range(len(study.trials)))
    assert fold.facts.imported == SOURCE
    assert fold.ended_reason in ("finished", "stopped")
    assert sum(fold.counts.values()) == len(study.trials)
    for trial in study.trials:
        found = fold.trials[trial.number]
        if trial.state == "running":
            seen = trial.last_seen
            is_lost = seen is None or NOW - seen > patience_s(study)
            assert (found.state, found.category) == (("failed", "lost") if is_lost else ("running", None))
        else:
            assert found.state == trial.state
        assert found.params.keys() == trial.params.keys()
        if trial.state != "queued":
            assert found.reported.keys() == trial.reported.keys()
            assert len(found.attempts) == 1
            assert (found.seconds(NOW) or 0.0) >= 0.0


@settings(max_examples=60, deadline=None)
@given(studies, st.booleans())
def test_the_diagnosis_takes_whatever_there_is(study: ForeignStudy, is_supervised: bool) -> None:
    for copy in range(6):  # checks need a few trials of a kind
        for trial in list(study.trials[: 1 + copy]):
            more = replace(trial, number=len(study.trials), params={**trial.params, "seed": copy, "x": 1.0})
            study.trials.append(more)
    study.space = {"x": {"float": [1.0, 2.0], "log": True}, "y": {"int": [1, 1]}, "": {}}
    for found in diagnose(fold_of(study), NOW, is_supervised=is_supervised):
        text = found.title + found.text + found.remedy
        assert clean_text(text, len(text)) == text


def trial(number: int = 0, state: Any = "complete", **more: Any) -> ForeignTrial:
    return ForeignTrial(number, state, {}, **more)


def test_times_are_in_order_and_of_the_trials() -> None:
    study = ForeignStudy("s", ("maximize",), ("x",), [
        trial(1, started=2000.0, ended=3000.0, reported={1: 1.0, 2: 2.0}), trial(0, started=1000.0, ended=4000.0),
    ])  # fmt: skip
    records = study_records(study, "s", SOURCE, NOW)
    assert [r["t"] for r in records] == sorted(r["t"] for r in records)
    assert (records[0]["event"], records[-1]["event"]) == ("study_created", "supervisor_ended")
    assert [r["t"] for r in records if r["event"] == "attempt_reported"] == [2500.0, 3000.0]
    fold = fold_of(study)
    assert (fold.trials[0].seconds(NOW), fold.trials[1].seconds(NOW)) == (3000.0, 1000.0)


def test_zombies_say_since_when_and_living_ones_stay_running() -> None:
    dead, alive = trial(0, "running", started=1000.0, last_seen=2000.0), trial(1, "running", last_seen=NOW - 60)
    fold = fold_of(ForeignStudy("s", ("maximize",), ("x",), [dead, alive]))
    first, second = fold.trials[0], fold.trials[1]
    assert (first.state, first.category) == ("failed", "lost")
    attempt = first.last_attempt
    assert attempt is not None
    assert (attempt.state, attempt.started, attempt.ended) == ("lost", 1000.0, 2000.0)
    assert "still RUNNING" in str(attempt.title)
    assert second.state == "running"
    assert fold.ended_reason == "stopped"


def test_where_trials_take_days_a_silent_one_is_not_dead_after_one() -> None:
    day = 86400.0
    done = [trial(n, started=NOW - 20 * day, ended=NOW - 18 * day) for n in range(3)]
    recent, old = trial(3, "running", last_seen=NOW - 3 * day), trial(4, "running", last_seen=NOW - 7 * day)
    fold = fold_of(ForeignStudy("s", ("maximize",), ("x",), [*done, recent, old]))
    assert (fold.trials[3].state, fold.trials[4].state) == ("running", "failed")


def test_hostile_and_huge_content_is_data_of_bounded_size() -> None:
    evil = "\x1b]0;owned\x07\x1b[31m[/bold]\u202e\x00"
    big = ForeignTrial(0, "failed", {f"{evil}{n}": "x" * 500 for n in range(2000)}, label=evil, title=evil + "y" * 9999)
    big.final = {f"m{n}": math.nan for n in range(5000)}
    big.metrics = [EpochValues(0, 0.0, {f"{evil}{n}": 1.0 for n in range(2000)})]
    big.remarks = [evil + "z" * 9999]
    space = {f"p{n}": {"categorical": ["c" * 500] * 1000} for n in range(600)}
    study = ForeignStudy(evil, ("maximize",), (evil,), [big], space=space, warnings=[evil])
    study.space["lr"] = {"float": [0.1, 1.0]}
    records = study_records(study, "s", SOURCE, NOW)
    assert records[0]["space"]["lr"] == {"float": [0.1, 1.0]}
    assert max(len(dump_line(r)) for r in records) < MAX_LINE
    notes = [r["message"] for r in records if r["event"] == "note"]
    assert all(text.isprintable() for text in notes)
    assert records[0]["objectives"][0].isprintable()
    (line,) = event_lines(big)
    event, is_clean = parse_event(json.loads(dump_line(line)))
    assert isinstance(event, MetricsEvent)
    assert is_clean
    assert fold_of(study).skipped == 0
