"""The Config tab: parameters, overrides in force, what differs from the best trial, environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.journal.status import effective_params
from htr_tui.panel.frame.lines import Lines
from htr_tui.panel.screens.parameters import show_exact
from htr_tui.panel.screens.trial_detail import describe_values
from htr_tui.panel.views import AttemptFiles, StudyView

ABSENT: Final = object()
ROWS: Final = 300
SECRET_WORDS: Final = ("TOKEN", "PASSWORD", "PASSWD", "SECRET", "KEY", "CREDENTIAL", "AUTH")


def describe_config(
    lines: Lines, study: StudyView | None, trial: TrialRecord, attempt: AttemptRecord | None, files: AttemptFiles | None
) -> None:
    """Everything that the attempt was started with."""
    best = study.best if study is not None else None
    values = effective_params(trial, attempt)
    best_values = effective_params(best) if best is not None and best.number != trial.number else None
    title = "parameters"
    if best is not None:
        title += (
            f" (this is the best trial, #{best.number})"
            if best_values is None
            else f" and those of best #{best.number}"
        )
    lines.heading(title)
    _describe_values(lines, values, best_values, attempt.set if attempt is not None else {})
    if attempt is not None and attempt.set:
        lines.heading("overrides in force" + (f", by the fix {attempt.fix}" if attempt.fix else ""))
        for name, value in attempt.set.items():
            before = trial.params.get(name, ABSENT)
            was = f"  instead of {show_exact(before)}" if before is not ABSENT else ""
            lines.add(f"{name} = ", (show_exact(value), "warn"), (was, "dim"))
    if trial.values or trial.constraints:
        lines.heading("result")
        describe_values(lines, study, trial)
    _describe_told(lines, values, files)
    _describe_command(lines, attempt, files)


def _describe_values(
    lines: Lines, values: Mapping[str, Any], best: Mapping[str, Any] | None, overrides: Mapping[str, Any]
) -> None:
    names = list(dict.fromkeys([*values, *(best or {})]))
    label = min(36, max((len(name) for name in names), default=0))
    for name in names[:ROWS]:
        value, other = values.get(name, ABSENT), (best or values).get(name, ABSENT)
        is_other = best is not None and value != other
        mark = "≠" if is_other else " "
        lines.add(
            (f"{mark} ", "warn"),
            (f"{name[:label]:<{label}}  ", "dim"),
            (f"{_shown(value):<14}", "warn" if name in overrides else "plain"),
            (f"  {_shown(other)}" if is_other else "", "good"),
        )
    if len(names) > ROWS:
        lines.add((f"and {len(names) - ROWS} more", "dim"))
    if not names:
        lines.add(("none: the trainer runs as it is configured", "dim"))


def _shown(value: Any) -> str:
    return "not set" if value is ABSENT else show_exact(value)


def _describe_told(lines: Lines, values: Mapping[str, Any], files: AttemptFiles | None) -> None:
    told = {name: value for name, value in (files.params if files is not None else {}).items() if name not in values}
    if not told:
        return
    lines.heading("also in force, as the trainer told at its start")
    label = min(36, max(len(name) for name in told))
    for name, value in list(told.items())[:ROWS]:
        lines.add((f"  {name[:label]:<{label}}  ", "dim"), show_exact(value))


def _describe_command(lines: Lines, attempt: AttemptRecord | None, files: AttemptFiles | None) -> None:
    command = files.command if files is not None else None
    if attempt is not None:
        lines.heading(f"attempt {attempt.number}")
        resumed = f" from the checkpoint of attempt {attempt.resume_from}" if attempt.resume_from is not None else ""
        devices = ", ".join(attempt.devices) or "none given"
        lines.add(("reason   ", "dim"), f"{attempt.reason}{resumed}")
        lines.add(("devices  ", "dim"), devices)
    if files is not None:
        lines.wrap(f"folder   {files.path}", "dim", limit=3)
    if command is None:
        return
    argv = command.get("argv")
    if isinstance(argv, list):
        lines.heading("command")
        lines.wrap(" ".join(str(part) for part in argv), limit=12)
        lines.add((f"in {command.get('cwd', '?')}", "dim"))
    environment = command.get("env")
    if isinstance(environment, dict) and environment:
        lines.heading("environment that was added")
        for name, value in list(environment.items())[:ROWS]:
            lines.add((f"  {name}=", "dim"), show_variable(str(name), str(value)))


def show_variable(name: str, value: str) -> str:
    """The value of an environment variable, unless its name says that it is a secret."""
    return "(hidden)" if any(word in name.upper() for word in SECRET_WORDS) else value
