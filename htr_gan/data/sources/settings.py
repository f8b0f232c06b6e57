"""What an import depends on, and the name it gets in the cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from htr_gan.config.data_section import DataConfig
from htr_gan.errors import MissingFileError
from htr_gan.files import fingerprint

RECIPE = 1
"""Raised whenever the same sources and settings give other lines, so that old imports are not taken for new ones."""
COLUMNS_PER_STEP = 4
"""Picture columns behind one time step of the recogniser, where nothing else is said."""


@dataclass(frozen=True)
class ImportSettings:
    """Everything a set of imported lines depends on beside the files themselves."""

    sources: tuple[Path, ...]
    height: int
    width: int
    longest: int
    """Letters of the longest text that is taken."""
    columns_per_step: int = COLUMNS_PER_STEP
    charset: Path | None = None
    on_bad: Literal["refuse", "skip"] = "refuse"
    select: dict[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Time steps of the recogniser, which a text and the blanks between its double letters must fit into."""
        return self.width // self.columns_per_step

    def record(self) -> dict[str, Any]:
        """The settings as JSON, with sizes and times of all files."""
        files = {str(path): file_stamps(path) for path in (*self.sources, *([self.charset] if self.charset else []))}
        return {
            "recipe": RECIPE,
            "files": files,
            "height": self.height,
            "width": self.width,
            "longest": self.longest,
            "columns_per_step": self.columns_per_step,
            "charset": self.charset and str(self.charset),
            "on_bad": self.on_bad,
            "select": self.select,
        }

    def name(self) -> str:
        """The name of the import's folder in the cache; another one as soon as a file of a source changes."""
        return f"import-{fingerprint(self.record())}"


def import_settings(data: DataConfig, columns_per_step: int = COLUMNS_PER_STEP) -> ImportSettings:
    """The import that a configuration asks for; texts must fit the time steps of a recogniser of that many columns."""
    return ImportSettings(
        sources=data.sources,
        height=data.height,
        width=data.width,
        longest=data.text_length,
        columns_per_step=columns_per_step,
        charset=data.charset,
        on_bad=data.on_bad,
        select=dict(data.select),
    )


def file_stamps(path: Path) -> list[list[Any]]:
    """Name, size and time of change of the file, or of all files below the folder; MissingFileError if it is gone."""
    if not path.exists():
        raise MissingFileError(path, "a source of lines")
    files = sorted(_files(path)) if path.is_dir() else [path]
    return [[str(file.relative_to(path)), stat.st_size, stat.st_mtime_ns] for file in files for stat in (file.stat(),)]


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (file for name in names if (file := Path(place) / name).is_file())
