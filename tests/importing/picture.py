"""What a folder looks like to the byte, and other people's files to look at."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from htr_tui.importing.foreign import Choice, ForeignStudy
from htr_tui.importing.reading import open_source
from htr_tui.importing.sources import find_source

DATA = Path(__file__).parent / "data"


def picture(folder: Path, *, but: frozenset[str] = frozenset()) -> dict[str, tuple[str, int]]:
    """Every file and folder with its digest and time of change."""
    found = {".": ("", folder.stat().st_mtime_ns)}
    for path in sorted(folder.rglob("*")):
        if path.name not in but:
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path.relative_to(folder))] = (digest, path.stat().st_mtime_ns)
    return found


def theirs(folder: Path, name: str) -> Path:
    """A fixture alone in a folder of its own."""
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy2(DATA / name, folder / name))


def read(url: str, study: str, choice: Choice | None = None) -> tuple[ForeignStudy, str]:
    """A study of a source, and the source's kind."""
    with open_source(find_source(url, Path("/"))) as reader:
        return reader.read(study, choice or Choice()), reader.kind
