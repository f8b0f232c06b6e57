"""`htr-tui import URL`: other people's studies as read-only study folders, and what is wrong with them."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from htr_tui.cli.diagnose import print_diagnosis
from htr_tui.cli.output import plain, print_json, print_table
from htr_tui.cli.places import load_fold, runs_folder
from htr_tui.diagnosis.study import diagnose
from htr_tui.errors import UsageError
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import TRIAL_STATES


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "url",
        help="an Optuna storage (SQLite file or URL, postgresql://, mysql://, JournalStorage file) "
        "or an MLflow store (database, mlruns folder, http(s) server); it is only read",
    )
    parser.add_argument("--study", action="append", default=[], metavar="NAME", help="only this study or experiment")
    parser.add_argument("--name", help="name of the study folder here (default: from the study's name)")
    parser.add_argument("--list", action="store_true", help="only list the studies there")
    parser.add_argument("--tool", choices=["optuna", "mlflow"], help="which one, where a database holds both")
    mlflow = parser.add_argument_group("MLflow does not say what the objective is")
    mlflow.add_argument("--metric", help="the metric that is the objective (default: the likeliest one)")
    direction = mlflow.add_mutually_exclusive_group()
    direction.add_argument(
        "--maximize", dest="direction", action="store_const", const="maximize", help="more is better"
    )
    direction.add_argument(
        "--minimize", dest="direction", action="store_const", const="minimize", help="less is better"
    )
    mlflow.add_argument(
        "--from", dest="take", choices=["best", "last"], default="best", help="value of a run's history (default: best)"
    )


def run(args: argparse.Namespace) -> int:
    """Read, write the folders, tell the diagnosis."""
    from htr_tui.importing.reading import choose_studies, open_source
    from htr_tui.importing.sources import find_source

    runs = runs_folder(args.dir)
    source = find_source(args.url, Path.cwd())
    with open_source(source, args.tool) as reader:
        if args.list:
            return _list(args, source.shown, reader.kind, reader.listed())
        names = choose_studies(reader, args.study, source.shown)
        if args.name is not None and len(names) > 1:
            raise UsageError(
                f"--name is for one study, and there are {len(names)}", ", ".join(map(plain, names[:30])),
                "choose one with --study",
            )  # fmt: skip
        imported = [_import(args, runs, reader, source.shown, name) for name in names]
    if args.json:
        print_json({"url": source.shown, "kind": imported[0]["kind"], "studies": imported})
    return 0


def _list(args: argparse.Namespace, shown: str, kind: str, listed: Any) -> int:
    if args.json:
        print_json({"url": shown, "kind": kind, "studies": [{"study": s.name, "trials": s.trials} for s in listed]})
    elif not listed:
        print(f"{shown} ({kind}) holds no study")
    else:
        print_table(["study", "trials"], [[plain(s.name), str(s.trials)] for s in listed], right=frozenset({1}))
    return 0


def _import(args: argparse.Namespace, runs: Path, reader: Any, shown: str, name: str) -> dict[str, Any]:
    """One study; what was found, as JSON and (unless that is wanted) on the screen."""
    from htr_tui.importing.folder import write_study
    from htr_tui.importing.foreign import Choice
    from htr_tui.journal.records import ForeignSource

    now = time.time()
    study = reader.read(name, Choice(args.metric, args.direction, args.take))
    paths, was_there = write_study(runs, study, ForeignSource(shown, reader.kind, name), args.name, now)
    fold = load_fold(paths)
    found = diagnose(fold, now)
    if not args.json:
        counts = ", ".join(f"{fold.counts[s]} {s}" for s in TRIAL_STATES if fold.counts[s]) or "no trials"
        verb = "renewed" if was_there else "imported"
        print(f"{plain(name)} {verb} as {paths.root.name} from {reader.kind}: {counts}")
        for text in study.warnings:
            print(f"  {plain(text)}")
        print_diagnosis(paths.root.name, len(fold.trials), found)
    return _json(paths, name, reader.kind, was_there, fold.counts, study.warnings, found)


def _json(
    paths: StudyPaths, name: str, kind: str, was_there: bool, counts: Any, warnings: list[str], found: Any
) -> dict[str, Any]:
    return {
        "study": paths.root.name,
        "path": str(paths.root),
        "source_study": name,
        "kind": kind,
        "renewed": was_there,
        "trials": {"total": sum(counts.values()), **counts},
        "warnings": warnings,
        "diagnosis": [d.as_json() for d in found],
    }
