"""What `htr-gan evaluate` found, as CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from htr_gan.metrics.intervals import LEVEL, RESAMPLES, SEED, Interval

if TYPE_CHECKING:
    from htr_gan.inference.evaluation import Measured

SCHEMA = 1
TITLES = {
    "degraded": "degraded, as it is",
    "background": "background division",
    "flattened": "on white paper",
    "restored": "restored",
    "restored2": "restored by RUN2",
    "clean": "clean",
    "clean2": "clean, read by RUN2",
}
METRICS = (
    ("psnr", "PSNR dB", 1.0, 2),
    ("ssim", "SSIM", 1.0, 3),
    ("cer", "CER %", 100.0, 1),
    ("wer", "WER %", 100.0, 1),
)
"""Key, heading, factor and decimals."""
MOST_GROUPS = 20
"""Groups that are told one by one to people."""


@dataclass(frozen=True)
class Report:
    """All that was measured."""

    about: dict[str, Any]
    """Which runs, which lines, which recogniser."""
    systems: dict[str, Measured]
    texts: tuple[str, ...]
    names: tuple[str, ...]
    compared: tuple[tuple[str, str], ...] = ()
    """Pairs of systems whose difference is told: the first minus the second."""
    notes: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The group of every line, for each way of grouping."""
    totals: dict[str, dict[str, Interval]] = field(init=False)
    differences: dict[str, dict[str, Interval]] = field(init=False)

    def __post_init__(self) -> None:
        totals = {name: system.totals() for name, system in self.systems.items()}
        differences = {
            f"{first} - {second}": self.systems[first].minus(self.systems[second]) for first, second in self.compared
        }
        object.__setattr__(self, "totals", totals)
        object.__setattr__(self, "differences", differences)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "schema": SCHEMA,
            **self.about,
            "lines": len(self.texts),
            "systems": {name: _records(figures) for name, figures in self.totals.items()},
            "differences": {name: _records(figures) for name, figures in self.differences.items()},
            "groups": {
                way: {name: _records(figures) for name, figures in groups.items()}
                for way, groups in self.by_group().items()
            },
            "notes": list(self.notes),
            "interval": {
                "method": "percentile bootstrap over lines",
                "level": LEVEL,
                "resamples": RESAMPLES,
                "seed": SEED,
            },
        }

    def by_group(self) -> dict[str, dict[str, dict[str, Interval]]]:
        """Error rates of the system that was asked about, for each way of grouping and each group."""
        asked = self.systems.get("restored") or self.systems["clean"]
        return {way: asked.by_group(groups) for way, groups in self.groups.items()}

    def csv(self) -> str:
        """One row a line; CER is empty where the transcription is."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self._columns())
        for index in range(len(self.texts)):
            writer.writerow(self._row(index))
        return buffer.getvalue()

    def _columns(self) -> list[str]:
        columns = ["index", "name", *self.groups, "text", "characters"]
        for name, system in self.systems.items():
            columns += [f"{name}_read", f"{name}_confidence", f"{name}_edits", f"{name}_cer"]
            if system.psnr is not None:
                columns += [f"{name}_psnr", f"{name}_ssim"]
        return columns

    def _row(self, index: int) -> list[Any]:
        row: list[Any] = [index, self.names[index], *(group[index] for group in self.groups.values())]
        row += [self.texts[index], len(self.texts[index])]
        for system in self.systems.values():
            reading, edits, characters = system.readings[index], system.edits[index], system.characters[index]
            rate = f"{edits / characters:.4f}" if characters else ""
            row += [reading.text, f"{reading.confidence:.4f}", int(edits), rate]
            if system.psnr is not None and system.ssim is not None:
                row += [f"{system.psnr[index]:.3f}", f"{system.ssim[index]:.4f}"]
        return row

    def markdown(self) -> str:
        """For people, on the terminal and in `summary.md`."""
        lines = [f"{key}: {value}  " for key, value in self.about.items()]
        lines += ["", f"{len(self.texts)} lines; in brackets {LEVEL:.0%} intervals, bootstrap over lines.", ""]
        lines += _table("lines", {TITLES.get(name, name): figures for name, figures in self.totals.items()})
        if self.differences:
            lines += ["", "Differences, paired by line (an interval without 0 is a difference to believe):", ""]
            lines += _table("difference", self.differences, signed=True)
        for way, groups in self.by_group().items():
            if len(groups) <= MOST_GROUPS:
                lines += ["", *_table(way, groups)]
            else:
                lines += ["", f"{len(groups)} groups by {way}: in totals.json and lines.csv"]
        lines += ["", *self.notes] if self.notes else []
        return "\n".join(lines) + "\n"


def _records(figures: dict[str, Interval]) -> dict[str, Any]:
    return {name: interval.record() for name, interval in figures.items()}


def _table(title: str, rows: dict[str, dict[str, Interval]], *, signed: bool = False) -> list[str]:
    metrics = [metric for metric in METRICS if any(metric[0] in figures for figures in rows.values())]
    lines = [f"| {title} | " + " | ".join(heading for _, heading, _, _ in metrics) + " |"]
    lines.append("| --- |" + " --- |" * len(metrics))
    for name, figures in rows.items():
        cells = [_cell(figures.get(key), factor, digits, signed) for key, _, factor, digits in metrics]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _cell(interval: Interval | None, factor: float, digits: int, signed: bool) -> str:
    if interval is None:
        return ""
    sign = "+" if signed else ""
    value, low, high = (
        f"{number * factor:{sign}.{digits}f}" for number in (interval.value, interval.low, interval.high)
    )
    return f"{value} ({low} to {high})"
