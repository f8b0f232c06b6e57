"""A small JSON file that is read again when it changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_tui.files import read_json

LARGEST = 4 << 20
"""A larger document is not one of ours."""


@dataclass(slots=True)
class JsonFile:
    """The newest content of a document that somebody else replaces."""

    path: Path
    record: dict[str, Any] | None = None
    _stamp: tuple[int, int, int] | None = None

    def refresh(self) -> bool:
        """Read it if its stat changed; True if the content is another."""
        try:
            stat = self.path.stat()
        except OSError:
            stamp = None
        else:
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        before = self.record
        is_readable = stamp is not None and stamp[2] <= LARGEST
        self.record = read_json(self.path) if is_readable else None
        return self.record != before
