"""`htr-tui show STUDY TRIAL`: everything about one trial."""

from __future__ import annotations

import argparse
from typing import Any

from htr_tui.cli.output import plain, print_json, print_table, seconds_text
from htr_tui.cli.places import find_study, find_trial, load_fold
from htr_tui.cli.trials import MADE_BY, marks_of
from htr_tui.files import read_json
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.journal.status import effective_params
from htr_tui.metrics.events import all_events, merge_epochs

MARKS = {"best": "the best", "pareto": "on the Pareto front", "infeasible": "infeasible: never the best"}
"""A trial's mark in the table, in words."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study")
    parser.add_argument("trial", type=int)


def metrics_by_epoch(paths: StudyPaths, trial: TrialRecord) -> list[dict[str, Any]]:
    """Metrics of all attempts by epoch; from its first epoch on a later attempt wins."""
    attempts = (all_events(paths.attempt(trial.number, a.number).events) for a in trial.attempts)
    return [{"epoch": m.epoch, "values": m.values} for m in merge_epochs(attempts)]


def attempt_json(paths: StudyPaths, trial: TrialRecord, attempt: AttemptRecord) -> dict[str, Any]:
    """One attempt as in the JSON of `show`."""
    files = paths.attempt(trial.number, attempt.number)
    return {
        "attempt": attempt.number,
        "state": attempt.state,
        "reason": attempt.reason,
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "params": effective_params(trial, attempt),
        "env": attempt.env,
        "path": str(files.root),
        "finding": read_json(files.finding),
        "fix": attempt.fix,
        "resume_from": attempt.resume_from,
        "category": attempt.category,
        "title": attempt.title,
        "stopping": attempt.stopping,
        "devices": list(attempt.devices),
        "started": attempt.started,
        "ended": attempt.ended,
    }


def run(args: argparse.Namespace) -> int:
    """Print."""
    paths = find_study(args.dir, args.study)
    fold = load_fold(paths)
    trial = find_trial(fold, args.trial)
    record: dict[str, Any] = {
        "study": fold.facts.study,
        "trial": trial.number,
        "label": trial.label,
        "by": trial.by,
        "state": trial.state,
        "category": trial.category,
        "params": trial.params,
        "value": trial.value,
        "values": list(trial.values),
        "objectives": list(fold.facts.objectives),
        "constraints": list(trial.constraints),
        "feasible": trial.is_feasible,
        "metrics": metrics_by_epoch(paths, trial),
        "attempts": [attempt_json(paths, trial, a) for a in trial.attempts],
    }
    if args.json:
        print_json(record)
    else:
        _print_trial(fold, trial)
        for attempt in record["attempts"]:
            _print_attempt(attempt, trial)
        _print_metrics(record["metrics"])
    return 0


def _print_trial(fold: StudyFold, trial: TrialRecord) -> None:
    """Its state and why, what it is worth and how it stands to the constraints, its parameters."""
    about = ", ".join(plain(word) for word in (trial.label, MADE_BY.get(trial.by or "", trial.by)) if word)
    words = [trial.state + (f" ({plain(trial.category)})" if trial.category else ""), *_values_told(fold, trial)]
    if mark := marks_of(fold).get(trial.number):
        words.append(MARKS.get(mark, mark))
    print(f"{fold.facts.study} trial {trial.number}{f' ({about})' if about else ''}: {', '.join(words)}")
    for place, over in enumerate(trial.constraints):
        texts = fold.facts.constraints
        name = texts[place] if place < len(texts) else f"constraint {place + 1}"
        print(f"  {plain(name)}: {'kept' if over <= 0 else f'broken by {plain(over)}'}")
    for name, value in trial.params.items():
        print(f"  {plain(name)} = {plain(value, 6)}")


def _values_told(fold: StudyFold, trial: TrialRecord) -> list[str]:
    if len(fold.facts.directions) < 2:
        return [f"value {plain(trial.value, 6)}"]
    names = [plain(name) for name in fold.facts.objectives]
    return [f"{name} {plain(value, 6)}" for name, value in zip(names, trial.values, strict=False)]


def _print_attempt(attempt: dict[str, Any], trial: TrialRecord) -> None:
    """How it ended and why, with what overrides, its finding."""
    how = f"signal {attempt['signal']}" if attempt["signal"] else f"exit status {plain(attempt['exit_code'])}"
    took = None if attempt["ended"] is None else max(0.0, attempt["ended"] - (attempt["started"] or 0.0))
    with_fix = f", fix {attempt['fix']}" if attempt["fix"] else ""
    print(
        f"attempt {attempt['attempt']} ({attempt['reason']}{with_fix}): {attempt['state']}, {how}, {seconds_text(took)}"
    )
    for name, value in attempt["params"].items():
        if trial.params.get(name) != value:
            print(f"    {plain(name)} = {plain(value, 6)}")
    if not attempt["finding"] and attempt["title"]:
        print(f"    {plain(attempt['category'])}: {plain(attempt['title'])}")
    if finding := attempt["finding"]:
        print(f"    finding: {plain(finding.get('category'))}: {plain(finding.get('title'))}")
        for line in finding.get("evidence") or ():
            print(f"      line {plain(line.get('line'))}: {plain(line.get('text'))}")
        for fix in finding.get("fixes") or ():
            print(f"      fix {plain(fix.get('name'))}: {plain(fix.get('effect') or fix.get('title'))}")
    print(f"    {attempt['path']}")


def _print_metrics(metrics: list[dict[str, Any]]) -> None:
    names = sorted({n for m in metrics for n in m["values"]})
    if names:
        rows = [[str(m["epoch"]), *[plain(m["values"].get(n)) for n in names]] for m in metrics]
        print_table(["epoch", *[plain(n) for n in names]], rows, right=frozenset(range(len(names) + 1)))
