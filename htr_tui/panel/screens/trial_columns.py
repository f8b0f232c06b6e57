"""The columns of the trials table: what each shows of a trial and by what it sorts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from htr_tui.files import to_number
from htr_tui.journal.records import TRIAL_STATES, TrialRecord
from htr_tui.panel import format
from htr_tui.panel.screens.parameters import short_names, show_value
from htr_tui.panel.views import LiveAttempt, StudyView
from htr_tui.panel.widgets.table_rows import Align, Cell, CellValue, Column, Kind
from htr_tui.text import clean_text

STATE_KINDS: Final[Mapping[str, Kind]] = {
    "queued": "muted",
    "running": "accent",
    "complete": "good",
    "pruned": "muted",
    "failed": "bad",
    "stopped": "warn",
}

BY_WORDS: Final[Mapping[str, str]] = {"hand": "by hand", "warm_start": "warm start"}
"""Who made a trial, if not the search."""

PARAMETERS_SHOWN: Final = 24
FIXED: Final = frozenset({"trial", "state"})
GB: Final = 1e9
"""Bytes of a GB, everywhere: in study files (`expect_gpu_gb`), commands and reasons for waiting too."""


@dataclass(frozen=True, slots=True)
class CellContext:
    """What a cell needs beside its trial."""

    now: float = 0.0
    best: int | None = None
    pareto: frozenset[int] = frozenset()
    live: Mapping[int, LiveAttempt] = field(default_factory=dict)
    is_ascii: bool = False


@dataclass(frozen=True, slots=True)
class TrialColumn:
    """One column."""

    key: str
    title: str
    width: int
    show: Callable[[TrialRecord, CellContext], CellValue]
    sort: Callable[[TrialRecord], Any]
    """A number, a text or None; what is missing sorts last either way."""
    align: Align = "right"
    is_stretched: bool = False

    def as_table_column(self) -> Column:
        """For the table widget."""
        return Column(self.key, self.title, self.width, self.align, stretch=self.is_stretched)


def trial_columns(study: StudyView | None) -> list[TrialColumn]:
    """The columns of a study: the fixed ones and its parameters."""
    parameters = study.facts.parameters if study is not None else ()
    best = study.best.value if study is not None and study.best is not None else None
    digits = value_digits(best)
    number_width = max(3, len(str(study.total if study is not None else 0)))
    columns = [
        TrialColumn("trial", "#", number_width, lambda trial, _: str(trial.number), lambda trial: trial.number),
        TrialColumn("state", "state", 10, _show_state, lambda trial: TRIAL_STATES.index(trial.state), align="left"),
    ]
    if study is not None and study.has_many_objectives:
        columns += _objective_columns(study.facts.objectives, len(study.facts.directions))
    else:
        columns.append(
            TrialColumn("value", "value", 8, lambda trial, _: _show_result(trial, digits), lambda trial: trial.value)
        )
    columns += _parameter_columns(parameters)
    columns += [
        TrialColumn("epoch", "epoch", 6, _show_epoch, lambda trial: trial.epoch),
        TrialColumn("time", "time", 6, _show_time, lambda trial: trial.seconds(0.0) if trial.ended else None),
        TrialColumn("gb", "GB", 4, _show_memory, lambda trial: trial.peak_gpu_bytes),
        TrialColumn("finding", "finding", 14, _show_finding, finding_of, align="left", is_stretched=True),
    ]
    return columns


def fit_columns(columns: list[TrialColumn], width: int, gap: int) -> list[TrialColumn]:
    """The columns as they fit into `width`: without the peak, or with the finding before the parameters."""
    if _width(columns, gap) <= width:
        return columns
    fewer = [column for column in columns if column.key != "gb"]
    if _width(fewer, gap) <= width:
        return fewer
    finding = replace(columns[-1], is_stretched=False)
    first = next((i for i, column in enumerate(columns) if column.key not in FIXED and not _is_value(column)), 0)
    return [*columns[:first], finding, *columns[first:-1]]


def _is_value(column: TrialColumn) -> bool:
    return column.key == "value" or column.key.startswith("value:")


def _width(columns: list[TrialColumn], gap: int) -> int:
    return 2 + sum(column.width for column in columns) + gap * (len(columns) - 1)


def value_digits(value: float | None) -> int:
    """Decimals that give about four significant digits."""
    if value is None or not math.isfinite(value) or value == 0:
        return 2
    return max(1, min(4, 3 - math.floor(math.log10(abs(value)))))


def elapsed(seconds: float | None) -> str:
    """A span that still grows: in whole minutes after the first, so that nothing ticks needlessly."""
    if seconds is None or not math.isfinite(seconds):
        return format.MISSING
    if seconds < 60:
        return f"{max(0, int(seconds)) // 10 * 10} s"
    return f"{int(seconds) // 60} min" if seconds < 3600 else format.duration(seconds)


def finding_of(trial: TrialRecord) -> str | None:
    """The category of what failed in a trial, of its last attempt where the trial itself did not fail."""
    if trial.category:
        return trial.category
    return next((attempt.category for attempt in reversed(trial.attempts) if attempt.category), None)


def epoch_of(trial: TrialRecord, live: LiveAttempt | None) -> tuple[int | None, int | None]:
    """The epoch a trial is at and how many it will have, the newest of what is known."""
    if trial.state != "running" or live is None:
        return trial.epoch, trial.epochs
    return live.epoch if live.epoch is not None else trial.epoch, live.epochs or trial.epochs


def objective_titles(objectives: Sequence[str], count: int) -> list[str]:
    """A short title for each objective: the metric's last part where it is a bare metric, else its place."""
    texts = [*objectives, *([""] * count)][:count]
    short = [text.rpartition("/")[2] if re.fullmatch(r"[\w./-]+", text) else "" for text in texts]
    return [
        name if name and len(name) <= 12 and short.count(name) == 1 else f"value {place}"
        for place, name in enumerate(short, 1)
    ]


