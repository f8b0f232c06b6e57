"""Sets of lines kept on disk under a name made from their settings; made once, also when two processes want them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from htr_gan.config.data_section import DataConfig
from htr_gan.data.damage import damage_of
from htr_gan.data.lines import LineSet, read_lines
from htr_gan.data.make import LineSettings, make_lines
from htr_gan.data.sources.importer import REPORT, import_lines, refuse_faults, told, told_unknown
from htr_gan.data.sources.settings import COLUMNS_PER_STEP, ImportSettings, file_stamps, import_settings
from htr_gan.data.sources.splits import HELD_OUT, TEST, TRAIN
from htr_gan.errors import DataError, GanError, MissingFileError
from htr_gan.files import folder_written_whole, locked, sweep_leftovers, write_json

__all__ = [
    "HELD_OUT",
    "TEST",
    "TRAIN",
    "Note",
    "WaitingNote",
    "lines_identity",
    "load_lines",
    "settings_of",
    "write_lines",
]
NOTE_EVERY_S = 10.0
"""How often one who waits for a lock says so."""

Note = Callable[[str], None]


def settings_of(data: DataConfig, split: str, *, degraded: bool) -> LineSettings:
    """What the lines of a split depend on."""
    return LineSettings(
        lines=data.lines if split == TRAIN else data.held_out,
        seed=data.seed,
        split=split,
        height=data.height,
        width=data.width,
        text_length=data.text_length,
        fonts=data.fonts,
        damage=damage_of(data) if degraded else None,
        texts=None if data.texts is None else str(data.texts),
    )


def load_lines(
    data: DataConfig,
    split: str,
    cache: Path,
    check: Callable[[], None],
    note: Note,
    *,
    degraded: bool,
    columns_per_step: int = COLUMNS_PER_STEP,
) -> LineSet:
    """The lines of a split: from `data.path`, from the cache, or imported or rendered now.

    `degraded` of the result is None although asked for if the lines were imported from a source of clean lines.
    Imported texts that do not fit the time steps of a recogniser with `columns_per_step` are refused or left out.
    """
    if data.path is not None:
        if not data.path.is_dir():
            raise MissingFileError(data.path, "data.path should be a folder made by `htr-gan data` or `htr-gan import`")
        return _telling_unknown(read_lines(data.path / split, with_degraded=degraded), split, note)
    if data.sources:
        imported = _load_imported(import_settings(data, columns_per_step), split, cache, check, note, degraded=degraded)
        return _telling_unknown(imported, split, note)
    settings = settings_of(data, split, degraded=degraded)
    folder = cache / "lines" / settings.name()
    found = _read_cached(folder, degraded)
    if found is not None:
        return found
    with locked(folder.with_name(f"{folder.name}.lock"), WaitingNote(check, note, f"the {split} lines")):
        found = _read_cached(folder, degraded)  # somebody else made it while this process waited
        if found is None:
            sweep_leftovers(folder)
            note(f"rendering {settings.lines} {split} lines")
            with folder_written_whole(folder) as fresh:
                make_lines(settings, fresh, data.workers, check)
            found = read_lines(folder, with_degraded=degraded)
    return found


def lines_identity(data: DataConfig) -> Any:
    """What tells the clean lines of a configuration from those of another: the same lines, the same value."""
    if data.path is not None:
        return {str(data.path / split): file_stamps(data.path / split) for split in (TRAIN, HELD_OUT)}
    if data.sources:
        return import_settings(data).record()
    return [settings_of(data, split, degraded=False).record() for split in (TRAIN, HELD_OUT)]


def _load_imported(
    settings: ImportSettings, split: str, cache: Path, check: Callable[[], None], note: Note, *, degraded: bool
) -> LineSet:
    """One import makes all splits; DataError if the sources have no lines of this one."""
    folder = cache / "lines" / settings.name()
    found = _read_cached(folder / split, degraded)
    if found is None:
        with locked(folder.with_name(f"{folder.name}.lock"), WaitingNote(check, note, "the imported lines")):
            if not _is_whole(folder, split, degraded):
                _import_into(folder, settings, check, note)
        if not (folder / split).is_dir():
            raise DataError(f"the sources give no {split} lines", f"see {folder / REPORT}")
        found = read_lines(folder / split, with_degraded=degraded)
    return found


def _is_whole(folder: Path, split: str, degraded: bool) -> bool:
    """Whether the import is there, if perhaps without lines of that split."""
    if (folder / REPORT).is_file() and not (folder / split).exists():
        return True
    return _read_cached(folder / split, degraded) is not None


def _import_into(folder: Path, settings: ImportSettings, check: Callable[[], None], note: Note) -> None:
    sweep_leftovers(folder)
    report = folder.with_name(f"{folder.name}.json")
    with folder_written_whole(folder) as fresh:
        done = import_lines(settings, fresh, check, note)
        write_json(report, done.report())
        refuse_faults(done, report)
    for sentence in told(done):
        note(sentence)


def _telling_unknown(lines: LineSet, split: str, note: Note) -> LineSet:
    """Imported texts may hold letters that nobody has learned; that is told each time."""
    sentence = told_unknown(lines.texts, lines.alphabet, split) if lines.imported else None
    if sentence is not None:
        note(sentence)
    return lines


def write_lines(data: DataConfig, folder: Path, check: Callable[[], None]) -> None:
    """Both splits into `folder`, as `htr-gan data` promises."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in (TRAIN, HELD_OUT):
        sweep_leftovers(folder / split)
        with folder_written_whole(folder / split) as fresh:
            make_lines(settings_of(data, split, degraded=True), fresh, data.workers, check)


def _read_cached(folder: Path, degraded: bool) -> LineSet | None:
    try:
        return read_lines(folder, with_degraded=degraded)
    except GanError:
        return None  # missing, or damaged: it is a cache, so it is made again


class WaitingNote:
    """Called while a lock is waited for: lets the user stop, and says every now and then what is waited for."""

    def __init__(self, check: Callable[[], None], note: Note, what: str) -> None:
        self._check, self._note, self._what = check, note, what
        self._next_s = 0.0

    def __call__(self, waited_s: float) -> None:
        """Report after `waited_s` seconds of waiting."""
        self._check()
        if waited_s >= self._next_s:
            self._note(f"waiting for another process that makes {self._what}")
            self._next_s = waited_s + NOTE_EVERY_S
