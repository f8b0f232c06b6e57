"""Which trained thing lies in a folder, found without TensorFlow so that a wrong folder is answered at once.

Taken are the folder of a run of task `gan` or `recognizer`, the folder of a recogniser, and what `htr-gan export` wrote.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from htr_gan.config.load import load_config
from htr_gan.config.schema import Config, GanConfig
from htr_gan.errors import UsageError
from htr_gan.files import read_json

BEST, LAST = "best", "last"
CONFIG, CHECKPOINTS, HISTORY, RECOGNISER = "config.json", "checkpoints", "history.json", "recognizer"
CHECKPOINT_META, CHECKPOINT_STATE = "meta.json", "state.npz"
RECOGNISER_META = "recognizer.json"
EXPORT = "export.json"
EXPORT_SCHEMA = 1
_EPOCH = re.compile(r"epoch-[0-9]{4,}(\+[0-9]{5,})?\Z")
_TAKEN = "the folder of a run, of a recogniser, or of an export is expected"

Kind = Literal["gan", "recogniser"]


@dataclass(frozen=True)
class Trained:
    """A folder with something trained in it, and which part of it is meant."""

    folder: Path
    kind: Kind
    config: Config | None = None
    """Of a run; None for a recogniser's folder and for an export."""
    checkpoint: Path | None = None
    """The checkpoint's folder; None for a recogniser's folder and for an export."""
    recogniser: Path | None = None
    """The recogniser's folder, as far as it lies in this one."""
    export: dict[str, Any] | None = None
    """The record of an export."""

    @property
    def label(self) -> str:
        """Folder and checkpoint, for people."""
        return f"{self.folder} ({self.checkpoint.name})" if self.checkpoint else str(self.folder)


def find_trained(folder: Path, checkpoint: str = BEST) -> Trained:
    """What lies in `folder`; UsageError or ConfigError says why it cannot be used.

    `checkpoint` is `best`, `last` or a name such as `epoch-0003`; it matters for runs only.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", _TAKEN)
    record = read_json(folder / EXPORT)
    if record is not None:
        return _exported(folder, record)
    if (folder / RECOGNISER_META).is_file():
        return Trained(folder, "recogniser", recogniser=folder)
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{folder}: nothing trained in it", f"no {CONFIG}, {RECOGNISER_META} or {EXPORT}; {_TAKEN}")
    config = load_config(folder / CONFIG)
    inside = folder / RECOGNISER
    recogniser = inside if (inside / RECOGNISER_META).is_file() else None
    if isinstance(config, GanConfig):
        return Trained(folder, "gan", config, find_checkpoint_named(folder, checkpoint), recogniser)
    if recogniser is not None and checkpoint == BEST:
        return Trained(folder, "recogniser", config, None, recogniser)
    return Trained(folder, "recogniser", config, find_checkpoint_named(folder, checkpoint), None)


def _exported(folder: Path, record: dict[str, Any]) -> Trained:
    if record.get("schema") != EXPORT_SCHEMA or record.get("kind") not in ("gan", "recogniser"):
        raise UsageError(f"{folder / EXPORT}: not an export that this version reads", _TAKEN)
    return Trained(folder, record["kind"], export=record)


def find_checkpoint_named(run: Path, wanted: str) -> Path:
    """The folder of a checkpoint of a run; UsageError names those that exist."""
    names = _complete(run / CHECKPOINTS)
    if not names:
        raise UsageError(f"{run}: no checkpoint in it", "the run has not finished an epoch yet, or was never started")
    if wanted == LAST:
        return run / CHECKPOINTS / names[-1]
    name = _best_name(run, names) if wanted == BEST else wanted
    if name not in names:
        raise UsageError(f"{run}: no checkpoint {name}", f"there are: {' '.join(names)}, and {BEST} and {LAST}")
    return run / CHECKPOINTS / name


def _complete(folder: Path) -> list[str]:
    try:
        found = sorted(entry.name for entry in os.scandir(folder) if _EPOCH.match(entry.name) and entry.is_dir())
    except OSError:
        return []
    return [name for name in found if all((folder / name / part).is_file() for part in _PARTS)]


_PARTS = (CHECKPOINT_META, CHECKPOINT_STATE)


def _best_name(run: Path, names: list[str]) -> str:
    """By the newest checkpoint's own memory; `history.json` is for people and may be older."""
    progress = (read_json(run / CHECKPOINTS / names[-1] / CHECKPOINT_META) or {}).get("progress")
    best = progress.get("best_epoch") if isinstance(progress, dict) else None
    if not isinstance(best, int):
        best = (read_json(run / HISTORY) or {}).get("best_epoch")
    name = f"epoch-{best:04d}" if isinstance(best, int) and best > 0 else names[-1]
    return name if name in names else names[-1]


def require_kind(trained: Trained, kind: Kind, what: str) -> None:
    """UsageError if the command needs another thing than was found."""
    if trained.kind != kind:
        raise UsageError(f"{trained.folder}: a {trained.kind} is in it", what)
