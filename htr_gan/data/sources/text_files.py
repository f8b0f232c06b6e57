"""Plain folders: each `NAME.gt.txt` with `NAME.png` (or another picture) beside it, `NAME.degraded.png` if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from htr_gan.data.sources.faults import FaultKind
from htr_gan.data.sources.pictures import PICTURE_ENDINGS, UnreadablePictureError, read_grey
from htr_gan.data.sources.source_line import Picture, Reading, SourceLine, tidy_text
from htr_gan.data.sources.splits import splits_of_files

TEXT_ENDING, DEGRADED_MARK = ".gt.txt", ".degraded"


def has_text_files(path: Path) -> bool:
    """Whether `path` is a folder with texts of lines anywhere below it."""
    return path.is_dir() and next(path.rglob(f"*{TEXT_ENDING}"), None) is not None


def read_text_files(path: Path, reading: Reading) -> Iterator[SourceLine]:
    """The lines below the folder in the order of their names."""
    files = sorted(file for file in path.rglob(f"*{TEXT_ENDING}") if file.is_file())
    for file, split in zip(files, splits_of_files([file.relative_to(path) for file in files]), strict=True):
        name = str(file.relative_to(path)).removesuffix(TEXT_ENDING)
        try:
            text = tidy_text(file.read_bytes().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            reading.fault(FaultKind.BAD_RECORD, name, f"{file.name} is not UTF-8 text (byte {error.start})")
            continue
        try:
            clean = _picture(path / name, name, reading)
            degraded = _picture(path / f"{name}{DEGRADED_MARK}", name, reading, needed=False)
        except UnreadablePictureError as error:
            reading.fault(FaultKind.UNREADABLE_PICTURE, name, str(error))
            continue
        if clean is not None:
            yield SourceLine(name, clean, text, split, degraded)


def _picture(stem: Path, name: str, reading: Reading, *, needed: bool = True) -> Picture | None:
    """The one picture of that stem; None, with a fault, if several share it; None if there is none and none is needed."""
    found = [file for ending in PICTURE_ENDINGS if (file := stem.with_name(stem.name + ending)).is_file()]
    if len(found) > 1:
        reading.fault(FaultKind.NAME_TWICE, name, " ".join(file.name for file in found))
        return None
    if not found and needed:
        raise UnreadablePictureError(f"no picture {stem.name}{PICTURE_ENDINGS[0]} or of another format")
    return read_grey(found[0]) if found else None
