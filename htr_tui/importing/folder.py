"""The folder of an imported study: made whole aside and swapped in; a study that somebody runs is never touched."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from htr_tui.errors import StorageError, UsageError
from htr_tui.files import LineAppender, dump_line, fsync_directory, parse_line, write_atomic
from htr_tui.importing.foreign import ForeignStudy
from htr_tui.importing.journal_lines import event_lines, study_records
from htr_tui.journal.paths import STUDY_NAME, StudyPaths, study_folders
from htr_tui.journal.records import ForeignSource

OURS = ("journal.jsonl", "trials", "commands")
"""What an import writes; anything else in its folder is the user's (a report) and is kept."""
MAX_FIRST_LINE = 1 << 24


def safe_name(text: str) -> str:
    """A study's name as the name of a folder."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:80].rstrip("-._")
    return name if STUDY_NAME.fullmatch(name) else "imported"


def write_study(
    runs: Path, study: ForeignStudy, source: ForeignSource, wanted: str | None, now: float
) -> tuple[StudyPaths, bool]:
    """Make or renew `runs/<name>`; (its paths, whether it was there before)."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with _alone(runs):
            _sweep(runs)
            name = _choose_name(runs, study.name, source, wanted)
            return _write(runs, name, study, source, now)
    except OSError as error:
        raise StorageError(
            f"cannot write to {runs}", str(error), "check the folder's permissions and the free space, or use --dir"
        ) from error


def imported_source(paths: StudyPaths) -> ForeignSource | None:
    """Where the study in a folder was imported from; None for a study of our own, or no study at all."""
    try:
        with open(paths.journal, "rb") as file:
            head = parse_line(file.readline(MAX_FIRST_LINE)) or {}
    except OSError:
        return None
    found = head.get("imported")
    if not isinstance(found, dict) or head.get("event") != "study_created":
        return None
    return ForeignSource(*(str(found.get(key, "")) for key in ("url", "kind", "study")))


def _is_same(paths: StudyPaths, source: ForeignSource) -> bool:
    """The same study of the same place; its kind may change, as when its database was upgraded there."""
    found = imported_source(paths)
    return found is not None and (found.url, found.study) == (source.url, source.study)


def _choose_name(runs: Path, title: str, source: ForeignSource, wanted: str | None) -> str:
    if wanted is not None:
        if not STUDY_NAME.fullmatch(wanted):
            raise UsageError(
                f"{wanted!r} cannot be a study's name", "",
                "letters, digits, dot, dash and underscore, beginning with a letter or digit, at most 100",
            )  # fmt: skip
        if (runs / wanted).exists() and not _is_same(StudyPaths(runs / wanted), source):
            raise UsageError(f"{runs / wanted} is something else", "", "give another --name")
        return wanted
    for paths in study_folders(runs):
        if _is_same(paths, source):
            return paths.root.name
    base = safe_name(title)
    names = (base, *(f"{base}-imported{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000)))))
    free = next((name for name in names if not os.path.lexists(runs / name)), None)
    if free is None:
        raise UsageError(f"no free name for {base} in {runs}", "", "give one with --name")
    return free


def _write(runs: Path, name: str, study: ForeignStudy, source: ForeignSource, now: float) -> tuple[StudyPaths, bool]:
    target, mark = StudyPaths(runs / name), uuid.uuid4().hex[:8]
    staging = StudyPaths(runs / f".import-{mark}.new")
    retired = runs / f".import-{mark}.old"
    try:
        staging.root.mkdir()
        staging.commands.mkdir()
        staging.trials.mkdir()
        _write_events(staging, study)
        write_atomic(staging.journal, b"".join(map(dump_line, study_records(study, name, source, now))))
        if was_there := target.root.exists():
            if not _is_same(target, source):
                raise StorageError(f"{target.root} has just become something else", "", "import again")
            os.rename(target.root, retired)
        os.rename(staging.root, target.root)
        fsync_directory(runs)
    except BaseException:
        shutil.rmtree(staging.root, ignore_errors=True)
        if retired.exists():
            os.rename(retired, target.root)
        raise
    if was_there:
        _retire(retired, target.root)
    return target, was_there


def _retire(old: Path, new: Path) -> None:
    """Remove a folder that was swapped out; what the user put into it moves over first."""
    for entry in sorted(old.iterdir()):
        if entry.name not in OURS and not os.path.lexists(new / entry.name):
            os.rename(entry, new / entry.name)
    shutil.rmtree(old, ignore_errors=True)


def _write_events(staging: StudyPaths, study: ForeignStudy) -> None:
    for trial in study.trials:
        records: Sequence[dict[str, Any]] = event_lines(trial)
        if not records:
            continue
        attempt = staging.attempt(trial.number, 1)
        attempt.root.mkdir(parents=True)
        events = LineAppender(attempt.events, durable=False)
        try:
            events.append(*records)
        finally:
            events.close()


@contextmanager
def _alone(runs: Path) -> Iterator[None]:
    """One import at a time; where the file system has no locks, nobody is kept out."""
    fd = os.open(runs / ".import.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
    finally:
        os.close(fd)


def _sweep(runs: Path) -> None:
    """Take away what an import left that was killed; the study that it had moved aside comes back first."""
    for old in sorted(runs.glob(".import-*.old")):
        name = _head_name(StudyPaths(old))
        if name is None:
            continue
        if os.path.lexists(runs / name):
            _retire(old, runs / name)
        else:
            os.rename(old, runs / name)
    for new in runs.glob(".import-*.new"):
        shutil.rmtree(new, ignore_errors=True)


def _head_name(paths: StudyPaths) -> str | None:
    try:
        with open(paths.journal, "rb") as file:
            name = (parse_line(file.readline(MAX_FIRST_LINE)) or {}).get("study")
    except OSError:
        return None
    return name if isinstance(name, str) and STUDY_NAME.fullmatch(name) else None
