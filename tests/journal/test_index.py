"""What the fold keeps by the way is what a look at every trial would give, and asking for it looks at few."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import ALLOWED_CHANGES, TRIAL_STATES, TrialRecord, TrialState
from tests.fakes.counting import counted

Record = dict[str, Any]


def created(directions: list[str]) -> Record:
    return {"t": 0.0, "event": "study_created", "study": "s", "directions": directions}


def events_to(
    number: int, state: TrialState, *values: float | str, constraints: tuple[float, ...] = ()
) -> list[Record]:
    """The shortest story of a new trial that ends in a state."""
    story: list[Record] = [{"event": "trial_created", "trial": number}]
    if state != "queued":
        story.append({"event": "attempt_started", "trial": number, "attempt": 1})
    if state not in ("queued", "running"):
        end = {"event": "trial_ended", "trial": number, "state": state}
        story.append({**end, "values": list(values), "constraints": list(constraints)})
    return [{"t": 1.0, **event} for event in story]


def complete_study(trials: int, directions: list[str] | None = None) -> StudyFold:
    fold = StudyFold()
    fold.apply(created(directions or ["maximize"]))
    for number in range(trials):
        fold.apply_all(events_to(number, "complete", float(number % 97)))
    return fold


def front_by_looking(trials: list[TrialRecord], signs: list[float]) -> list[int]:
    """Every complete trial against every other one."""
    points = {
        t.number: [sign * value for sign, value in zip(signs, t.values, strict=True)]
        for t in trials
        if t.state == "complete" and t.is_feasible and len(t.values) == len(signs) and all(map(math.isfinite, t.values))
    }

    def is_beaten(point: list[float]) -> bool:
        return any(o != point and all(a >= b for a, b in zip(o, point, strict=True)) for o in points.values())

    return [number for number, point in sorted(points.items()) if not is_beaten(point)]


_value = st.integers(-3, 3).map(float) | st.sampled_from(["nan", "inf", "-inf"])
_trial = st.tuples(
    st.sampled_from(TRIAL_STATES), st.lists(_value, min_size=1, max_size=2), st.sampled_from([(), (-1.0,), (1.0,)])
)


@given(
    trials=st.lists(_trial, max_size=12),
    directions=st.lists(st.sampled_from(["maximize", "minimize"]), min_size=1, max_size=2),
    asked=st.sets(st.integers(0, 12)),
    told_again=st.integers(0, 12),
)
def test_best_and_front_are_those_of_a_look_at_every_trial(
    trials: list[tuple[TrialState, list[float | str], tuple[float, ...]]],
    directions: list[str],
    asked: set[int],
    told_again: int,
) -> None:
    fold = StudyFold()
    fold.apply(created(directions))
    signs = [-1.0 if direction == "minimize" else 1.0 for direction in directions]
    for number, (state, values, constraints) in enumerate(trials):
        fold.apply_all(events_to(number, state, *values, constraints=constraints))
        if number == told_again and state == "complete":
            fold.apply({"t": 2.0, "event": "trial_ended", "trial": 0, "state": "complete", "values": [0.0, 0.0]})
        if number in asked:
            fold.pareto()
    expected = front_by_looking(list(fold.trials.values()), signs)
    assert [trial.number for trial in fold.pareto()] == expected
    best = fold.best()
    assert (None if best is None else best.number) == (expected[0] if expected and len(directions) == 1 else None)


def test_directions_told_late_change_what_is_best() -> None:
    fold = complete_study(5)
    best = fold.best()
    assert best is not None
    assert best.number == 4
    fold.apply(created(["minimize"]))
    best = fold.best()
    assert best is not None
    assert best.number == 0


@given(steps=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(TRIAL_STATES)), max_size=40))
def test_states_are_those_of_a_look_at_every_trial(steps: list[tuple[int, TrialState]]) -> None:
    fold = StudyFold()
    for number, state in steps:
        known = fold.trials.get(number)
        attempt = 1 if known is None else len(known.attempts) + 1
        event: Record = {"queued": {"event": "trial_queued"}, "running": {"event": "attempt_started"}}.get(
            state, {"event": "trial_ended", "state": state}
        )
        fold.apply({"t": 1.0, "trial": number, "attempt": attempt, **(event if known else {"event": "trial_created"})})
        for each in TRIAL_STATES:
            expected = [n for n, trial in sorted(fold.trials.items()) if trial.state == each]
            assert [trial.number for trial in fold.in_state(each)] == expected
        assert fold.next_number == max(fold.trials, default=-1) + 1


def test_a_new_trial_is_compared_once_and_no_other_is_looked_at_again() -> None:
    fold = complete_study(300)
    fold.best()
    before = fold._ranking.looked_at
    assert before == 300
    for _ in range(50):
        fold.best()
    assert fold._ranking.looked_at == before
    fold.apply_all(events_to(300, "complete", 1000.0))
    best = fold.best()
    assert best is not None
    assert best.number == 300
    assert fold._ranking.looked_at == before + 1


def test_what_is_asked_every_tick_looks_at_the_trials_in_the_answer() -> None:
    fold = complete_study(500)
    fold.apply_all(events_to(500, "running"))
    fold.apply_all(events_to(501, "queued"))
    fold.best()
    version = fold.version
    fold.apply({"t": 9.0, "event": "attempt_reported", "trial": 500, "attempt": 1, "epoch": 1, "value": 1.0})
    assert [trial.number for trial in fold.changed_since(version)] == [500]
    trials = counted(fold)
    assert [trial.number for trial in fold.in_state("running")] == [500]
    assert [trial.number for trial in fold.in_state("queued")] == [501]
    assert [trial.number for trial in fold.changed_since(version)] == [500]
    best = fold.best()
    assert best is not None
    assert best.number == 96
    assert fold.next_number == 502
    assert trials.taken < 12  # the best value was reached by six trials


@pytest.mark.parametrize("state", [state for state in TRIAL_STATES if state != "running"])
def test_a_refused_change_leaves_the_states_alone(state: TrialState) -> None:
    refused = next(s for s in TRIAL_STATES if s not in ALLOWED_CHANGES[state] and s not in (state, "queued", "running"))
    fold = StudyFold()
    fold.apply_all(events_to(0, state))
    skipped = fold.skipped
    fold.apply({"t": 2.0, "event": "trial_ended", "trial": 0, "state": refused})
    assert fold.skipped == skipped + 1
    assert [trial.number for trial in fold.in_state(state)] == [0]
    assert fold.in_state(refused) == []


def test_names_are_shared_between_trials() -> None:
    fold = StudyFold()
    for number in range(2):
        params = {"".join(["loss", ".pixel"]): 1.0}
        fold.apply({"t": 1.0, "event": "trial_created", "trial": number, "params": params, "label": "".join("ab")})
    first, second = fold.trials[0], fold.trials[1]
    assert next(iter(first.params)) is next(iter(second.params))
    assert first.label is second.label
