"""The rows of the Studies screen, and the pane that tells about one study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from htr_tui.journal.records import TRIAL_STATES, TrialRecord
from htr_tui.panel import format
from htr_tui.panel.frame.lines import Lines, Look
from htr_tui.panel.frame.progress import epoch_bar, step_text
from htr_tui.panel.screens.headline import study_mark
from htr_tui.panel.screens.parameters import describe_set
from htr_tui.panel.screens.trial_columns import elapsed, epoch_of, value_digits
from htr_tui.panel.views import LiveAttempt, StudyView
from htr_tui.panel.widgets.table_rows import Cell, CellValue, Column, Kind

STATE_KINDS: Final[Mapping[str, Kind]] = {
    "running": "accent",
    "finished": "good",
    "stopped": "warn",
    "interrupted": "bad",
    "paused": "warn",
}
COLUMNS: Final = (
    Column("study", "study", 16, stretch=True),
    Column("state", "state", 13),
    Column("bar", "progress", 10),
    Column("done", "ended", 9, "right"),
    Column("failed", "failed", 6, "right"),
    Column("best", "best", 15, "right"),
)
WIDE_COLUMNS: Final = (
    *COLUMNS,
    Column("running", "running", 8, "right"),
    Column("pruned", "pruned", 7, "right"),
    Column("last", "last event", 12, "right"),
)
RUNNING_SHOWN: Final = 8
NOTES_SHOWN: Final = 6


FRESH_S = 100.0
"""What is younger is "just now"."""


class StudyRows:
    """A `RowSource` over the studies."""

    def __init__(self, studies: Sequence[StudyView], now: float, is_ascii: bool) -> None:
        self.studies = studies
        self._now = now
        self._is_ascii = is_ascii

    def __len__(self) -> int:
        """Number of studies."""
        return len(self.studies)

    def key(self, i: int) -> str:
        """The study's name."""
        return self.studies[i].name

    def cells(self, i: int) -> Sequence[CellValue]:
        """The row's cells."""
        study = self.studies[i]
        ascii = self._is_ascii
        failed = study.counts["failed"]
        has_alert = failed or study.tracking_error or study.notes or study.problem
        return [
            study.name,
            Cell(f"{study_mark(study.state, ascii)} {study.state}", STATE_KINDS.get(study.state, "")),
            Cell(format.bar(share_ended(study), 10, ascii), "accent" if study.state == "running" else "muted"),
            _ended(study),
            Cell(f"{'!' if ascii else '⚑'} {failed}" if failed else ("!" if has_alert else ""), "bad"),
            best_text(study),
            str(len(study.running) or ""),
            str(study.counts["pruned"] or ""),
            _last_event(study.last_t or None, self._now),
        ]


def _last_event(t: float | None, now: float) -> str:
    """How long ago, from minutes on: counted seconds would repaint every row at every tick."""
    return "just now" if t is not None and 0 <= now - t < FRESH_S else format.clock_ago(t, now)


def share_ended(study: StudyView) -> float | None:
    """How much of the budget has ended."""
    whole = study.budget or study.total
    if not study.is_loaded or not whole:
        return None if not study.is_loaded else 0.0
    return min(1.0, study.ended / whole)


def _ended(study: StudyView) -> CellValue:
    if not study.is_loaded:
        return Cell("reading", "muted")
    return f"{study.ended}/{study.budget}" if study.budget else f"{study.ended}"


def best_text(study: StudyView) -> CellValue:
    """`#17 31.42`, or nothing yet."""
    if study.best is None or study.best.value is None:
        return Cell(format.MISSING, "muted")
    return f"#{study.best.number} {format.number(study.best.value, value_digits(study.best.value))}"


def describe_study(
    lines: Lines, study: StudyView, trials: Mapping[int, TrialRecord], live: Mapping[int, LiveAttempt], now: float
) -> None:
    """Everything about a study that a row has no room for."""
    lines.add((study.name, "bold"))
    if not study.is_loaded:
        lines.add((f"reading its journal, {study.total} trials so far", "dim"))
    counts = [f"{study.counts[state]} {state}" for state in TRIAL_STATES if study.counts[state]]
    lines.wrap(" · ".join(counts) or "no trials yet", limit=2)
    _describe_supervisor(lines, study, now)
    _describe_running(lines, study, trials, live, now)
    if study.best is not None:
        lines.heading("best")
        lines.add((f"#{study.best.number}", "good"), f"  {best_value(study)}")
        lines.wrap(describe_set(study.best.params), "dim", limit=3)
    _describe_alerts(lines, study, now)


def best_value(study: StudyView) -> str:
    """The best value and what it is a value of."""
    if study.best is None:
        return format.MISSING
    value = format.number(study.best.value, value_digits(study.best.value))
    return f"{value}  {' , '.join(study.facts.objectives)}"


def _describe_supervisor(lines: Lines, study: StudyView, now: float) -> None:
    supervisor = study.supervisor
    where = f"pid {supervisor.pid} on {supervisor.host}" if supervisor.pid is not None else ""
    if study.state == "running":
        since = f", for {elapsed(now - supervisor.started)}" if supervisor.started else ""
        stopping = ", stopping" if study.stop_requested else ""
        lines.add(("supervised", "good"), f" by {where}{since}{stopping}")
    elif study.state == "interrupted":
        lines.wrap(f"interrupted: its supervisor ({where or 'unknown'}) is gone; l goes on with it", "bad", limit=3)
    elif study.state == "stopped":
        lines.wrap("stopped; l goes on with it, what was stopped first", "warn", limit=2)
    else:
        lines.add((study.state, "good"))


def _describe_running(
    lines: Lines, study: StudyView, trials: Mapping[int, TrialRecord], live: Mapping[int, LiveAttempt], now: float
) -> None:
    if not study.running:
        return
    lines.heading("running" if study.state == "running" else "left running")
    for number in study.running[:RUNNING_SHOWN]:
        attempt = live.get(number)
        trial = trials.get(number)
        epoch, epochs = epoch_of(trial, attempt) if trial is not None else (None, None)
        bar = epoch_bar(attempt, epoch, epochs, 12 if lines.width >= 46 else 8, lines.is_ascii)
        time = elapsed(trial.seconds(now)) if trial is not None else ""
        lines.add((f"#{number:<4} ", "accent"), bar, (f"  {time}  {step_text(attempt)}", "dim"))
    if len(study.running) > RUNNING_SHOWN:
        lines.add((f"and {len(study.running) - RUNNING_SHOWN} more", "dim"))


def _describe_alerts(lines: Lines, study: StudyView, now: float) -> None:
    alerts: list[tuple[str, Look]] = [(f"{count} failed: {category}", "bad") for category, count in study.failures]
    if study.problem:
        alerts.insert(0, (study.problem, "bad"))
    if study.tracking_error:
        alerts.append((f"tracking: {study.tracking_error}", "warn"))
    if study.skipped:
        alerts.append((f"{study.skipped} lines of the journal could not be read", "warn"))
    for note in study.notes[-NOTES_SHOWN:]:
        about = f" #{note.trial}" if note.trial is not None else ""
        look: Look = "bad" if note.level == "error" else "warn"
        alerts.append((f"{note.level}{about}, {format.clock_ago(note.t, now)}: {note.message}", look))
    if not alerts:
        return
    lines.heading("alerts")
    for text, look in alerts:
        lines.wrap(text, look, limit=4)
