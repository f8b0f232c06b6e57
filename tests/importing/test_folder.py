"""The study folder of an import: whole or not at all, renewed in place, and never at the cost of anybody's study."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from htr_tui.errors import StorageError, UsageError
from htr_tui.importing.folder import imported_source, safe_name, write_study
from htr_tui.importing.foreign import EpochValues, ForeignStudy, ForeignTrial
from htr_tui.journal.fold import JournalReader, StudyFold
from htr_tui.journal.paths import StudyPaths, study_folders
from htr_tui.journal.records import ForeignSource
from tests.fakes.studies import build_study
from tests.importing.picture import picture

NOW = 2_000_000_000.0
SOURCE = ForeignSource("sqlite:////x.db", "optuna (SQLite)", "My study")


def study(name: str = "My study", trials: int = 3) -> ForeignStudy:
    made = [
        ForeignTrial(
            n, "complete", {"lr": 0.1}, started=NOW - 100 + n, ended=NOW - 50 + n, values=(float(n),),
            reported={1: 0.5, 2: float(n)}, metrics=[EpochValues(1, 0.0, {"a": 0.5}), EpochValues(2, 0.0, {"a": float(n)})],
        )
        for n in range(trials)
    ]  # fmt: skip
    return ForeignStudy(name, ("maximize",), ("a",), made)


def fold_of(paths: StudyPaths) -> StudyFold:
    reader = JournalReader(paths.journal)
    reader.refresh()
    return reader.fold


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("HPO Loss Weights", "HPO-Loss-Weights"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("\x1b[31mred", "31mred"),
        ("Größe/1", "Gr-e-1"),
        ("///", "imported"),
        ("", "imported"),
        ("x" * 300, "x" * 80),
    ],
)
def test_names_become_folders(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_study_is_written_and_renewed(tmp_path: Path) -> None:
    paths, was_there = write_study(tmp_path / "runs", study(), SOURCE, None, NOW)
    assert (paths.root.name, was_there) == ("My-study", False)
    assert imported_source(paths) == SOURCE
    assert len(fold_of(paths).trials) == 3
    (paths.root / "report").mkdir()
    (paths.root / "report" / "mine.md").write_text("mine")
    renewed, was_there = write_study(tmp_path / "runs", study(trials=5), SOURCE, None, NOW)
    assert (renewed, was_there) == (paths, True)
    assert len(fold_of(paths).trials) == 5
    assert (paths.root / "report" / "mine.md").read_text() == "mine"
    assert [p.root.name for p in study_folders(tmp_path / "runs")] == ["My-study"]
    assert not list((tmp_path / "runs").glob(".import-*"))


def test_a_study_of_the_users_is_never_touched(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    build_study(runs, "My-study", trials=3)
    (runs / "My-study-imported").mkdir()
    before = picture(runs / "My-study")
    paths, _ = write_study(runs, study(), SOURCE, None, NOW)
    assert paths.root.name == "My-study-imported-2"
    for taken in ("My-study", "My-study-imported"):
        with pytest.raises(UsageError, match="something else"):
            write_study(runs, study(), SOURCE, taken, NOW)
    assert picture(runs / "My-study") == before
    again, was_there = write_study(runs, study(), SOURCE, None, NOW)
    assert (again, was_there) == (paths, True)
    other = ForeignSource("sqlite:////other.db", SOURCE.kind, SOURCE.study)
    assert write_study(runs, study(), other, None, NOW)[0].root.name == "My-study-imported-3"
    assert write_study(runs, study(), other, "chosen", NOW)[0].root.name == "chosen"
    with pytest.raises(UsageError, match="cannot be a study's name"):
        write_study(runs, study(), SOURCE, "../up", NOW)


@pytest.mark.parametrize("dies_at", [1, 2])
def test_a_failure_between_the_renames_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    runs = tmp_path / "runs"
    paths, _ = write_study(runs, study(), SOURCE, None, NOW)
    before = picture(paths.root)
    calls = []

    def rename(old: Any, new: Any) -> None:
        calls.append(old)
        if len(calls) == dies_at:
            raise OSError(28, "No space left on device")
        Path(old).replace(new)

    monkeypatch.setattr("htr_tui.importing.folder.os.rename", rename)
    with pytest.raises(StorageError, match="cannot write"):
        write_study(runs, study(trials=5), SOURCE, None, NOW)
    assert picture(paths.root) == before
    assert [p.name for p in runs.iterdir() if p.name.startswith(".import-")] == []


def test_what_a_killed_import_left_is_put_right(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    paths, _ = write_study(runs, study(), SOURCE, None, NOW)
    (paths.root / "mine.md").write_text("mine")
    shutil.copytree(paths.root, runs / ".import-aaaa.new")
    os.rename(paths.root, runs / ".import-aaaa.old")  # killed between the two renames
    write_study(runs, study("Other"), ForeignSource("u", "k", "Other"), None, NOW)
    assert (paths.root / "mine.md").read_text() == "mine"
    shutil.copytree(paths.root, runs / ".import-bbbb.old")  # killed before the old one was removed
    (paths.root / "mine.md").unlink()
    write_study(runs, study("Other"), ForeignSource("u", "k", "Other"), None, NOW)
    assert (paths.root / "mine.md").read_text() == "mine"
    assert not list(runs.glob(".import-*.*"))


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match="cannot write"):
        write_study(tmp_path / "runs", study(), SOURCE, None, NOW)
