"""The search's memory: wishes of people and of a warm start, each once whatever dies, and a storage that is away."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from htr_tui.errors import UsageError
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.search.making import Asked
from htr_tui.search.store import SearchStore
from htr_tui.study.loading import load_study_text
from htr_tui.supervisor import memory as memories
from htr_tui.supervisor.memory import SearchMemory
from tests.search.test_warm_start import write_journal

STUDY = """
study: bench
trainer: {command: ["{python}", -c, "pass", "{overrides}"]}
search:
  sampler: {tpe: {seed: 1}}
  space:
    lr: {float: [0.001, 1.0], log: true}
    ctc: {categorical: [true, false]}
    ctc.weight: {float: [0.1, 2], when: {ctc: true}}
SEARCH_MORE
objective: {maximize: value}
budget: {trials: 20}
"""
EXPERIMENTS = """
study: bench
trainer: {command: ["{python}", -c, "pass", "{overrides}"]}
search:
  experiments:
    - {name: plain, params: {lr: 0.1, mode: fast}}
    - {name: slow, params: {lr: 0.2, mode: slow, extra: [1, 2]}, repeats: {}}
  repeats: {seed: 2}
objective: {maximize: value}
"""


class Desk:
    """One study's folder; each `memory` is what a new supervisor would have."""

    def __init__(self, base: Path, text: str) -> None:
        self.paths = StudyPaths(base / "runs" / "bench")
        self.paths.root.mkdir(parents=True, exist_ok=True)
        self.spec = load_study_text(text, "study.yaml")
        self.fold = StudyFold()
        self.notes: list[str] = []
        self.opened: list[SearchMemory] = []

    def memory(self) -> SearchMemory:
        memory = SearchMemory(self.spec, self.paths, lambda _level, text: self.notes.append(text))
        memory.connect(self.fold)
        self.opened.append(memory)
        return memory

    def created(self, asked: Asked | None) -> Asked:
        assert asked is not None
        self.fold.apply(
            {"t": 1.0, "event": "trial_created", "trial": asked.number, "params": asked.params,
             "label": asked.label, "by": asked.by}
        )  # fmt: skip
        return asked

    def close(self) -> None:
        for memory in self.opened:
            memory.close()


def warm(base: Path, more: str = "  warm_start: other", text: str = STUDY) -> Desk:
    if not (base / "runs" / "other").exists():
        trials = [{"params": {"lr": 0.1 * n, "ctc": False}, "values": [n]} for n in range(1, 5)]
        write_journal(base / "runs" / "other", trials)
    return Desk(base, text.replace("SEARCH_MORE", more))


def test_a_warm_start_comes_first_and_once(tmp_path: Path) -> None:
    """A new supervisor after every step, sometimes killed between Optuna and the journal."""
    desk = warm(tmp_path, "  warm_start: {study: other, best: 3}")
    asked: list[Asked] = []
    for step in range(5):
        memory = desk.memory()
        if step in (1, 2):
            memory.ask(desk.fold)  # killed here
            memory = desk.memory()
            asked += [desk.created(orphan) for orphan in memory.take_orphans()]
            continue
        asked.append(desk.created(memory.ask(desk.fold)[0]))
    desk.close()
    assert [a.number for a in asked] == [0, 1, 2, 3, 4]
    assert [(a.label, a.by) for a in asked] == [
        ("other #3", "warm_start"), ("other #2", "warm_start"), ("other #1", "warm_start"), (None, None), (None, None),
    ]  # fmt: skip
    assert [round(a.params["lr"], 9) for a in asked[:3]] == [0.4, 0.3, 0.2]
    assert [t.by for t in desk.fold.trials.values()] == ["warm_start"] * 3 + [None] * 2


def test_the_choice_of_a_warm_start_is_made_once(tmp_path: Path) -> None:
    desk = warm(tmp_path)
    desk.created(desk.memory().ask(desk.fold)[0])
    write_journal(tmp_path / "runs" / "new", [{"params": {"lr": 0.9}, "values": [99]}])
    (tmp_path / "runs" / "new" / "journal.jsonl").replace(tmp_path / "runs" / "other" / "journal.jsonl")
    asked, _ = desk.memory().ask(desk.fold)
    assert asked is not None
    assert asked.label == "other #2"
    assert len(json.loads((desk.paths.root / "warm_start.json").read_text())["trials"]) == 4
    desk.close()


def test_a_warm_start_that_cannot_be_had_is_told_and_the_study_runs(tmp_path: Path) -> None:
    desk = Desk(tmp_path, STUDY.replace("SEARCH_MORE", "  warm_start: nobody"))
    asked, exhausted = desk.memory().ask(desk.fold)
    assert desk.created(asked).by is None
    assert not exhausted
    assert "no warm start: there is no study 'nobody'" in desk.notes[0]
    desk.memory()
    assert len(desk.notes) == 1  # trials are there: it is too late for one
    desk.close()


