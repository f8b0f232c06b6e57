"""`htr-tui trials STUDY`: the table of trials."""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from htr_tui.cli.output import bytes_text, plain, print_json, print_table, seconds_text
from htr_tui.cli.places import find_study, load_fold
from htr_tui.errors import UsageError
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.status import trial_json

SORT_KEYS = ("trial", "state", "value", "epoch", "seconds", "attempts", "category", "peak_gpu_bytes", "peak_rss_bytes")

MADE_BY = {"hand": "by hand", "warm_start": "warm start"}
"""Who made a trial, if not the search."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study")
    parser.add_argument(
        "--sort", metavar="KEY", default="trial", help=f"{', '.join(SORT_KEYS)} or a parameter; -KEY: downwards"
    )
    parser.add_argument("--csv", action="store_true", help="comma-separated, one column a parameter")


def sort_trials(trials: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """By a field or parameter, unknown values and NaN last in both directions."""
    downwards, name = key.startswith("-"), key.lstrip("-")
    parameters = {p for t in trials for p in t["params"]}
    if name not in SORT_KEYS and name not in parameters:
        raise UsageError(f"cannot sort by {name!r}", f"allowed: {', '.join([*SORT_KEYS, *sorted(parameters)])}")

    def value_of(trial: dict[str, Any]) -> Any:
        return trial[name] if name in SORT_KEYS else trial["params"].get(name)

    def is_known(value: Any) -> bool:
        return value is not None and not (isinstance(value, float) and math.isnan(value))

    known = [t for t in trials if is_known(value_of(t))]
    unknown = [t for t in trials if not is_known(value_of(t))]
    numeric = all(isinstance(value_of(t), int | float) for t in known)
    known.sort(key=lambda t: value_of(t) if numeric else str(value_of(t)), reverse=downwards)
    return known + unknown


def marks_of(fold: StudyFold) -> dict[int, str]:
    """A word for the trials that stand out: the best, those of the front, those that break a constraint."""
    marks = {number: "infeasible" for number, trial in fold.trials.items() if not trial.is_feasible}
    if len(fold.facts.directions) > 1:
        return marks | {trial.number: "pareto" for trial in fold.pareto()}
    best = fold.best()
    return marks | ({best.number: "best"} if best is not None else {})


def print_trials(trials: list[dict[str, Any]], marks: Mapping[int, str], objectives: Sequence[str]) -> None:
    """The table for people; a column for each objective where there are several."""
    parameters = list(dict.fromkeys(p for t in trials for p in t["params"]))
    several = len(objectives) > 1
    head = [
        "#",
        "state",
        "",
        *([plain(o) for o in objectives] if several else ["value"]),
        *[plain(p.rpartition(".")[2] or p) for p in parameters],
    ]
    head += ["epoch", "time", "peak GPU", "peak RAM", "tries", "finding"]
    rows = []
    for t in trials:
        epoch = "-" if t["epoch"] is None else f"{t['epoch']}/{t['epochs'] or '?'}"
        params = [plain(t["params"].get(p)) for p in parameters]
        peaks = [bytes_text(t["peak_gpu_bytes"]), bytes_text(t["peak_rss_bytes"])]
        finding = plain(t["category"]) if t["category"] else ""
        values = t["values"] or [None] * len(objectives) if several else [t["value"]]
        about = (marks.get(t["trial"]), t["label"], MADE_BY.get(t["by"] or "", t["by"]))
        mark = ", ".join(plain(word) for word in about if word)
        first = [str(t["trial"]), t["state"], mark, *[plain(value) for value in values]]
        rows.append([*first, *params, epoch, seconds_text(t["seconds"]), *peaks, str(t["attempts"]), finding])
    left = {1, 2, len(head) - 1}
    print_table(head, rows, right=frozenset(range(len(head))) - left)


def write_csv(trials: list[dict[str, Any]], objectives: Sequence[str]) -> None:
    """One line a trial on standard output: the keys of sorting, who made it, values of several objectives, parameters."""
    parameters = list(dict.fromkeys(p for t in trials for p in t["params"]))
    several = objectives if len(objectives) > 1 else ()
    writer = csv.writer(sys.stdout)
    writer.writerow([*SORT_KEYS, "label", "by", "feasible", *several, *parameters])
    for t in trials:
        values = [*t["values"], *[None] * len(several)][: len(several)]
        told = [t[key] for key in (*SORT_KEYS, "label", "by", "feasible")]
        writer.writerow([*told, *values, *[t["params"].get(p) for p in parameters]])


def run(args: argparse.Namespace) -> int:
    """Print."""
    fold = load_fold(find_study(args.dir, args.study))
    now = time.time()
    trials = sort_trials([trial_json(t, now) for _, t in sorted(fold.trials.items())], args.sort)
    if args.json:
        print_json({"study": fold.facts.study, "trials": trials})
    elif args.csv:
        write_csv(trials, fold.facts.objectives)
    elif not trials:
        print(f"{fold.facts.study} has no trials yet")
    else:
        print_trials(trials, marks_of(fold), fold.facts.objectives)
    return 0
