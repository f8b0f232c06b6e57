"""`htr-tui check STUDY.yaml`: every mistake of a study file at once; starts nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from htr_tui.cli.output import print_json
from htr_tui.errors import ConfigError, ConfigProblem


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study", type=Path, metavar="STUDY.yaml")


def run(args: argparse.Namespace) -> int:
    """0 without errors, 2 with."""
    from htr_tui.study.checks import check_environment, environment_warnings
    from htr_tui.study.loading import read_study

    warnings: list[ConfigProblem] = []
    try:
        loaded = read_study(args.study)
        base = args.dir.resolve()
        errors = check_environment(loaded.spec, base, loaded.document)
        warnings = [*loaded.warnings, *environment_warnings(loaded.spec, base, loaded.document)]
    except ConfigError as error:
        errors = error.problems
    if args.json:
        record = {"errors": [p.as_json() for p in errors], "warnings": [p.as_json() for p in warnings]}
        print_json({"ok": not errors, **record})
    else:
        for problem in errors:
            print(f"error: {problem.describe()}")
        for problem in warnings:
            print(f"warning: {problem.describe()}")
        if not errors:
            print(f"{args.study}: ok")
    return 2 if errors else 0
