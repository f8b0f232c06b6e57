"""How often a trial waits for the disk: counted, since a slow disk takes some milliseconds each time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import TrialRecord
from htr_tui.study.loading import load_study
from htr_tui.supervisor.clock import SystemClock
from htr_tui.supervisor.ledger import StudyLedger
from htr_tui.supervisor.prepare import write_attempt
from tests.fakes.launching import fake_study


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Descriptors that were synchronised."""
    found: list[int] = []
    monkeypatch.setattr(os, "fsync", found.append)
    return found


def test_only_what_cannot_be_found_again_waits_for_the_disk(tmp_path: Path, waits: list[int]) -> None:
    ledger = StudyLedger(StudyPaths(tmp_path), SystemClock())
    ledger.open()
    ledger.record("trial_created", trial=0, params={})
    ledger.record("attempt_started", trial=0, attempt=1)
    assert len(waits) == 2
    for epoch in range(1, 50):
        ledger.record("attempt_reported", trial=0, attempt=1, epoch=epoch, value=1.0)
    assert len(waits) == 2
    follow_up = {"event": "trial_ended", "trial": 0, "state": "complete", "values": [1.0]}
    ledger.record("attempt_ended", trial=0, attempt=1, state="complete", follow_up=follow_up)
    ledger.close()
    assert len(waits) == 3


def test_an_attempts_folder_waits_for_its_command_alone(tmp_path: Path, waits: list[int]) -> None:
    study = fake_study(tmp_path)
    trial = TrialRecord(0, "queued", {"lr": 0.01, "width": 8})
    waits.clear()
    write_attempt(load_study(study.file), study.paths, tmp_path, trial, 1, overrides={}, env={}, resume_from=None)
    assert study.paths.attempt(0, 1).command.is_file()
    assert study.paths.attempt(0, 1).overrides.is_file()
    assert len(waits) <= 2  # the file, and its name in the folder
