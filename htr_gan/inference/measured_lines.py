"""The lines that a run is measured on: its own, those of another configuration, a folder, or a source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from htr_gan.config.data_section import DataConfig
from htr_gan.config.load import load_config
from htr_gan.config.places import CACHE_VARIABLE, cache_folder
from htr_gan.config.schema import GanConfig, RecognizerConfig
from htr_gan.data.cache import Note, load_lines
from htr_gan.data.lines import DEGRADED, SETTINGS, LineSet, read_lines
from htr_gan.data.pairs import load_pairs, on_white_paper
from htr_gan.errors import UsageError
from htr_gan.inference.line_groups import Groups, groups_of
from htr_gan.inference.trained import Trained

LETTER_WIDTH = 8
"""Columns that the configuration allows a letter at least; sets the longest text that is imported for a test."""

Check = Callable[[], None]


@dataclass(frozen=True)
class MeasuredLines:
    """Lines with texts; `degraded` is what a generator gets, `clean` what it should come to, if that is known."""

    degraded: NDArray[np.uint8] | None
    clean: NDArray[np.uint8] | None
    texts: tuple[str, ...]
    names: tuple[str, ...]
    source: str
    groups: Groups = field(default_factory=dict)
    imported: bool = False
    """From people's data: on paper of any colour."""

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        pictures = self.clean if self.clean is not None else self.degraded
        assert pictures is not None
        return int(pictures.shape[1]), int(pictures.shape[2])


def lines_to_measure(
    trained: Trained, data: Path | None, split: str, check: Check, note: Note, size: tuple[int, int]
) -> MeasuredLines:
    """The lines of `data`, or of the run itself; lines without a clean side are degraded ones for a GAN.

    Lines of a GAN's configuration are the pairs that it is trained and validated on. Lines of a folder, or of a
    recogniser's configuration, are taken as they are.
    """
    is_gan = trained.kind == "gan"
    if data is not None and data.is_dir():
        lines, source = _from_folder(data, split, size, check, note)
        return _as_measured(lines, source, (data.absolute(),), is_gan=is_gan)
    config = trained.config if data is None else load_config(data)
    if config is None:
        raise UsageError(f"{trained.folder}: no lines of its own", "", "name lines with --data")
    if isinstance(config, GanConfig):
        # Training lines that are degraded anew in every pass are measured as in the first one.
        once = config.data.model_copy(update={"degrade": "once"})
        lines = load_pairs(once, split, cache_folder(config), check, note)
    else:
        step = config.model.columns_per_step
        lines = load_lines(config.data, split, cache_folder(config), check, note, degraded=False, columns_per_step=step)
    return _as_measured(lines, f"{data or trained.folder}, {split}", config.data.sources, is_gan=is_gan)


def _from_folder(folder: Path, split: str, size: tuple[int, int], check: Check, note: Note) -> tuple[LineSet, str]:
    """A split's folder, a folder of splits, or a source of lines that is imported for the occasion."""
    for place in (folder, folder / split):
        if (place / SETTINGS).is_file():
            return read_lines(place, with_degraded=(place / DEGRADED).is_file()), str(place)
    height, width = size
    data = DataConfig(
        sources=(folder.absolute(),),
        height=height,
        width=width,
        text_length=min(width // LETTER_WIDTH, 200),
        on_bad="skip",
    )
    cache = cache_folder(RecognizerConfig(task="recognizer"))
    note(f"{folder}: imported into {cache} (${CACHE_VARIABLE})")
    return load_lines(data, split, cache, check, note, degraded=True), f"{folder}, {split}"


def _as_measured(lines: LineSet, source: str, sources: tuple[Path, ...], *, is_gan: bool) -> MeasuredLines:
    names = lines.names or tuple(f"{index:05d}" for index in range(len(lines)))
    groups = groups_of(names, sources) if lines.names else {}
    degraded, clean = lines.degraded, lines.clean
    if degraded is None and is_gan:
        return MeasuredLines(clean, None, lines.texts, names, source, groups, lines.imported)
    return MeasuredLines(degraded, clean, lines.texts, names, source, groups, lines.imported)


def flattened(lines: MeasuredLines, check: Check) -> MeasuredLines:
    """The same lines on white paper, for a recogniser that learned on such."""
    if lines.clean is None:
        return lines
    whole = LineSet(lines.clean, None, lines.texts)
    return replace(lines, clean=on_white_paper(whole, check).clean)
