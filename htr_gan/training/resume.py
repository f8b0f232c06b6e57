"""Where a run goes on from: its own checkpoints, or those of the attempt before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from htr_gan.config.schema import Config, flatten
from htr_gan.errors import CheckpointError, MissingFileError
from htr_gan.events import EventSink
from htr_gan.files import folder_written_whole
from htr_gan.training.checkpoint_folder import FOLDER, Checkpoint, find_intact, read_checkpoint

RESUME_VARIABLE = "HTR_TUI_RESUME_FROM"


def choose_checkpoint(out: Path, resume: Path | None, events: EventSink) -> Checkpoint | None:
    """The checkpoint to go on from, copied into `out` if it lies elsewhere; None for a fresh start.

    In this order: `resume` (it must have one), the run's own folder, $HTR_TUI_RESUME_FROM (it may have none). Damaged
    checkpoints are passed over with a warning.
    """

    def warn(message: str) -> None:
        events.note(message, "warning")

    if resume is not None:
        found = find_intact(resume, warn)
        if found is None:
            raise MissingFileError(resume / FOLDER, f"--resume {resume}: no usable checkpoint in it")
        return _adopt(found, out)
    found = find_intact(out, warn)
    if found is not None:
        return found
    earlier = os.environ.get(RESUME_VARIABLE)
    if not earlier:
        return None
    found = find_intact(Path(earlier), warn)
    if found is None:
        events.note(f"nothing to resume: no usable checkpoint in {earlier}; starting afresh", "warning")
        return None
    return _adopt(found, out)


def _adopt(found: Checkpoint, out: Path) -> Checkpoint:
    """Copy a checkpoint and the best one into `out`, so that this run's folder is complete by itself."""
    source, target = found.path.parent, out / FOLDER
    if source.resolve() == target.resolve():
        return found
    target.mkdir(parents=True, exist_ok=True)
    own = read_checkpoint(target / found.path.name)
    if own is not None and own.meta.get("sha256") != found.meta.get("sha256"):
        raise CheckpointError(
            f"checkpoint mismatch: {own.path} is another one than {found.path}", hint="resume into a fresh folder"
        )
    best = source / f"epoch-{found.progress.best_epoch:04d}"
    for path in (best, found.path):
        if path.is_dir() and ((path == found.path and own is None) or not (target / path.name).exists()):
            with folder_written_whole(target / path.name) as fresh:
                for file in path.iterdir():
                    shutil.copyfile(file, fresh / file.name)
    return Checkpoint(target / found.path.name, found.progress, found.meta)


def changed_keys(checkpoint: Checkpoint, config: Config) -> list[str]:
    """The configuration keys whose values differ from those in the checkpoint, as "key: old -> new"."""
    before: dict[str, Any] = checkpoint.meta.get("config") or {}
    now = flatten(config)
    return [
        f"{key}: {before.get(key)!r} -> {now.get(key)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def check_task(checkpoint: Checkpoint, config: Config) -> None:
    """A checkpoint of another task is refused before anything is loaded."""
    before = (checkpoint.meta.get("config") or {}).get("task")
    if before != config.task:
        raise CheckpointError(
            f"checkpoint mismatch: {checkpoint.path} is of task {before!r}", f"this configuration is of {config.task!r}"
        )
