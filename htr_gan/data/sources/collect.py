"""Reads sources line by line, checks every line, and keeps the good ones at one size on the disk."""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from htr_gan.alphabet import Alphabet
from htr_gan.config.condition import parse_condition
from htr_gan.data.picture_file import PictureFile
from htr_gan.data.sources.faults import FaultKind, Faults
from htr_gan.data.sources.fit import fit_picture
from htr_gan.data.sources.kinds import kind_of
from htr_gan.data.sources.settings import ImportSettings
from htr_gan.data.sources.source_line import Reading, SourceLine
from htr_gan.data.sources.splits import TEST, Place
from htr_gan.errors import UsageError

CLEAN_SPOOL, DEGRADED_SPOOL = "clean.spool.npy", "degraded.spool.npy"


@dataclass(frozen=True, slots=True)
class Kept:
    """A line whose pictures are in the spool, at its own index."""

    name: str
    text: str
    place: Place


@dataclass
class Collected:
    """What was read of all sources."""

    kept: list[Kept] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    has_degraded: bool | None = None
    """None until the first line."""
    squeezed: int = 0
    not_selected: int = 0
    per_source: list[dict[str, str | int]] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)
    """Measures that any line has."""


def collect(
    settings: ImportSettings,
    charset: Alphabet | None,
    folder: Path | None,
    check: Callable[[], None],
    note: Callable[[str], None],
) -> Collected:
    """Read all sources; the good lines go into the spool files of `folder`, or nowhere for a mere check."""
    collected = Collected()
    with Spool(folder, settings.height, settings.width) as spool:
        for source, label in zip(settings.sources, _labels(settings.sources), strict=True):
            kind = kind_of(source)
            note(f"reading {source} ({kind.name})")
            before = len(collected.kept)
            reading = Reading(collected.faults, label, charset, settings.height, note)
            collector = _Collector(settings, label, collected, spool)
            for line in kind.read(source, reading):
                check()
                collector.take(line)
            kept = len(collected.kept) - before
            collected.per_source.append({"path": str(source), "kind": kind.name, "label": label, "lines": kept})
    _require_columns(settings.select, collected.columns)
    return collected


def _require_columns(select: Mapping[str, str], columns: set[str]) -> None:
    """A condition that no line could meet or miss is a slip of the pen."""
    for column in select:
        if column not in columns:
            close = difflib.get_close_matches(column, columns, 1)
            raise UsageError(
                f"select: no source has a column {column!r}",
                f"there are: {' '.join(sorted(columns)) or 'none'}",
                f"did you mean {close[0]}?" if close else "",
            )


def _labels(sources: tuple[Path, ...]) -> Iterator[str]:
    """A short name for each source, told apart by numbers where two folders have the same."""
    seen: Counter[str] = Counter()
    for source in sources:
        name = source.stem if source.is_file() else source.name
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}~{seen[name]}"


class Spool:
    """Pictures of the lines that were kept, in the order of reading."""

    def __init__(self, folder: Path | None, height: int, width: int) -> None:
        self._folder, self._size = folder, (height, width)
        self._files: dict[str, PictureFile] = {}

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_error: object) -> None:
        for file in self._files.values():
            file.close()

    def add(self, line: SourceLine) -> bool:
        """Keep the pictures of `line`; whether they had to be squeezed."""
        squeezed = False
        for name, picture in ((CLEAN_SPOOL, line.picture), (DEGRADED_SPOOL, line.degraded)):
            if picture is None:
                continue
            fitted = fit_picture(picture, *self._size)
            squeezed = squeezed or fitted.squeezed
            if self._folder is not None:
                if name not in self._files:
                    self._files[name] = PictureFile(self._folder / name, *self._size)
                self._files[name].append(fitted.picture)
        return squeezed


class _Collector:
    """Takes the lines of one source."""

    def __init__(self, settings: ImportSettings, label: str, collected: Collected, spool: Spool) -> None:
        self._settings, self._label, self._collected, self._spool = settings, label, collected, spool
        self._names: set[str] = set()
        self._conditions = {column: parse_condition(text) for column, text in settings.select.items()}

    def take(self, line: SourceLine) -> None:
        """Check `line` and keep it, or remember what is wrong with it."""
        name = f"{self._label}/{line.name}"
        self._collected.columns.update(line.measures)
        fault = self._fault_of(line)
        self._names.add(line.name)
        if fault is not None:
            self._collected.faults.add(fault[0], name, fault[1])
        elif line.split != TEST and not self._selected(line):
            self._collected.not_selected += 1
        else:
            self._require_same_sides(line)
            self._collected.squeezed += self._spool.add(line)
            group = f"{self._label}/{line.page or line.name}"
            self._collected.kept.append(Kept(name, line.text, Place(group, line.split)))

    def _fault_of(self, line: SourceLine) -> tuple[FaultKind, str] | None:
        if line.name in self._names:
            return FaultKind.NAME_TWICE, ""
        if min(line.picture.shape) < 2:
            return FaultKind.UNREADABLE_PICTURE, "less than 2 pixels in height or width"
        if line.degraded is not None and line.degraded.shape != line.picture.shape:
            return FaultKind.SIZES_DIFFER, f"{_size(line.degraded.shape)} and {_size(line.picture.shape)}"
        return text_fault(line.text, self._settings.longest, self._settings.steps)

    def _selected(self, line: SourceLine) -> bool:
        return all(
            condition.holds(line.measures[column])
            for column, condition in self._conditions.items()
            if column in line.measures
        )

    def _require_same_sides(self, line: SourceLine) -> None:
        has_degraded = line.degraded is not None
        if self._collected.has_degraded not in (None, has_degraded):
            raise UsageError(
                "the sources mix lines with a degraded picture and lines without one",
                f"first line of the other kind: {self._label}/{line.name}",
                "import them one by one",
            )
        self._collected.has_degraded = has_degraded


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)


def text_fault(text: str, longest: int, steps: int) -> tuple[FaultKind, str] | None:
    """What is wrong with the length of `text`: empty, longer than `longest`, or with no CTC path of `steps` steps."""
    if not text.strip():
        return FaultKind.EMPTY_TEXT, ""
    if len(text) > longest:
        return FaultKind.TOO_LONG, f"{len(text)} letters, at most {longest} are taken"
    doubles = sum(first == second for first, second in itertools.pairwise(text))
    if len(text) + doubles > steps:
        return FaultKind.TOO_LONG, f"{len(text)} letters and {doubles} blanks between doubles, {steps} time steps"
    return None
