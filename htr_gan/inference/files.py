"""Which picture files a command works on, and where their results go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from htr_gan.errors import MissingFileError, UsageError


@dataclass(frozen=True)
class Work:
    """What was found in a folder."""

    files: tuple[Path, ...]
    passed_over: int
    """Files that are nothing for this command."""


def find_files(source: Path, suffixes: frozenset[str], *, recursive: bool, without: Path | None = None) -> Work:
    """The file `source`, or those of the folder `source` with one of the `suffixes`, sorted; `without` is left out."""
    if not source.exists():
        raise MissingFileError(source, "a file or folder was expected")
    if not source.is_dir():
        return Work((source,), 0)
    files, passed_over = [], 0
    for path in _walk(source, recursive, without):
        if path.suffix.lower() in suffixes:
            files.append(path)
        else:
            passed_over += 1
    return Work(tuple(files), passed_over)


def _walk(folder: Path, recursive: bool, without: Path | None) -> Iterator[Path]:
    """Hidden files and folders are the system's, not the user's."""
    hidden_from_us = without.resolve() if without is not None and without.exists() else None
    for place, folders, names in os.walk(folder, onerror=_raise):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if recursive and not name.startswith(".") and (here / name).resolve() != hidden_from_us
        )
        yield from (here / name for name in sorted(names) if not name.startswith(".") and (here / name).is_file())


def _raise(error: OSError) -> None:
    raise error


def targets_of(source: Path, files: tuple[Path, ...], out: Path, *, into_folder: bool = False) -> dict[Path, Path]:
    """Where the result of each file goes: the same name below `out`, or `out` itself for a single file."""
    if (source.is_dir() or into_folder) and out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "the results of several files go into a folder")
    if source.is_dir():
        return {path: out / path.relative_to(source) for path in files}
    return {source: out / source.name if into_folder or out.is_dir() else out}


def refuse_same(source: Path, out: Path) -> None:
    """UsageError if the results would go where the originals are."""
    target = out / source.name if out.is_dir() and not source.is_dir() else out
    if target.exists() and target.samefile(source):
        raise UsageError(f"{out}: IN and OUT are the same", "originals are never overwritten; name another OUT")


def refuse_existing(targets: list[Path], remedy: str) -> None:
    """UsageError if one of the targets exists."""
    existing = [target for target in targets if os.path.lexists(target)]
    if existing:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UsageError(f"{existing[0]}{more} exist already; nothing was written", "", remedy)


def in_groups(files: list[Path], size: int, check: Callable[[], None]) -> Iterator[list[Path]]:
    """`size` files at a time; `check` may raise between groups to end the work early."""
    for start in range(0, len(files), size):
        check()
        yield files[start : start + size]
