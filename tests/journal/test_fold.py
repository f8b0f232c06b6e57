from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.journal.fold import JournalReader, StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import ALLOWED_CHANGES, TRIAL_STATES
from tests.fakes.studies import build_study

CREATED = {"t": 1.0, "event": "study_created", "study": "s", "budget": {"trials": 3}, "directions": ["maximize"]}


def fold_of(*records: dict[str, Any]) -> StudyFold:
    fold = StudyFold()
    fold.apply_all({"t": 10.0 + i, **record} for i, record in enumerate(records))
    return fold


def started(trial: int, attempt: int = 1, **more: Any) -> dict[str, Any]:
    return {"event": "attempt_started", "trial": trial, "attempt": attempt, **more}


def assert_counts_match(fold: StudyFold) -> None:
    counted = Counter(trial.state for trial in fold.trials.values())
    assert {state: counted.get(state, 0) for state in TRIAL_STATES} == fold.counts


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> StudyPaths:
    return build_study(
        tmp_path_factory.mktemp("runs"),
        "built",
        trials=30,
        epochs=4,
        running=1,
        failed=3,
        pruned=5,
        stopped=2,
        queued=2,
    )


def test_built_study_folds_without_skipping(built: StudyPaths) -> None:
    reader = JournalReader(built.journal)
    assert reader.refresh()
    fold = reader.fold
    assert fold.skipped == 0
    assert fold.counts == {"queued": 2, "running": 1, "complete": 17, "pruned": 5, "failed": 3, "stopped": 2}
    assert_counts_match(fold)
    best = fold.best()
    assert best is not None
    assert best.value == max(t.value for t in fold.trials.values() if t.value is not None)
    assert not reader.refresh()


@given(data=st.data())
def test_journal_cut_anywhere_folds_to_a_prefix(built: StudyPaths, tmp_path: Path, data: st.DataObject) -> None:
    whole = built.journal.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path / "journal.jsonl"
    path.write_bytes(whole[:cut])
    reader = JournalReader(path)
    reader.refresh()
    expected = StudyFold()
    expected.apply_all(json.loads(line) for line in whole[:cut].split(b"\n")[:-1])
    assert reader.fold == expected
    assert reader.fold.skipped == 0
    assert_counts_match(reader.fold)
    # The rest arrives: nothing is lost or applied twice.
    with open(path, "ab") as file:
        file.write(whole[cut:])
    reader.refresh()
    complete = JournalReader(built.journal)
    complete.refresh()
    assert reader.fold.trials == complete.fold.trials
    assert reader.fold.counts == complete.fold.counts


@given(
    garbage=st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"{}", b"[1]", b'{"event": "moon", "t": 1}']))),
    at=st.integers(0, 20),
)
def test_garbage_between_lines_is_counted_and_costs_nothing_else(
    built: StudyPaths, tmp_path: Path, garbage: list[bytes], at: int
) -> None:
    garbage = [b"#" + line.replace(b"\n", b"") for line in garbage]
    lines = built.journal.read_bytes().split(b"\n")
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"\n".join([*lines[:at], *garbage, *lines[at:]]))
    reader = JournalReader(path)
    reader.refresh()
    clean = JournalReader(built.journal)
    clean.refresh()
    assert reader.fold.skipped == len(garbage)
    assert reader.fold.trials == clean.fold.trials


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_events = st.sampled_from(
    [
        "study_created",
        "supervisor_started",
        "supervisor_ended",
        "budget_changed",
        "stop_requested",
        "stop_cleared",
        "trial_created",
        "trial_queued",
        "attempt_started",
        "attempt_reported",
        "attempt_stopping",
        "attempt_ended",
        "trial_ended",
        "note",
    ]
)
_small = st.integers(0, 2) | _json
_records = st.fixed_dictionaries(
    {"t": st.floats(0, 1e9) | _json, "event": _events},
    optional={
        "trial": _small,
        "attempt": _small,
        "epoch": _small,
        "state": st.sampled_from(TRIAL_STATES) | _json,
        "params": _json,
        "set": _json,
        "env": _json,
        "values": _json,
        "value": _json,
        "reason": _json,
        "message": _json,
        "study": _json,
        "budget": _json,
        "why": _json,
    },
)


