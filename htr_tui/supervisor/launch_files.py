"""The files that a study names, as they were at its launch: copies, and whether the originals changed since.

Only the config template is used from its copy. Scripts and configs that the command names are read by the trainer
itself, where they are: a change of one reaches later attempts, so it is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from htr_tui.errors import HtrError, StorageError, UsageError
from htr_tui.files import read_json, write_atomic, write_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.study.rendering import unreached
from htr_tui.study.trainer_files import MAX_TEMPLATE, named_files
from htr_tui.study.trainer_spec import TrainerSpec

INDEX: Final = "index.json"
MAX_COPY: Final = 1 << 20
"""Larger files are neither copied nor watched: they are data, not configuration."""


def copy_files(trainer: TrainerSpec, base: Path, folder: Path, parent: StudyPaths | None = None) -> None:
    """Copy what the study names into `folder`, with an index; OSError if the disk refuses.

    The template of a study made from a `parent` is the parent's copy, whatever has become of the original.
    """
    found = named_files(trainer, base)
    if trainer.config is not None:
        found[trainer.config.template] = _template_file(trainer.config.template, base, parent)
    if not found:
        return
    folder.mkdir()
    entries = []
    for number, (name, path) in enumerate(found.items()):
        data = _read(path)
        if data is None:
            continue
        copy = f"{number:02d}-{Path(name).name}"
        write_atomic(folder / copy, data)
        entries.append({"name": name, "path": str((base / name).resolve()), "sha256": _sha256(data), "copy": copy})
    write_json(folder / INDEX, {"files": entries})


def _template_file(name: str, base: Path, parent: StudyPaths | None) -> Path:
    copy = None if parent is None else LaunchFiles(parent).copy_of(name)
    return base / name if copy is None else copy


def _read(path: Path) -> bytes | None:
    """The content of a small file; None for anything else."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_COPY + 1)
    except OSError:
        return None
    return data if len(data) <= MAX_COPY else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class LaunchFiles:
    """The copies of one study."""

    def __init__(self, paths: StudyPaths) -> None:
        self._folder = paths.files
        listed = (read_json(paths.files / INDEX) or {}).get("files")
        self._entries = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
        self._seen: dict[str, tuple[int, int] | None] = {}
        """Size and time of change of each original at the last look."""

    def template(self, trainer: TrainerSpec) -> str | None:
        """The text of the config template as it was at the launch; None for a study without one."""
        if trainer.config is None:
            return None
        name = trainer.config.template
        copy = self.copy_of(name)
        if copy is None:
            raise StorageError(f"{self._folder} has no copy of {name}", "", "launch the study again under another name")
        try:
            data = copy.read_bytes()
        except OSError as error:
            raise StorageError(f"{copy} cannot be read", str(error)) from error
        try:
            return data[: MAX_TEMPLATE + 1].decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UsageError(f"{copy} is not UTF-8 text") from None

    def copy_of(self, name: str) -> Path | None:
        """Where the copy of a file is that the study calls `name`."""
        copy = next((str(e.get("copy")) for e in self._entries if e.get("name") == name), "")
        return self._folder / copy if copy and "/" not in copy else None

    def changes(self, trainer: TrainerSpec) -> list[str]:
        """What changed since the launch, in words; each change once."""
        found = []
        for entry in self._entries:
            if all(isinstance(entry.get(key), str) for key in ("name", "path", "sha256", "copy")) and (
                message := self._change(entry, trainer)
            ):
                found.append(message)
        return found

    def in_vain(self, trainer: TrainerSpec, names: Collection[str]) -> str:
        """What to tell of parameters set by hand or by a fix that the trainer never gets; an empty text if it does."""
        if not names:
            return ""
        try:
            lost = unreached(trainer, names, self.template(trainer))
        except (HtrError, ValueError):
            return ""  # the attempt itself says what is wrong
        if not lost:
            return ""
        return f"{', '.join(lost)}: set in vain, neither the trainer's command nor its env or config file names it"

    def _change(self, entry: dict[str, Any], trainer: TrainerSpec) -> str:
        name, path = entry["name"], Path(entry["path"])
        try:
            stat = path.stat()
        except OSError:
            stat = None
        look = None if stat is None else (stat.st_size, stat.st_mtime_ns)
        if name in self._seen and self._seen[name] == look:
            return ""
        self._seen[name] = look
        data = None if stat is None else _read(path)
        if data is not None and _sha256(data) == entry["sha256"]:
            return ""
        what = f"{name} was {'removed' if stat is None else 'changed'} since the launch"
        if trainer.config is not None and name == trainer.config.template:
            return f"{what}; the study goes on with its copy, {self._folder / entry['copy']}"
        if stat is None:
            return f"{what}; as it was: {self._folder / entry['copy']}"
        return f"{what}: attempts from now on run with it as it is; as it was: {self._folder / entry['copy']}"