def _objective_columns(objectives: Sequence[str], count: int) -> list[TrialColumn]:
    return [
        TrialColumn(
            _value_key(place),
            title,
            max(8, len(title) + 1),
            lambda trial, _, place=place: _show_objective(trial, place),  # type: ignore[misc]
            lambda trial, place=place: trial.values[place] if place < len(trial.values) else None,  # type: ignore[misc]
        )
        for place, title in enumerate(objective_titles(objectives, count))
    ]


def _value_key(place: int) -> str:
    return f"value:{place + 1}" if place else "value"


def minimized_columns(directions: Sequence[str]) -> frozenset[str]:
    """The columns of values where less is better."""
    return frozenset(_value_key(place) for place, way in enumerate(directions) if way == "minimize")


def _show_objective(trial: TrialRecord, place: int) -> CellValue:
    if place >= len(trial.values):
        return Cell("…" if trial.state == "running" else format.MISSING, "muted")
    text = format.number(trial.values[place], value_digits(trial.values[place]))
    return text if trial.is_feasible else Cell(text, "muted")


def _parameter_columns(parameters: tuple[str, ...]) -> list[TrialColumn]:
    columns = []
    for name, short in list(short_names(parameters).items())[:PARAMETERS_SHOWN]:
        columns.append(
            TrialColumn(
                f"param:{name}",
                short,
                max(6, min(12, len(short))),
                lambda trial, _, name=name: _show_parameter(trial, name),  # type: ignore[misc]
                lambda trial, name=name: trial.params.get(name),  # type: ignore[misc]
            )
        )
    return columns


def _show_parameter(trial: TrialRecord, name: str) -> str:
    return show_value(trial.params[name]) if name in trial.params else ""


def _show_state(trial: TrialRecord, context: CellContext) -> CellValue:
    return Cell(format.state_symbol(trial.state, context.is_ascii), STATE_KINDS.get(trial.state, ""))


def _show_result(trial: TrialRecord, digits: int) -> CellValue:
    if trial.value is not None:
        text = format.number(trial.value, digits)
        return text if trial.is_feasible else Cell(text, "muted")
    if trial.reported and trial.state in ("running", "pruned", "stopped"):
        newest = trial.reported[max(trial.reported)]
        return Cell(format.number(newest, digits), "muted")
    return Cell("…" if trial.state == "running" else format.MISSING, "muted")


def _show_epoch(trial: TrialRecord, context: CellContext) -> CellValue:
    epoch, epochs = epoch_of(trial, context.live.get(trial.number))
    if epoch is None:
        return ""
    return f"{epoch}/{epochs}" if epochs else str(epoch)


def _show_time(trial: TrialRecord, context: CellContext) -> CellValue:
    if trial.state == "running":
        return elapsed(trial.seconds(context.now))
    seconds = trial.seconds(context.now)
    return format.duration(seconds) if seconds is not None else ""


def _show_memory(trial: TrialRecord, context: CellContext) -> CellValue:
    live = context.live.get(trial.number)
    peak = max(trial.peak_gpu_bytes or 0, (live.gpu_bytes or 0) if live and trial.state == "running" else 0)
    return f"{peak / GB:.1f}" if peak else ""


def _show_finding(trial: TrialRecord, context: CellContext) -> CellValue:
    if trial.state == "failed":
        return Cell(trial.category or "unknown", "bad")
    if trial.number == context.best:
        return Cell("* best" if context.is_ascii else "★ best", "good")
    if trial.number in context.pareto:
        return Cell("+ Pareto" if context.is_ascii else "☆ Pareto", "good")
    if not trial.is_feasible:
        return Cell("infeasible", "warn")
    category = finding_of(trial)
    if category is None:
        return Cell(" ".join(part for part in (trial.label, by_words(trial)) if part), "muted")
    outcome = {"complete": ", fixed", "running": ", again", "queued": ", again"}.get(trial.state, "")
    return Cell(category + outcome, "muted")


def by_words(trial: TrialRecord) -> str:
    """Who made the trial, if not the search."""
    return BY_WORDS.get(str(trial.by), clean_text(str(trial.by), 20)) if trial.by else ""


def sort_key(column: TrialColumn, trial: TrialRecord, is_descending: bool) -> tuple[Any, ...]:
    """What the rows are ordered by; missing values and NaN come last in both directions."""
    raw = column.sort(trial)
    number = to_number(raw)
    if number is not None and not math.isnan(number):
        return (0, -number if is_descending else number)
    if raw is None or number is not None:
        return (2,)
    text = str(raw)[:64]
    if not is_descending:
        return (1, text)
    return (1, *(-ord(character) for character in text), 1)
