"""The pane beside the trials table: one trial in short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.panel import format
from htr_tui.panel.frame.lines import Lines, Look
from htr_tui.panel.frame.progress import epoch_bar, epochs_done, step_text
from htr_tui.panel.frame.sparkline import sparkline
from htr_tui.panel.screens.metrics import merge_attempts, metric_names, trend
from htr_tui.panel.screens.parameters import compact_number, describe_set, short_names, show_exact
from htr_tui.panel.screens.trial_columns import by_words, elapsed, epoch_of, value_digits
from htr_tui.panel.views import LiveAttempt, StudyView, TrialFiles
from htr_tui.text import clean_text

ABORTED: Final = "A rule under `abort` in the study file struck: it was given up early; nothing crashed."
METRICS_SHOWN: Final = 8
PARAMETERS_SHOWN: Final = 12
STOPPING_WORDS: Final[Mapping[str, str]] = {
    "abort": "given up by an abort rule",
    "window": "stopped as the time window closed",
}
"""Why the supervisor ended an attempt, where neither the user nor the pruner did."""
LOOKS: Final[Mapping[str, Look]] = {
    "queued": "dim",
    "running": "accent",
    "complete": "good",
    "pruned": "dim",
    "failed": "bad",
    "stopped": "warn",
    "lost": "bad",
}


def describe_trial(
    lines: Lines,
    study: StudyView | None,
    trial: TrialRecord,
    files: TrialFiles | None,
    live: LiveAttempt | None,
    now: float,
) -> None:
    """What a glance at a trial should tell."""
    state = format.state_symbol(trial.state, lines.is_ascii)
    made = " ".join(part for part in (trial.label, by_words(trial)) if part)
    lines.add((f"#{trial.number} ", "bold"), (state, LOOKS[trial.state]), (f"  {made}", "dim"))
    describe_values(lines, study, trial)
    _describe_progress(lines, trial, live, now, study.waiting if study is not None and study.is_active else None)
    _describe_metrics(lines, study, trial, files)
    _describe_failure(lines, trial, files)
    lines.heading("parameters")
    describe_params(lines, trial.params)
    if len(trial.attempts) > 1 or any(attempt.set or attempt.stopping == "window" for attempt in trial.attempts):
        lines.heading("attempts")
        for attempt in trial.attempts:
            describe_attempt(lines, attempt, now)


def describe_values(lines: Lines, study: StudyView | None, trial: TrialRecord) -> None:
    """What the trial is worth, and how it stands to the constraints."""
    if study is not None and study.has_many_objectives:
        for place, value in enumerate(trial.values):
            way = study.facts.directions[place] if place < len(study.facts.directions) else ""
            name = study.facts.objectives[place] if place < len(study.facts.objectives) else f"value {place + 1}"
            lines.add(format.number(value, value_digits(value)), (f"  {way} {name}", "dim"))
        if trial.number in study.pareto:
            lines.wrap("on the Pareto front: no other is better in every way", "good", limit=2)
    elif trial.value is not None:
        lines.add(f"value {format.number(trial.value, value_digits(trial.value))}")
    texts = study.facts.constraints if study is not None else ()
    for place, over in enumerate(trial.constraints):
        name = texts[place] if place < len(texts) else f"constraint {place + 1}"
        kept = over <= 0
        verdict = "kept" if kept else f"broken by {format.number(over, value_digits(over))}"
        lines.add((f"{name}: ", "dim"), (verdict, "good" if kept else "warn"))
    if not trial.is_feasible:
        lines.wrap("infeasible: never the best, whatever its value", "warn", limit=2)


def _describe_progress(
    lines: Lines, trial: TrialRecord, live: LiveAttempt | None, now: float, waiting: str | None
) -> None:
    epoch, epochs = epoch_of(trial, live)
    if trial.state != "running":
        if epoch is not None:
            spent = format.duration(trial.seconds(now))
            lines.add((f"epoch {epoch}/{epochs or '?'} in {spent}", "dim"))
        if trial.state == "queued":
            lines.wrap(f"waits: {waiting}" if waiting else "waits for a free slot", "dim", limit=3)
        return
    lines.add(epoch_bar(live, epoch, epochs, max(6, lines.width - 16), lines.is_ascii))
    left = seconds_left(trial, live, now)
    so_far = f"{elapsed(trial.seconds(now))} so far"
    lines.add((f"eta {elapsed(left)}, {so_far}" if left is not None else so_far, "dim"))
    if step := step_text(live):
        lines.add((step, "dim"))


def seconds_left(trial: TrialRecord, live: LiveAttempt | None, now: float) -> float | None:
    """Seconds to the end of a running trial, at the pace of its attempt so far."""
    attempt = trial.last_attempt
    epoch, epochs = epoch_of(trial, live)
    if attempt is None or attempt.started is None or epoch is None or not epochs:
        return None
    earlier = [a.epoch for a in trial.attempts[:-1] if a.epoch is not None] if attempt.resume_from is not None else []
    begun_at = max(earlier, default=0)
    done = epochs_done(live, epoch)
    return format.eta_seconds(done - begun_at, epochs - begun_at, now - attempt.started)


def _describe_metrics(lines: Lines, study: StudyView | None, trial: TrialRecord, files: TrialFiles | None) -> None:
    epochs = merge_attempts(files.attempts) if files is not None else []
    names = metric_names(epochs, study.facts.objectives if study is not None else ())[:METRICS_SHOWN]
    if not names:
        is_reading = files is None or any(not attempt.is_loaded for attempt in files.attempts)
        if trial.attempts:
            lines.blank()
            lines.add(("reading its metrics" if is_reading else "no metrics yet", "dim"))
        return
    lines.blank()
    label = min(14, max(len(name) for name in names))
    room = max(4, min(32, lines.width - label - 13))
    for name in names:
        values = [values[name] for _, values in epochs if name in values]
        lines.add(
            f"{name[:label]:<{label}} ",
            (f"{sparkline(values, room, lines.is_ascii):<{room}}", "accent"),
            f" {compact_number(values[-1]):>8} ",
            (trend(values, lines.is_ascii), "dim"),
        )


def _describe_failure(lines: Lines, trial: TrialRecord, files: TrialFiles | None) -> None:
    last = trial.last_attempt
    if last is None or not last.category or trial.state not in ("failed", "stopped", "pruned"):
        return
    lines.heading(f"{'!' if lines.is_ascii else '⚑'} {last.category}")
    lines.wrap(last.title or "", "bad", limit=3)
    if last.category == "aborted":
        lines.wrap(ABORTED, "dim", limit=4)
    attempt = files.attempt(last.number) if files is not None else None
    for fix in _usable_fixes(attempt.finding if attempt is not None else None)[:1]:
        lines.wrap(str(fix.get("effect") or ""), "dim", limit=3)
    if last.suggested_fix:
        lines.wrap(f"r to retry with {last.suggested_fix}", "accent", limit=2)
    else:
        lines.wrap("r to retry (no fix is known)", "accent", limit=2)


def _usable_fixes(finding: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    fixes = finding.get("fixes") if finding is not None else None
    return [fix for fix in fixes if isinstance(fix, dict)] if isinstance(fixes, list) else []


def describe_params(
    lines: Lines, params: Mapping[str, Any], limit: int = PARAMETERS_SHOWN, *, is_short: bool = True
) -> None:
    """Parameters, one a line; by their whole names where these are to be typed."""
    shown = short_names(params) if is_short else {name: clean_text(name, 60) for name in params}
    width = min(18 if is_short else 40, max((len(name) for name in shown.values()), default=0))
    for name in list(params)[:limit]:
        lines.add((f"{shown[name][:width]:<{width}}  ", "dim"), show_exact(params[name]))
    if len(params) > limit:
        lines.add((f"and {len(params) - limit} more", "dim"))


def describe_attempt(lines: Lines, attempt: AttemptRecord, now: float) -> None:
    """One attempt in a line or two: what it was for, how it ended, how long it took."""
    is_running = attempt.state == "running"
    ended = attempt.ended if attempt.ended is not None else now
    spent = ended - attempt.started if attempt.started is not None else None
    mark = format.state_mark(attempt.state if attempt.state != "lost" else "failed", lines.is_ascii)
    lines.add(
        f"{attempt.number} ",
        (f"{mark} {attempt.category or attempt.state}", LOOKS[attempt.state]),
        (f"  {attempt.reason}, {elapsed(spent) if is_running else format.duration(spent)}", "dim"),
    )
    if (why := STOPPING_WORDS.get(attempt.stopping or "")) is not None:
        lines.add((f"  {why}", "dim"))
    if attempt.set or attempt.fix:
        lines.wrap(f"{attempt.fix or 'by hand'}: {describe_set(attempt.set)}", "dim", indent="  ", limit=3)
