"""MLflow's runs from a folder of its file store (`mlruns`), read as it lies: nothing is made, moved or completed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from htr_tui.importing.foreign import Listed
from htr_tui.importing.mlflow_runs import Point, StoredRun

STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
MAX_TEXT = 100_000
_WHOLE = re.compile(r"-?[0-9]{1,15}")
"""Times in milliseconds, and steps."""


class FolderStore:
    """An `mlruns` folder, or the folder of one experiment in it."""

    kind = "file store"

    def __init__(self, root: Path) -> None:
        self._root = root

    def experiments(self) -> list[Listed]:
        """Experiments that are not deleted."""
        return [Listed(name, sum(1 for _ in _run_folders(folder))) for name, folder in self._folders()]

    def runs(self, experiment: str) -> list[StoredRun]:
        """The runs of an experiment."""
        found = [
            run
            for name, folder in self._folders()
            if name == experiment
            for run_folder in _run_folders(folder)
            if (run := _read_run(run_folder)) is not None
        ]
        return sorted(found, key=lambda run: (run.start_ms or 0, run.run_id))

    def _folders(self) -> Iterator[tuple[str, Path]]:
        roots = [self._root] if (self._root / "meta.yaml").is_file() else sorted(self._root.iterdir())
        for folder in roots:
            meta = _meta(folder) if not folder.name.startswith(".") else {}
            if meta.get("name") and meta.get("lifecycle_stage", "active") == "active":
                yield meta["name"], folder


def _run_folders(experiment: Path) -> Iterator[Path]:
    for folder in sorted(experiment.iterdir()):
        meta = _meta(folder)
        if meta.get("status") and meta.get("lifecycle_stage", "active") == "active":
            yield folder


def _meta(folder: Path) -> dict[str, str]:
    """meta.yaml as texts; empty where there is none or it is broken."""
    try:
        text = (folder / "meta.yaml").read_text("utf-8", "replace")[:MAX_TEXT]
        record = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - BaseLoader builds texts, lists and mappings only
    except (OSError, yaml.YAMLError, RecursionError, ValueError):
        return {}
    return {str(k): v for k, v in record.items() if isinstance(v, str)} if isinstance(record, dict) else {}


def _read_run(folder: Path) -> StoredRun | None:
    meta = _meta(folder)
    tags = dict(_texts(folder / "tags"))
    status = meta.get("status", "")
    run = StoredRun(
        run_id=meta.get("run_id") or meta.get("run_uuid") or folder.name,
        name=tags.get("mlflow.runName") or meta.get("run_name", ""),
        status=STATUS.get(status, status),
        start_ms=_whole(meta.get("start_time")),
        end_ms=_whole(meta.get("end_time")),
        params=dict(_texts(folder / "params")),
        tags=tags,
    )
    run.points = sorted(_points(folder / "metrics"), key=lambda p: (p.step, p.t_ms))
    return run


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of every file; a name with slashes is a path."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        try:
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path.read_text("utf-8", "replace")
        except OSError:
            continue


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    return ((name, text[:MAX_TEXT].rstrip("\n")) for name, text in _files(folder))


def _points(folder: Path) -> Iterator[Point]:
    for name, text in _files(folder):
        for line in text.splitlines():
            words = line.split()
            try:
                t_ms, value, step = _whole(words[0]), float(words[1]), _whole(words[2]) if len(words) > 2 else 0
            except (ValueError, IndexError):
                continue  # a torn last line
            if t_ms is not None and step is not None:
                yield Point(name, value if not math.isnan(value) else math.nan, t_ms, step)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and _WHOLE.fullmatch(text) else None
