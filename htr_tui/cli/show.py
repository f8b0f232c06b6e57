"""`htr-tui show STUDY TRIAL`: everything about one trial."""

from __future__ import annotations

import argparse
from typing import Any

from htr_tui.cli.output import plain, print_json, print_table, seconds_text
from htr_tui.cli.places import find_study, find_trial, load_fold
from htr_tui.files import read_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.journal.status import effective_params
from htr_tui.metrics.events import all_events, merge_epochs


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
        "started": attempt.started,
        "ended": attempt.ended,
    }


def run(args: argparse.Namespace) -> int:
    """Print."""
    paths = find_study(args.dir, args.study)
    fold = load_fold(paths)
    trial = find_trial(fold, args.trial)
    record = {
        "study": fold.facts.study,
        "trial": trial.number,
        "label": trial.label,
        "state": trial.state,
        "category": trial.category,
        "params": trial.params,
        "value": trial.value,
        "values": list(trial.values),
        "metrics": metrics_by_epoch(paths, trial),
        "attempts": [attempt_json(paths, trial, a) for a in trial.attempts],
    }
    if args.json:
        print_json(record)
    else:
        _print_people(record, trial)
    return 0


def _print_people(record: dict[str, Any], trial: TrialRecord) -> None:
    label = f" ({plain(trial.label)})" if trial.label else ""
    print(f"{record['study']} trial {trial.number}{label}: {trial.state}, value {plain(trial.value, 6)}")
    for name, value in trial.params.items():
        print(f"  {plain(name)} = {plain(value, 6)}")
    for attempt in record["attempts"]:
        how = f"signal {attempt['signal']}" if attempt["signal"] else f"exit status {plain(attempt['exit_code'])}"
        took = None if attempt["ended"] is None else max(0.0, attempt["ended"] - (attempt["started"] or 0.0))
        with_fix = f", fix {attempt['fix']}" if attempt["fix"] else ""
        print(
            f"attempt {attempt['attempt']} ({attempt['reason']}{with_fix}): {attempt['state']}, {how}, {seconds_text(took)}"
        )
        for name, value in attempt["params"].items():
            if trial.params.get(name) != value:
                print(f"    {plain(name)} = {plain(value, 6)}")
        if finding := attempt["finding"]:
            print(f"    finding: {plain(finding.get('category'))}: {plain(finding.get('title'))}")
            for line in finding.get("evidence") or ():
                print(f"      line {plain(line.get('line'))}: {plain(line.get('text'))}")
            for fix in finding.get("fixes") or ():
                print(f"      fix {plain(fix.get('name'))}: {plain(fix.get('effect') or fix.get('title'))}")
        print(f"    {attempt['path']}")
    names = sorted({n for m in record["metrics"] for n in m["values"]})
    if names:
        rows = [[str(m["epoch"]), *[plain(m["values"].get(n)) for n in names]] for m in record["metrics"]]
        print_table(["epoch", *[plain(n) for n in names]], rows, right=frozenset(range(len(names) + 1)))
