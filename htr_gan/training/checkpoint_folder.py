"""Checkpoints on disk: each one folder, renamed into place as a whole; TensorFlow is not needed to look at them.

`checkpoints/epoch-0003` is the state after epoch 3, `epoch-0003+00012` the state 12 steps later. In each: `state.npz`
(weights and optimizer state by name) and `meta.json` (progress, configuration, checksum). The last ones and the best
stay; a folder is removed under another name first, so that a half-removed one is never taken for a checkpoint.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htr_gan.errors import CheckpointError
from htr_gan.files import folder_written_whole, read_json, write_json
from htr_gan.training.progress import Progress

SCHEMA = 1
FOLDER, STATE, META = "checkpoints", "state.npz", "meta.json"
_NAME = re.compile(r"epoch-([0-9]{4,})(?:\+([0-9]{5,}))?\Z")

SEED_NAME = re.compile(r"\A[a-z_]+_seed/[0-9]{3}\Z")
"""The name of a random layer's seed in the state (`htr_gan.training.stepped`)."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint that was found."""

    path: Path
    progress: Progress
    meta: dict[str, Any]


def state_sha256(arrays: Arrays) -> str:
    """A checksum over names, shapes, types and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_checkpoint(
    run_folder: Path, arrays: Arrays, progress: Progress, meta: dict[str, Any], keep_last: int = 2
) -> Path:
    """Write a checkpoint and remove those that are no longer needed; OSError (a full disk) leaves the old ones."""
    folder = run_folder / FOLDER
    folder.mkdir(exist_ok=True)
    name = f"epoch-{progress.epochs_done:04d}"
    if progress.steps_done:
        name += f"+{progress.steps_done:05d}"
    path = folder / name
    for leftover in folder.glob(".epoch-*.tmp"):  # of writers that were killed; there is one at a time
        shutil.rmtree(leftover, ignore_errors=True)
    with folder_written_whole(path) as fresh:
        with open(fresh / STATE, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        record = {"schema": SCHEMA, **meta, "progress": progress.record(), "sha256": state_sha256(arrays)}
        write_json(fresh / META, record)
    _remove_old(folder, name, progress.best_epoch, keep_last)
    return path


def _age(name: str) -> tuple[int, int]:
    """Epochs and steps in a checkpoint's name; as text, epoch 10000 would come before 9999."""
    match = _NAME.match(name)
    assert match is not None
    return int(match[1]), int(match[2] or 0)


def _names(folder: Path) -> list[str]:
    try:
        names = [entry.name for entry in os.scandir(folder) if _NAME.match(entry.name) and entry.is_dir()]
        return sorted(names, key=_age)
    except OSError:
        return []


def checkpoint_ages(run_folder: Path) -> list[tuple[int, int]]:
    """(epochs, steps in the unfinished epoch) of the checkpoints of a run, the oldest first."""
    return [_age(name) for name in _names(run_folder / FOLDER)]


def best_checkpoint(run_folder: Path, progress: Progress) -> Path:
    """Where the best epoch's checkpoint should be."""
    return run_folder / FOLDER / f"epoch-{progress.best_epoch:04d}"


def _remove_old(folder: Path, newest: str, best_epoch: int, keep_last: int) -> None:
    """Newer ones than the one just written are damaged (they were passed over); they will be written again."""
    best = f"epoch-{best_epoch:04d}"
    names = [name for name in _names(folder) if _age(name) <= _age(newest)]
    for name in names[:-keep_last]:
        if name != best:
            condemned = folder / f".{name}.old.tmp"
            shutil.rmtree(condemned, ignore_errors=True)
            (folder / name).rename(condemned)
            shutil.rmtree(condemned, ignore_errors=True)


def read_checkpoint(path: Path) -> Checkpoint | None:
    """What lies in a checkpoint's folder, its state not yet looked at; None if it is no complete checkpoint."""
    meta = read_json(path / META)
    if meta is None or meta.get("schema") != SCHEMA or not (path / STATE).is_file():
        return None
    try:
        return Checkpoint(path, Progress.from_record(meta["progress"]), meta)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def find_checkpoints(run_folder: Path) -> Iterator[Checkpoint]:
    """The complete checkpoints of a run, the newest first."""
    for name in reversed(_names(run_folder / FOLDER)):
        found = read_checkpoint(run_folder / FOLDER / name)
        if found is not None:
            yield found


def find_checkpoint(run_folder: Path) -> Checkpoint | None:
    """The newest complete checkpoint of a run; None if it has none."""
    return next(find_checkpoints(run_folder), None)


def find_intact(run_folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint whose bytes are those that were written; damaged ones are passed over with a warning.

    None if there is no checkpoint; CheckpointError if all are damaged, as a fresh start would write over them.
    """
    damaged: CheckpointError | None = None
    for found in find_checkpoints(run_folder):
        try:
            load_arrays(found.path)
        except CheckpointError as error:
            warn(f"{error.title} ({error.message}); the next older checkpoint is taken")
            damaged = damaged or error
            continue
        return found
    if damaged is not None:
        raise CheckpointError(damaged.title, damaged.message, "no older checkpoint is intact; start in a fresh folder")
    return None


def load_arrays(path: Path) -> Arrays:
    """The state in a checkpoint's folder, checked against its checksum."""
    meta = read_json(path / META) or {}
    try:
        with np.load(path / STATE, allow_pickle=False) as file:
            arrays: Arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: the checkpoint cannot be read", str(error)) from error
    if state_sha256(arrays) != meta.get("sha256"):
        raise CheckpointError(f"{path}: the checkpoint is damaged", "its bytes are not those that were written")
    return arrays


def check_fit(path: Path, arrays: Arrays, wanted: Arrays, changed: list[str]) -> None:
    """CheckpointError naming the first difference, if the state is not that of the network at hand.

    Seeds of dropout may be on one side only: earlier releases did not save them, and dropout may be switched.
    """
    for name, array in wanted.items():
        if name not in arrays and SEED_NAME.search(name):
            continue
        if name not in arrays:
            _refuse(path, f"{name} {array.shape} is not in the checkpoint", changed)
        if arrays[name].shape != array.shape:
            _refuse(path, f"{name} is {arrays[name].shape} in the checkpoint and {array.shape} here", changed)
    for name in sorted(arrays.keys() - wanted.keys()):
        if SEED_NAME.search(name):
            continue
        _refuse(path, f"{name} of the checkpoint is not in this network", changed)


def _refuse(path: Path, difference: str, changed: list[str]) -> None:
    hint = f"changed since: {', '.join(changed)}" if changed else "start without --resume in a fresh folder"
    raise CheckpointError(
        f"checkpoint mismatch: {path} does not fit this configuration", f"first difference: {difference}", hint
    )
