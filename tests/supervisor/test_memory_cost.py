"""How often Optuna's storage is asked and told, counted: each time costs some milliseconds of a trial's pause."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_tui.journal.records import TrialRecord
from htr_tui.search.store import SearchStore
from htr_tui.study.loading import load_study
from htr_tui.supervisor.clock import SystemClock
from htr_tui.supervisor.ledger import StudyLedger
from htr_tui.supervisor.memory import SearchMemory
from tests.fakes.launching import fake_study


def test_an_epoch_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    sync = SearchStore.sync

    def counted(store: SearchStore, trial: TrialRecord) -> None:
        told.append(trial.number)
        sync(store, trial)

    monkeypatch.setattr(SearchStore, "sync", counted)
    study = fake_study(tmp_path)
    study.paths.root.mkdir(parents=True)
    ledger = StudyLedger(study.paths, SystemClock())
    ledger.open()
    memory = SearchMemory(load_study(study.file), study.paths, ledger.note)
    memory.connect(ledger.fold)
    asked, _ = memory.ask(ledger.fold)
    assert asked is not None
    ledger.record("trial_created", trial=0, params=asked.params)
    ledger.record("attempt_started", trial=0, attempt=1)
    for epoch in (1, 2, 3):
        ledger.record("attempt_reported", trial=0, attempt=1, epoch=epoch, value=1.0)
        memory.changed(0)
        assert not memory.should_prune(ledger.fold.trials[0])
        memory.heal(ledger.fold)
        assert told == [0] * epoch
    memory.changed(0)
    memory.heal(ledger.fold)
    assert told == [0] * 4
    memory.close()
    ledger.close()
