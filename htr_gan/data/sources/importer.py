"""An import from start to end: sources become the folders train, held-out and test, or a list of what is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from htr_gan.alphabet import Alphabet
from htr_gan.data.lines import ALPHABET, CLEAN, DEGRADED, IMPORTED, NAMES, SCHEMA, SETTINGS, TEXTS
from htr_gan.data.picture_file import PictureFile
from htr_gan.data.sources.charset import read_charset
from htr_gan.data.sources.collect import CLEAN_SPOOL, DEGRADED_SPOOL, Collected, Kept, collect
from htr_gan.data.sources.faults import FaultKind
from htr_gan.data.sources.settings import ImportSettings
from htr_gan.data.sources.splits import HELD_OUT, SPLITS, TRAIN, assign_splits
from htr_gan.errors import BadLinesError, DataError
from htr_gan.files import write_json

REPORT = "import.json"
"""What was read, left out and found wrong; beside the folders of the splits."""

Check = Callable[[], None]
Note = Callable[[str], None]


@dataclass(frozen=True)
class Import:
    """What became of the sources."""

    settings: ImportSettings
    collected: Collected
    lines: dict[str, tuple[int, ...]]
    """Indices of the lines of each split among those collected; splits without lines are left out."""
    alphabet: Alphabet

    @property
    def refused(self) -> bool:
        """Whether there are bad lines that were not to be skipped; then nothing is written."""
        return bool(self.collected.faults) and self.settings.on_bad == "refuse"

    def texts(self, split: str) -> list[str]:
        """The texts of a split."""
        return [self.collected.kept[index].text for index in self.lines.get(split, ())]

    def unknown_letters(self, split: str) -> Counter[str]:
        """Letters of a split that have no label, with how often they occur."""
        known = set(self.alphabet.letters)
        return Counter(letter for text in self.texts(split) for letter in text if letter not in known)

    def report(self) -> dict[str, Any]:
        """Everything for `import.json`."""
        found = self.collected
        return {
            "schema": SCHEMA,
            "sources": found.per_source,
            "height": self.settings.height,
            "width": self.settings.width,
            "alphabet": self.alphabet.letters,
            "lines": {split: len(indices) for split, indices in self.lines.items()},
            "not_selected": found.not_selected,
            "squeezed": found.squeezed,
            "unknown_letters": {split: dict(self.unknown_letters(split).most_common()) for split in self.lines},
            "on_bad": self.settings.on_bad,
            "bad": found.faults.counts(),
            "bad_lines": [
                {"kind": fault.kind.value, "name": fault.name, "detail": fault.detail} for fault in found.faults.found
            ],
        }


def import_lines(settings: ImportSettings, folder: Path | None, check: Check, note: Note) -> Import:
    """Read and check all sources and fill the empty `folder`; None only checks.

    Faults are in the result; it is for the caller to refuse them before anybody reads the folder (`refuse_faults`).
    """
    charset = read_charset(settings.charset) if settings.charset is not None else None
    collected = collect(settings, charset, folder, check, note)
    if not collected.kept:
        raise BadLinesError("no line of the sources can be used", collected.faults.summary())
    splits = assign_splits([kept.place for kept in collected.kept])
    alphabet = charset or _letters_of(collected.kept, splits)
    lines = _by_split(collected, splits, alphabet)
    done = Import(settings, collected, lines, alphabet)
    if not done.refused:
        _require_both(lines)
        if folder is not None:
            _write_splits(done, folder, check)
    return done


def refuse_faults(done: Import, report: Path | None) -> None:
    """BadLinesError with all faults, if there are any and they are not to be skipped."""
    faults = done.collected.faults
    if not done.refused:
        return
    where = f"all of them: {report}\n" if report is not None else ""
    raise BadLinesError(
        f"lines that cannot be trained on: {len(faults)}; nothing was imported",
        f"{where}{faults.summary()}",
        "mend them, or leave them out with data.on_bad=skip (--on-bad skip)",
    )


def told(done: Import) -> list[str]:
    """What people should know of an import, a sentence a piece."""
    found, sentences = done.collected, []
    counts = ", ".join(f"{len(indices)} {split}" for split, indices in done.lines.items())
    sentences.append(f"lines: {counts}; letters: {len(done.alphabet.letters)}")
    if done.settings.select:
        wanted = ", ".join(f"{column} {condition}" for column, condition in done.settings.select.items())
        sentences.append(f"training and held-out lines left out by select ({wanted}): {found.not_selected}")
    if found.squeezed:
        sentences.append(f"lines squeezed to a width of {done.settings.width} pixels: {found.squeezed}")
    if found.faults and done.settings.on_bad == "skip":
        sentences.append(f"bad lines left out: {len(found.faults)}\n{found.faults.summary()}")
    return sentences


def told_unknown(texts: Iterable[str], alphabet: Alphabet, split: str) -> str | None:
    """How many letters of a split have no label, if any: nobody learns them, so they bound the error rate."""
    known = set(alphabet.letters)
    unknown = [letter for text in texts for letter in text if letter not in known]
    if not unknown:
        return None
    letters = "".join(sorted(set(unknown)))
    return f"letters of the {split} lines that have no label and count as errors: {len(unknown)}: {letters!r}"


def _letters_of(kept: Sequence[Kept], splits: Sequence[str]) -> Alphabet:
    train = {letter for line, split in zip(kept, splits, strict=True) if split == TRAIN for letter in line.text}
    letters = train or {letter for line in kept for letter in line.text}
    return Alphabet("".join(sorted(letters)))


def _by_split(collected: Collected, splits: Sequence[str], alphabet: Alphabet) -> dict[str, tuple[int, ...]]:
    """Indices per split, without training lines of which no letter has a label."""
    known = set(alphabet.letters)
    found: dict[str, list[int]] = {split: [] for split in SPLITS}
    for index, (line, split) in enumerate(zip(collected.kept, splits, strict=True)):
        if split == TRAIN and known.isdisjoint(line.text):
            collected.faults.add(FaultKind.NO_KNOWN_LETTER, line.name, repr(line.text))
        else:
            found[split].append(index)
    return {split: tuple(indices) for split, indices in found.items() if indices}


def _require_both(lines: dict[str, tuple[int, ...]]) -> None:
    for split in (TRAIN, HELD_OUT):
        if split not in lines:
            counts = ", ".join(f"{len(indices)} {name}" for name, indices in lines.items())
            raise DataError(
                f"the sources give no {split} lines", f"found: {counts}", "lines of one page stay together; add pages"
            )


def _write_splits(done: Import, folder: Path, check: Check) -> None:
    for split, indices in done.lines.items():
        part = folder / split
        part.mkdir()
        _copy_pictures(folder / CLEAN_SPOOL, part / CLEAN, indices, check)
        if done.collected.has_degraded:
            _copy_pictures(folder / DEGRADED_SPOOL, part / DEGRADED, indices, check)
        _write_list(part / TEXTS, done.texts(split))
        _write_list(part / NAMES, [done.collected.kept[index].name for index in indices])
        write_json(part / SETTINGS, _settings_record(done, split))
    for name in (CLEAN_SPOOL, DEGRADED_SPOOL):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / REPORT, done.report())


def _settings_record(done: Import, split: str) -> dict[str, Any]:
    settings = done.settings
    return {
        "schema": SCHEMA,
        IMPORTED: True,
        ALPHABET: done.alphabet.letters,
        "degraded": bool(done.collected.has_degraded),
        "split": split,
        "lines": len(done.lines[split]),
        "height": settings.height,
        "width": settings.width,
        "sources": [str(source) for source in settings.sources],
    }


def _copy_pictures(spool: Path, target: Path, indices: Sequence[int], check: Check) -> None:
    pictures = np.load(spool, mmap_mode="r", allow_pickle=False)
    with PictureFile(target, *pictures.shape[1:]) as file:
        for index in indices:
            check()
            file.append(np.asarray(pictures[index]))


def _write_list(path: Path, items: Sequence[str]) -> None:
    path.write_text(json.dumps(items, ensure_ascii=False), encoding="utf-8")
