"""Checkpoints on disk: each one folder, renamed into place as a whole; TensorFlow is not needed to look at them.

`checkpoints/epoch-0003` is the state after epoch 3, `epoch-0003+00012` the state 12 steps later. In each: `state.npz`
(weights and optimizer state by name) and `meta.json` (progress, configuration, checksum). The last two and the best
stay; a folder is removed under another name first, so that a half-removed one is never taken for a checkpoint.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htr_gan.errors import CheckpointError
from htr_gan.files import folder_written_whole, read_json, sweep_leftovers, write_json
from htr_gan.training.progress import Progress

SCHEMA = 1
FOLDER, STATE, META = "checkpoints", "state.npz", "meta.json"
KEPT = 2
_NAME = re.compile(r"epoch-[0-9]{4,}(\+[0-9]{5,})?\Z")

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


def save_checkpoint(run_folder: Path, arrays: Arrays, progress: Progress, meta: dict[str, Any]) -> Path:
    """Write a checkpoint and remove those that are no longer needed; OSError (a full disk) leaves the old ones."""
    folder = run_folder / FOLDER
    folder.mkdir(exist_ok=True)
    name = f"epoch-{progress.epochs_done:04d}"
    if progress.steps_done:
        name += f"+{progress.steps_done:05d}"
    path = folder / name
    sweep_leftovers(path)
    with folder_written_whole(path) as fresh:
        with open(fresh / STATE, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        record = {"schema": SCHEMA, **meta, "progress": progress.record(), "sha256": state_sha256(arrays)}
        write_json(fresh / META, record)
    _remove_old(folder, progress.best_epoch)
    return path


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if _NAME.match(entry.name) and entry.is_dir())
    except OSError:
        return []


def _remove_old(folder: Path, best_epoch: int) -> None:
    best = f"epoch-{best_epoch:04d}"
    for name in _names(folder)[:-KEPT]:
        if name != best:
            condemned = folder / f".{name}.old.tmp"
            shutil.rmtree(condemned, ignore_errors=True)
            (folder / name).rename(condemned)
            shutil.rmtree(condemned, ignore_errors=True)


def find_checkpoint(run_folder: Path) -> Checkpoint | None:
    """The newest usable checkpoint of a run; None if it has none."""
    for name in reversed(_names(run_folder / FOLDER)):
        path = run_folder / FOLDER / name
        meta = read_json(path / META)
        if meta is None or meta.get("schema") != SCHEMA or not (path / STATE).is_file():
            continue
        try:
            return Checkpoint(path, Progress.from_record(meta["progress"]), meta)
        except (KeyError, TypeError):
            continue
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
    """CheckpointError naming the first difference, if the state is not that of the network at hand."""
    for name, array in wanted.items():
        if name not in arrays:
            _refuse(path, f"{name} {array.shape} is not in the checkpoint", changed)
        if arrays[name].shape != array.shape:
            _refuse(path, f"{name} is {arrays[name].shape} in the checkpoint and {array.shape} here", changed)
    for name in arrays.keys() - wanted.keys():
        _refuse(path, f"{name} of the checkpoint is not in this network", changed)


def _refuse(path: Path, difference: str, changed: list[str]) -> None:
    hint = f"changed since: {', '.join(changed)}" if changed else "start without --resume in a fresh folder"
    raise CheckpointError(
        f"checkpoint mismatch: {path} does not fit this configuration", f"first difference: {difference}", hint
    )