def test_a_damaged_plan_is_told(tmp_path: Path) -> None:
    desk = warm(tmp_path)
    (desk.paths.root / "warm_start.json").write_text('{"trials": [{"par')
    asked, _ = desk.memory().ask(desk.fold)
    assert asked is not None
    assert asked.by is None
    assert "the rest of the warm start is lost" in desk.notes[0]
    desk.close()


def test_a_trial_typed_by_hand(tmp_path: Path) -> None:
    desk = warm(tmp_path)
    memory = desk.memory()
    asked, _ = memory.ask(desk.fold, pinned={"ctc.weight": 1}, label="mine", by="hand")
    first = desk.created(asked)
    assert (first.number, first.label, first.by) == (0, "mine", "hand")
    assert (first.params["ctc"], first.params["ctc.weight"]) == (True, 1.0)
    assert 0.001 <= first.params["lr"] <= 1.0
    assert desk.created(memory.ask(desk.fold)[0]).by == "warm_start"
    desk.close()


@pytest.mark.parametrize(
    ("pinned", "words"),
    [
        (
            {"ctc.weigt": 1},
            "the study has no parameter 'ctc.weigt'\nit has lr, ctc, ctc.weight\nhint: did you mean ctc.weight",
        ),
        ({"lr": 3}, "lr cannot be the number 3\nit is a number from 0.001 to 1.0"),
        ({"lr": "0.1"}, "lr cannot be the text '0.1'"),
        ({"ctc": 1}, "ctc cannot be the number 1\nit is one of true, false"),
        ({"ctc": False, "ctc.weight": 1}, "ctc.weight is only there when ctc is true\nctc is false"),
    ],
)
def test_what_a_study_cannot_have_is_refused(tmp_path: Path, pinned: dict[str, Any], words: str) -> None:
    desk = Desk(tmp_path, STUDY.replace("SEARCH_MORE", ""))
    memory = desk.memory()
    with pytest.raises(UsageError) as caught:
        memory.ask(desk.fold, pinned=pinned, by="hand")
    assert words in str(caught.value)
    assert desk.created(memory.ask(desk.fold)[0]).number == 0
    desk.close()


def test_by_hand_among_experiments(tmp_path: Path) -> None:
    """The order of the list goes on as if the trial had not been there, and past the list's end."""
    desk = Desk(tmp_path, EXPERIMENTS)
    labels = []
    for step in range(6):
        memory = desk.memory()
        wish: dict[str, Any] = {"pinned": {"lr": 0.7}, "label": "mine", "by": "hand"} if step in (1, 4) else {}
        asked, exhausted = memory.ask(desk.fold, **wish)
        assert exhausted is (asked is None)
        labels.append(desk.created(asked).label if asked else None)
    assert labels == ["plain, seed 1", "mine", "slow", "plain, seed 2", "mine", None]
    trials = desk.fold.trials
    assert trials[1].params == trials[4].params == {"lr": 0.7, "mode": "fast", "seed": 1}
    assert trials[2].params == {"lr": 0.2, "mode": "slow", "extra": [1, 2]}
    with pytest.raises(UsageError, match="mode cannot be the number 3"):
        desk.memory().ask(desk.fold, pinned={"mode": 3}, by="hand")
    desk.close()


def test_while_the_storage_is_away_nobody_is_asked(tmp_path: Path) -> None:
    desk = Desk(tmp_path, STUDY.replace("SEARCH_MORE", ""))
    (tmp_path / "runs" / "optuna.db").write_text("no database at all")
    assert desk.memory().ask(desk.fold, pinned={"lr": 0.1}, by="hand") == (None, False)
    assert "the Optuna storage does not answer" in desk.notes[0]
    desk.close()


@pytest.mark.parametrize(("now", "patience_s"), [(False, memories.SETTLE_S), (True, memories.HURRY_S)])
def test_the_end_waits_for_a_storage_that_is_away_but_not_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: bool, patience_s: float
) -> None:
    """`stop --now` means now, whoever holds the database."""
    desk = warm(tmp_path, "")
    memory = desk.memory()
    memory._connected, memory._next_try = False, 1e18
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    desk.fold.apply({"t": 1.0, "event": "stop_requested", "now": now})
    assert not memory.settle(desk.fold)
    clock[0] += patience_s - 0.5
    assert not memory.settle(desk.fold)
    clock[0] += 1.0
    assert memory.settle(desk.fold)
    desk.close()


def test_a_pruner_that_fails_is_told_once_and_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = warm(tmp_path, "")
    memory = desk.memory()
    trial = desk.fold.trials[desk.created(memory.ask(desk.fold)[0]).number]

    def fail(*_: object) -> bool:
        raise ZeroDivisionError("in the pruner")

    monkeypatch.setattr(SearchStore, "should_prune", fail)
    assert [memory.should_prune(trial) for _ in range(3)] == [False, False, False]
    assert [note for note in desk.notes if "in the pruner" in note] == desk.notes
    assert len(desk.notes) == 1
    assert memory.ask(desk.fold)[0] is not None
    desk.close()
