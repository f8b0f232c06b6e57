"""The rows of the Studies screen, and the pane that tells about one study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from htr_tui.journal.records import TRIAL_STATES, TrialRecord
from htr_tui.panel import format
from htr_tui.panel.frame.lines import Lines, Look
from htr_tui.panel.frame.progress import epoch_bar, step_text
from htr_tui.panel.screens.attention import about_text, long_ago, origin_text, pause_text
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
    Column("bar", "progress", 8),
    Column("done", "ended", 9, "right"),
    Column("failed", "failed", 6, "right"),
    Column("best", "best", 13, "right"),
)
WIDE_COLUMNS: Final = (
    *COLUMNS[:2],
    Column("bar", "progress", 10),
    *COLUMNS[3:-1],
    Column("best", "best", 15, "right"),
    Column("running", "running", 8, "right"),
    Column("pruned", "pruned", 7, "right"),
    Column("last", "last event", 12, "right"),
)
ABOUT: Final = Column("about", "about", 26, stretch=True)
ROOMY: Final = 150
"""Columns of the screen from which on the last column has room beside all others."""
NAME_WIDE: Final = 34
NAME_ROOMY: Final = 48
"""Cells that a study's name gets at most where the last column stands beside it."""
RUNNING_SHOWN: Final = 8
NOTES_SHOWN: Final = 6


def study_columns(studies: Sequence[StudyView], width: int, is_wide: bool) -> tuple[Column, ...]:
    """The columns as they fit; what a study is about, or waits for, stands last where there is something to tell."""
    if not is_wide:
        return COLUMNS
    if not any(about_text(study, 0.0) for study in studies):
        return WIDE_COLUMNS
    is_roomy = width >= ROOMY
    longest = max(len(study.name) for study in studies)
    name = Column("study", "study", max(16, min(longest, NAME_ROOMY if is_roomy else NAME_WIDE)))
    return (name, *(WIDE_COLUMNS[1:] if is_roomy else COLUMNS[1:]), ABOUT)


class StudyRows:
    """A `RowSource` over the studies."""

    def __init__(
        self, studies: Sequence[StudyView], now: float, is_ascii: bool, columns: Sequence[Column] = WIDE_COLUMNS
    ) -> None:
        self.studies = studies
        self._now = now
        self._is_ascii = is_ascii
        self._keys = [column.key for column in columns]
        self._bar = next((column.width for column in columns if column.key == "bar"), 8)

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
        cells: dict[str, CellValue] = {
            "study": study.name,
            "state": state_cell(study, ascii),
            "bar": Cell(
                format.bar(share_ended(study), self._bar, ascii), "accent" if study.state == "running" else "muted"
            ),
            "done": _ended(study),
            "failed": Cell(f"{'!' if ascii else '⚑'} {failed}" if failed else ("!" if has_alert else ""), "bad"),
            "best": best_text(study),
            "running": str(len(study.running) or ""),
            "pruned": str(study.counts["pruned"] or ""),
            "last": long_ago(study.last_t or None, self._now),
            "about": Cell(about_text(study, self._now), "bad" if study.has_paused_itself else "muted"),
        }
        return [cells[key] for key in self._keys]


def state_cell(study: StudyView, ascii: bool) -> Cell:
    """Mark and word of a study's state; a study that paused by itself or waits says so."""
    if study.facts.imported is not None:
        return Cell("  imported", "muted")
    if study.state == "paused" and study.has_paused_itself:
        return Cell("! paused", "bad")
    if study.state == "running" and study.waiting and not study.running:
        return Cell(f"{study_mark('paused', ascii)} waiting", "warn")
    return Cell(f"{study_mark(study.state, ascii)} {study.state}", STATE_KINDS.get(study.state, ""))


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
    """`#17 31.42`, or nothing yet; the front of a study with several objectives."""
    if study.pareto:
        return f"front of {len(study.pareto)}"
    if study.has_nothing_feasible:
        return Cell("none feasible", "warn")
    if study.best is None or study.best.value is None:
        return Cell(format.MISSING, "muted")
    return f"#{study.best.number} {format.number(study.best.value, value_digits(study.best.value))}"


def describe_study(
    lines: Lines,
    study: StudyView,
    trials: Mapping[int, TrialRecord],
    live: Mapping[int, LiveAttempt],
    now: float,
    *,
    is_told: bool = False,
) -> None:
    """Everything about a study that a row has no room for; `is_told`: the banner says why it paused."""
    lines.add((study.name, "bold"))
    if not study.is_loaded:
        lines.add((f"reading its journal, {study.total} trials so far", "dim"))
    counts = [f"{study.counts[state]} {state}" for state in TRIAL_STATES if study.counts[state]]
    lines.wrap(" · ".join(counts) or "no trials yet", limit=2)
    if origin := origin_text(study):
        lines.wrap(origin, "accent", limit=2)
    if study.facts.imported is not None:
        lines.wrap(f"from {study.facts.imported.url}", "dim", limit=2)
    _describe_supervisor(lines, study, now, is_told)
    if study.has_nothing_feasible:
        lines.wrap(
            "no complete trial keeps the constraints, so none is the best; D says which is broken", "warn", limit=2
        )
    _describe_running(lines, study, trials, live, now)
    if study.best is not None:
        lines.heading("best")
        lines.add((f"#{study.best.number}", "good"), f"  {best_value(study)}")
        lines.wrap(describe_set(study.best.params), "dim", limit=3)
    elif study.pareto:
        _describe_front(lines, study)
    _describe_alerts(lines, study, now)


def _describe_front(lines: Lines, study: StudyView) -> None:
    lines.heading("Pareto front")
    goals = ", ".join(
        f"{way} {text}" for way, text in zip(study.facts.directions, study.facts.objectives, strict=False)
    )
    lines.wrap(goals, "dim", limit=3)
    lines.wrap(" ".join(f"#{number}" for number in sorted(study.pareto)), "good", limit=3)


def best_value(study: StudyView) -> str:
    """The best value and what it is a value of."""
    if study.best is None:
        return format.MISSING
    value = format.number(study.best.value, value_digits(study.best.value))
    return f"{value}  {' , '.join(study.facts.objectives)}"


def _describe_supervisor(lines: Lines, study: StudyView, now: float, is_told: bool) -> None:
    supervisor = study.supervisor
    where = f"pid {supervisor.pid} on {supervisor.host}" if supervisor.pid is not None else ""
    if study.facts.imported is not None:
        lines.add(("nothing can be run in it; D diagnoses it", "dim"))
        return
    if study.paused is not None and study.state != "finished":
        keys = "P continues it" if study.state == "paused" else "l goes on with it"
        text = f"paused by itself {long_ago(study.paused.t, now)}" if is_told else pause_text(study, now)
        lines.wrap(f"{text}; {keys}", "bad" if study.has_paused_itself else "warn", limit=5)
    if study.waiting and study.is_active:
        lines.wrap(f"waits: {study.waiting}", "warn", limit=4)
    if study.is_active:
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
    lines.heading("running" if study.is_active else "left running")
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