@given(records=st.lists(_records, max_size=30))
def test_any_records_keep_the_counts(records: list[dict[str, Any]]) -> None:
    fold = StudyFold()
    for record in records:
        before = (fold.version, fold.skipped)
        fold.apply(record)
        assert (fold.version, fold.skipped) in ((before[0] + 1, before[1]), (before[0], before[1] + 1))
        assert_counts_match(fold)


@pytest.mark.parametrize("old", TRIAL_STATES)
@pytest.mark.parametrize("new", TRIAL_STATES)
def test_only_allowed_changes_of_state(old: str, new: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "queued": {"event": "trial_queued", "trial": 0},
        "running": started(0, 2),
        **{
            state: {"event": "trial_ended", "trial": 0, "state": state}
            for state in ("complete", "pruned", "failed", "stopped")
        },
    }
    first = [] if old == "queued" else [started(0, 1)]
    fold = fold_of(
        CREATED, {"event": "trial_created", "trial": 0}, *first, *([changes[old]] if old != "running" else [])
    )
    assert fold.trials[0].state == old
    skipped = fold.skipped
    fold.apply({"t": 99.0, **changes[new]})
    is_allowed = new == old or new in ALLOWED_CHANGES[fold.trials[0].state if new == old else old]
    assert fold.trials[0].state == (new if is_allowed else old)
    assert fold.skipped == skipped + (0 if is_allowed else 1)


def test_retry_keeps_the_attempts_and_forgets_the_end() -> None:
    fold = fold_of(
        CREATED,
        {"event": "trial_created", "trial": 0, "params": {"a": 1}},
        started(0),
        {"event": "attempt_reported", "trial": 0, "attempt": 1, "epoch": 1, "epochs": 3, "value": 0.5},
        {"event": "attempt_ended", "trial": 0, "attempt": 1, "state": "failed", "category": "gpu_oom", "exit_code": 1},
        {"event": "trial_ended", "trial": 0, "state": "failed", "category": "gpu_oom"},
        {"event": "trial_queued", "trial": 0, "reason": "retry", "fix": "halve_batch", "set": {"train.batch": 4}},
        started(0, 2, reason="retry", fix="halve_batch", set={"train.batch": 4}, resume_from=1),
    )
    trial = fold.trials[0]
    assert (trial.state, trial.category, trial.ended, trial.request) == ("running", None, None, None)
    assert [a.state for a in trial.attempts] == ["failed", "running"]
    assert trial.attempts[0].category == "gpu_oom"
    assert (trial.attempts[1].resume_from, trial.attempts[1].set) == (1, {"train.batch": 4})
    assert trial.reported == {1: 0.5}


def test_duplicates_are_refused() -> None:
    fold = fold_of(
        CREATED,
        {"event": "trial_created", "trial": 0},
        {"event": "trial_created", "trial": 0},
        started(0),
        started(0),
    )
    assert fold.skipped == 2
    assert len(fold.trials[0].attempts) == 1


def test_best_ignores_values_that_are_not_finite_and_follows_the_direction() -> None:
    for direction, expected in (("maximize", 1), ("minimize", 2)):
        records: list[dict[str, Any]] = [{**CREATED, "directions": [direction]}]
        for number, value in enumerate(["nan", 3.0, 1.0, "inf"]):
            records += [
                {"event": "trial_created", "trial": number},
                started(number),
                {"event": "trial_ended", "trial": number, "state": "complete", "values": [value]},
            ]
        best = fold_of(*records).best()
        assert best is not None
        assert best.number == expected


def test_changed_since_names_only_newer_trials() -> None:
    fold = fold_of(CREATED, {"event": "trial_created", "trial": 0}, {"event": "trial_created", "trial": 1})
    version = fold.version
    fold.apply({"t": 50.0, **started(1)})
    assert [t.number for t in fold.changed_since(version)] == [1]
    assert [t.number for t in fold.changed_since(0)] == [0, 1]


def test_replaced_journal_is_folded_anew_with_a_newer_version(built: StudyPaths, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(built.journal.read_bytes())
    reader = JournalReader(path)
    reader.refresh()
    version = reader.version
    path.write_text(json.dumps(CREATED) + "\n")
    assert reader.refresh()
    assert reader.version > version
    assert reader.fold.trials == {}


def test_refresh_takes_about_the_limit(built: StudyPaths) -> None:
    reader = JournalReader(built.journal)
    rounds = 0
    while reader.refresh(limit=1):
        rounds += 1
    assert rounds >= 1
    whole = JournalReader(built.journal)
    whole.refresh()
    assert reader.fold.trials == whole.fold.trials
