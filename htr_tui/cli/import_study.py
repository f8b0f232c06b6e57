"""`htr-tui import URL`: other people's studies as read-only study folders, and what is wrong with them."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htr_tui.cli.diagnose import print_diagnosis
from htr_tui.cli.output import plain, print_json, print_table
from htr_tui.cli.places import load_fold, runs_folder
from htr_tui.diagnosis.diagnosis import Diagnosis
from htr_tui.diagnosis.study import diagnose
from htr_tui.errors import UsageError
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import TRIAL_STATES, ForeignSource, TrialState

if TYPE_CHECKING:
    from htr_tui.importing.foreign import ForeignStudy


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
    from htr_tui.importing.foreign import Choice
    from htr_tui.importing.reading import choose_studies, open_source
    from htr_tui.importing.sources import find_source

    runs = runs_folder(args.dir)
    source = find_source(args.url, Path.cwd())
    with open_source(source, args.tool) as reader:
        kind, listed = reader.kind, reader.listed() if args.list else None
        names = [] if args.list else choose_studies(reader, args.study, source.shown)
        if args.name is not None and len(names) > 1:
            raise UsageError(
                f"--name is for one study, and there are {len(names)}", ", ".join(map(plain, names[:30])),
                "choose one with --study",
            )  # fmt: skip
        choice = Choice(args.metric, args.direction, args.take)
        studies = [reader.read(name, choice) for name in names]
    # With the source closed, for a trouble here is none of the source's; and all written before any is told.
    if listed is not None:
        return _list(args, source.shown, kind, listed)
    imported = [_write(args, runs, study, ForeignSource(source.shown, kind, study.name)) for study in studies]
    if args.json:
        print_json({"url": source.shown, "kind": kind, "studies": [study.as_json() for study in imported]})
    else:
        for study in imported:
            study.print()
    return 0


def _list(args: argparse.Namespace, shown: str, kind: str, listed: Any) -> int:
    if args.json:
        print_json({"url": shown, "kind": kind, "studies": [{"study": s.name, "trials": s.trials} for s in listed]})
    elif not listed:
        print(f"{shown} ({kind}) holds no study")
    else:
        print_table(["study", "trials"], [[plain(s.name), str(s.trials)] for s in listed], right=frozenset({1}))
    return 0


def _write(args: argparse.Namespace, runs: Path, study: ForeignStudy, source: ForeignSource) -> Imported:
    from htr_tui.importing.folder import write_study

    now = time.time()
    paths, was_there = write_study(runs, study, source, args.name, now)
    fold = load_fold(paths)
    return Imported(paths, source, was_there, dict(fold.counts), study.warnings, diagnose(fold, now))


@dataclass(frozen=True, slots=True)
class Imported:
    """One study that is a folder now, and what was found in it."""

    paths: StudyPaths
    source: ForeignSource
    was_there: bool
    counts: dict[TrialState, int]
    warnings: list[str]
    found: list[Diagnosis]

    def as_json(self) -> dict[str, Any]:
        """The stable JSON form."""
        return {
            "study": self.paths.root.name,
            "path": str(self.paths.root),
            "source_study": self.source.study,
            "kind": self.source.kind,
            "renewed": self.was_there,
            "trials": {"total": sum(self.counts.values()), **self.counts},
            "warnings": self.warnings,
            "diagnosis": [diagnosis.as_json() for diagnosis in self.found],
        }

    def print(self) -> None:
        """The same for people."""
        counts = ", ".join(f"{self.counts[s]} {s}" for s in TRIAL_STATES if self.counts[s]) or "no trials"
        verb, name = "renewed" if self.was_there else "imported", self.paths.root.name
        print(f"{plain(self.source.study)} {verb} as {name} from {self.source.kind}: {counts}")
        for text in self.warnings:
            print(f"  {plain(text)}")
        print_diagnosis(name, sum(self.counts.values()), self.found)
