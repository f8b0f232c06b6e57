"""Reading on costs what is new, counted in bytes that are read and in records that are made anew."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from htr_tui import files
from htr_tui.files import LineAppender, dump_line
from htr_tui.journal.fold import JournalReader
from htr_tui.panel.feeds.study import StudyFollower
from tests.fakes.studies import build_study


class CountedFile(io.FileIO):
    """A file that adds up the bytes that are read of all its kind."""

    total = 0

    def read(self, size: int | None = -1, /) -> Any:
        data = super().read(size)
        CountedFile.total += len(data or b"")
        return data


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> type[CountedFile]:
    monkeypatch.setattr(CountedFile, "total", 0)
    monkeypatch.setattr(files, "open", CountedFile, raising=False)
    return CountedFile


def report(trial: int, epoch: int) -> dict[str, Any]:
    return {"t": 2e9, "event": "attempt_reported", "trial": trial, "attempt": 1, "epoch": epoch, "value": 1.0}


@pytest.mark.parametrize("count", [1, 100])
def test_new_lines_are_read_and_named_trials_are_made_anew(
    tmp_path: Path, bytes_read: type[CountedFile], count: int
) -> None:
    paths = build_study(tmp_path, "long", trials=300, epochs=3, running=4, full_attempts=0)
    reader = JournalReader(paths.journal)
    reader.refresh()
    assert bytes_read.total == paths.journal.stat().st_size
    before, version = dict(reader.fold.trials), reader.fold.version
    running = [trial.number for trial in reader.fold.in_state("running")]
    records = [report(running[i % 4], 50 + i) for i in range(count)]
    LineAppender(paths.journal, durable=False).append(*records)
    bytes_read.total = 0
    reader.refresh()
    assert bytes_read.total == len(b"".join(map(dump_line, records)))
    remade = {number for number, trial in reader.fold.trials.items() if before[number] is not trial}
    assert remade == set(running[: min(4, count)])
    assert {trial.number for trial in reader.fold.changed_since(version)} == remade
    bytes_read.total = 0
    assert not reader.refresh()
    assert bytes_read.total == 0


def test_the_panel_hands_on_the_trials_that_changed(tmp_path: Path) -> None:
    paths = build_study(tmp_path, "long", trials=300, epochs=3, running=4, full_attempts=0)
    follower = StudyFollower(paths)
    while not follower.view.is_loaded:
        follower.refresh(0.0)
    number = follower.view.running[0]
    LineAppender(paths.journal, durable=False).append(report(number, 50))
    assert follower.refresh(0.0)
    assert [trial.number for trial in follower.changed] == [number]
