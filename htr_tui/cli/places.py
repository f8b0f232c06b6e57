"""From names on the command line to studies, trials and attempts, with errors that suggest the right one."""

from __future__ import annotations

import difflib
from pathlib import Path

from htr_tui.errors import UsageError
from htr_tui.journal.fold import JournalReader, StudyFold
from htr_tui.journal.paths import StudyPaths, study_folders
from htr_tui.journal.records import TrialRecord


def runs_folder(directory: Path) -> Path:
    """`DIR/runs`; DIR must exist."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such folder", "", "name an existing folder with --dir")
    return directory.resolve() / "runs"


def find_study(directory: Path, name: str) -> StudyPaths:
    """The study of that name below `DIR/runs`."""
    runs = runs_folder(directory)
    paths = StudyPaths(runs / name)
    if "/" not in name and name not in ("", ".", "..") and paths.journal.is_file():
        return paths
    known = [p.root.name for p in study_folders(runs)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"studies here: {', '.join(known[:20]) or 'none'}"
    raise UsageError(f"no study {name!r} in {runs}", "", hint)


def load_fold(paths: StudyPaths) -> StudyFold:
    """A study's state as its journal tells it now."""
    reader = JournalReader(paths.journal)
    reader.refresh()
    return reader.fold


def refuse_imported(fold: StudyFold) -> None:
    """UsageError for a study that was only read from elsewhere."""
    if (source := fold.facts.imported) is not None:
        raise UsageError(
            f"{fold.facts.study} was imported from {source.url} and is for reading only",
            "nothing can be run, stopped or changed in it",
            "write a study file for a search of your own; `warm_start` can begin with its best trials",
        )


def find_trial(fold: StudyFold, number: int) -> TrialRecord:
    """A trial by number."""
    trial = fold.trials.get(number)
    if trial is None:
        last = max(fold.trials, default=None)
        hint = "the study has no trials yet" if last is None else f"trials are numbered 0 to {last}"
        raise UsageError(f"no trial {number} in {fold.facts.study}", "", hint)
    return trial
