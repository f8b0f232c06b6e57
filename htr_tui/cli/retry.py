"""`htr-tui retry STUDY TRIAL`: a new attempt of a failed, stopped or pruned trial, with a fix or other parameters."""

from __future__ import annotations

import argparse
import math
from typing import Any

from htr_tui.cli.output import plain, print_json
from htr_tui.cli.places import find_study, find_trial, load_fold, refuse_imported
from htr_tui.errors import ConfigError, UsageError
from htr_tui.files import read_json
from htr_tui.journal.commands import send_command
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import TrialRecord
from htr_tui.processes.presence import read_presence
from htr_tui.study.safe_yaml import read_scalar, read_yaml

RETRIABLE = ("failed", "stopped", "pruned")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study")
    parser.add_argument("trial", type=int)
    parser.add_argument(
        "--fix", metavar="NAME", help="a fix of the finding; default: the first that can be applied; none: no fix"
    )
    parser.add_argument("--set", metavar="K=V", action="append", default=[], help="override a parameter (repeatable)")
    parser.add_argument("--fresh", action="store_true", help="start from nothing instead of the last checkpoint")


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """`K=V` pairs; a value is read as in a study file (a list as [64, 32]), and as text where it is none."""
    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"--set {pair}: not of the form KEY=VALUE", "", "for example --set train.batch=4")
        overrides[key] = _value(text)
    return overrides


def _value(text: str) -> Any:
    try:
        value = read_yaml(text, "--set").value if text.startswith(("[", '"', "'")) else read_scalar(text)
    except ConfigError:
        return text
    items = value if isinstance(value, list) else [value]
    return value if all(_is_scalar(item) for item in items) else text


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value))


def choose_fix(paths: StudyPaths, trial: TrialRecord, wanted: str | None) -> dict[str, Any] | None:
    """The fix to apply, from the last attempt's finding."""
    attempt = trial.last_attempt
    finding = read_json(paths.attempt(trial.number, attempt.number).finding) if attempt else None
    fixes = [f for f in (finding or {}).get("fixes") or [] if isinstance(f, dict)]
    if wanted == "none":
        return None
    if wanted is None:
        return next((f for f in fixes if f.get("applicable", True)), None)
    for fix in fixes:
        if fix.get("name") == wanted:
            if not fix.get("applicable", True):
                raise UsageError(f"fix {wanted} cannot be applied here", str(fix.get("effect", "")))
            return fix
    names = ", ".join(str(f.get("name")) for f in fixes) or "none"
    raise UsageError(f"trial {trial.number} has no fix {wanted!r}", "", f"fixes of its finding: {names}")


def run(args: argparse.Namespace) -> int:
    """Queue the attempt; starts the supervisor if none is there."""
    paths = find_study(args.dir, args.study)
    fold = load_fold(paths)
    refuse_imported(fold)
    trial = find_trial(fold, args.trial)
    if trial.state not in RETRIABLE:
        raise UsageError(
            f"trial {trial.number} is {trial.state}", "", f"only {', '.join(RETRIABLE)} trials can be tried again"
        )
    overrides = parse_overrides(args.set)
    fix = choose_fix(paths, trial, args.fix)
    merged = {**((fix or {}).get("set") or {}), **overrides}
    fields = {"trial": trial.number, "fix": (fix or {}).get("name"), "set": merged, "env": (fix or {}).get("env") or {}}
    send_command(paths, "retry", **fields, fresh=args.fresh)
    presence = read_presence(paths.supervisor)
    started = None
    if presence is None or not presence.alive:
        from htr_tui.supervisor.launch import launch_supervisor

        started = launch_supervisor(paths, args.dir.resolve()).pid
    others = [t.number for t in fold.in_state("stopped") if t.number != trial.number] if started else []
    if args.json:
        print_json({"study": args.study, **fields, "supervisor_started": started, "continued": others})
    else:
        changes = ", ".join(f"{plain(k)}={plain(v)}" for k, v in merged.items()) or "no change of parameters"
        fixed = f" with fix {plain(fields['fix'])}" if fields["fix"] else ""
        paused = f"; the study is paused, `htr-tui continue {args.study}` starts it" if fold.paused else ""
        more = f"; the study goes on, also with its stopped trials {', '.join(map(str, others))}" if others else ""
        print(f"{args.study} trial {trial.number}: queued again{fixed}: {changes}{paused}{more}")
    return 0
