"""Requests to a supervisor: JSON files moved into `commands/` by rename, taken in the order of their names."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_tui.errors import StorageError
from htr_tui.files import read_json_surely, write_json
from htr_tui.journal.paths import StudyPaths


@dataclass(frozen=True, slots=True)
class Command:
    """One request; `path` is removed once its effect stands in the journal."""

    path: Path
    name: str
    """stop, pause, continue, retry, budget, enqueue."""
    fields: dict[str, Any]


def send_command(paths: StudyPaths, name: str, **fields: Any) -> Path:
    """Put a request down for the study's supervisor, present or future."""
    target = paths.commands / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.json"
    try:
        paths.commands.mkdir(exist_ok=True)
        write_json(target, {"t": time.time(), "command": name, **fields})
    except OSError as error:
        raise StorageError(
            f"cannot write to {paths.commands}", str(error), "check the folder's permissions and the free space"
        ) from error
    return target


def pending_commands(paths: StudyPaths) -> tuple[list[Command], list[Path]]:
    """Requests in order, and files that are none."""
    commands, garbage = [], []
    try:
        files = sorted(p for p in paths.commands.iterdir() if p.suffix == ".json" and not p.name.startswith("."))
    except OSError:
        return [], []
    for path in files:
        try:
            record = read_json_surely(path)
        except OSError:
            continue  # it can be read another time
        if record is None or not isinstance(record.get("command"), str):
            garbage.append(path)
        else:
            commands.append(Command(path, record["command"], record))
    return commands, garbage
