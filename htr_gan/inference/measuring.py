"""From what `htr-gan evaluate` was asked to its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from htr_gan.errors import DataError, UsageError
from htr_gan.inference.evaluation import (
    BACKGROUND,
    CLEAN,
    DEGRADED,
    FLATTENED,
    RESTORED,
    SECOND,
    Check,
    Measured,
    measure_readers,
    measure_restorers,
)
from htr_gan.inference.loading import load_reader, load_restorer
from htr_gan.inference.measured_lines import MeasuredLines, flattened, lines_to_measure
from htr_gan.inference.report import Report
from htr_gan.inference.sheet import Group, SheetLine, best_median_worst, draw_sheet
from htr_gan.inference.trained import Trained

SMALLEST = 11
"""Pixels that SSIM's window needs in both directions."""


@dataclass(frozen=True)
class Question:
    """What is to be measured."""

    runs: tuple[Trained, ...]
    data: Path | None
    split: str
    batch: int


def answer(question: Question, check: Check) -> Report:
    """Measure one run, or two on the same lines; UsageError or DataError for what cannot be compared."""
    if len({run.kind for run in question.runs}) > 1:
        raise UsageError("a GAN and a recogniser cannot be compared", "name two runs of one task")
    first, notes = question.runs[0], list[str]()
    reader = load_reader(first)
    lines = lines_to_measure(first, question.data, question.split, check, notes.append, (reader.height, reader.width))
    _check_lines(lines)
    about = {
        "run": first.label,
        **({"run2": question.runs[1].label} if len(question.runs) > 1 else {}),
        "data": lines.source,
        "recogniser": f"{reader.label}, sha256 {reader.sha256[:16]}",
    }
    if first.kind == "gan":
        restorers = [load_restorer(run) for run in question.runs]
        systems = measure_restorers(restorers, reader, lines, question.batch, check)
    else:
        if reader.flattens and lines.imported:
            lines = flattened(lines, check)
        readers = [reader, *(load_reader(run) for run in question.runs[1:])]
        systems = measure_readers(readers, lines, question.batch, check)
    return Report(about, systems, lines.texts, lines.names, _pairs(systems), tuple(notes), lines.groups)


def _check_lines(lines: MeasuredLines) -> None:
    if min(lines.size) < SMALLEST:
        raise DataError(f"{lines.source}: lines of {lines.size[0]} x {lines.size[1]} are too small to be measured")
    if not any(lines.texts):
        raise DataError(f"{lines.source}: all texts are empty", "error rates need transcriptions")


def _pairs(systems: dict[str, Measured]) -> tuple[tuple[str, str], ...]:
    """What people want to know about: the gain over nothing and over the classic peer, and of one run over the other."""
    wanted = (
        (RESTORED, DEGRADED),
        (RESTORED, BACKGROUND),
        (RESTORED, FLATTENED),
        (RESTORED, CLEAN),
        (RESTORED + SECOND, BACKGROUND),
        (RESTORED + SECOND, FLATTENED),
        (RESTORED + SECOND, RESTORED),
        (CLEAN + SECOND, CLEAN),
    )
    return tuple(pair for pair in wanted if pair[0] in systems and pair[1] in systems)


def contact_sheet(report: Report, count: int) -> bytes:
    """Best, median and worst lines of what was measured first: the restored ones, or the clean ones of a recogniser."""
    main = report.systems.get(RESTORED) or report.systems[CLEAN]
    rates = main.edits / np.maximum(main.characters, 1)
    unsure = -main.psnr if main.psnr is not None else -np.asarray([reading.confidence for reading in main.readings])
    chosen = best_median_worst(rates, unsure, count)
    groups = [
        Group(f"{title} by CER of {main.name}", tuple(_sheet_line(report, index) for index in indices))
        for title, indices in chosen.items()
    ]
    return draw_sheet(groups)


def _sheet_line(report: Report, index: int) -> SheetLine:
    panels = []
    for system in report.systems.values():
        if system.name in (BACKGROUND, FLATTENED):
            continue
        characters = max(int(system.characters[index]), 1)
        caption = f"{system.name}, CER {system.edits[index] / characters:.0%}: {system.readings[index].text}"
        panels.append((caption, system.pictures[index]))
    return SheetLine(f"{report.texts[index]}   [{report.names[index]}]", tuple(panels))
