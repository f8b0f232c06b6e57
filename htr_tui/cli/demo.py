"""`htr-tui demo`: the shipped demo study, for real: data, recogniser and six GAN trials, made on the spot."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
import time
from pathlib import Path

from htr_tui.cli.follow import EventPrinter, follow, paused_itself, wait_for_tracking
from htr_tui.cli.output import print_json
from htr_tui.cli.places import load_fold
from htr_tui.cli.run import launch, open_or_create
from htr_tui.cli.status import describe
from htr_tui.cli.trials import marks_of, print_trials
from htr_tui.errors import HtrError
from htr_tui.journal.commands import send_command
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.status import trial_json
from htr_tui.processes.presence import read_presence

STUDY = Path("configs/studies/demo.yaml")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--headless", action="store_true", help="print one line an event instead of opening the panel")


def shipped_configs() -> Path:
    """The configurations that come with the package, or of the source tree it runs from."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "shipped_configs", package.parent / "configs"):
        if candidate.is_dir():
            return candidate
    raise HtrError("the shipped configurations are missing", str(package), "install the package again")


def lay_out_configs(directory: Path) -> None:
    """Copy the shipped configurations to DIR/configs where they are missing; what is there stays as it is."""
    source = shipped_configs()
    for file in sorted(source.rglob("*")):
        target = directory / "configs" / file.relative_to(source)
        if file.is_file() and file.suffix != ".pyc" and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def run(args: argparse.Namespace) -> int:
    """0 if the study (headless) finished with at least one complete trial."""
    for package in ("tensorflow", "htr_gan"):
        if importlib.util.find_spec(package) is None:
            raise HtrError(
                f"the demo trains with {package}, which is not installed", "", "pip install 'htr-tui[train]'"
            )
    lay_out_configs(args.dir)
    paths, _, _ = open_or_create(args.dir, str(args.dir / STUDY))
    presence = read_presence(paths.supervisor)
    if presence is None or not presence.alive:
        fold = load_fold(paths)
        if fold.ended_reason != "finished":
            launch(paths, args.dir.resolve())
    if args.headless or args.json or not sys.stdout.isatty():
        return _headless(paths, as_json=args.json)
    from htr_tui.panel.app import run_panel

    return run_panel(args.dir, paths.root.name)


def _headless(paths: StudyPaths, *, as_json: bool) -> int:
    printer = EventPrinter(as_json=False)
    for record in follow(paths):
        if not as_json:
            printer.take(record)
        if paused_itself(record):  # nobody is there to continue it
            send_command(paths, "stop")
    wait_for_tracking(paths)
    fold = load_fold(paths)
    now = time.time()
    if as_json:
        print_json(describe(paths))
    else:
        print()
        trials = [trial_json(trial, now) for _, trial in sorted(fold.trials.items())]
        print_trials(trials, marks_of(fold), fold.facts.objectives)
        best = fold.best()
        print(
            f"\nbest: trial {best.number}, {best.value:.4f}"
            if best and best.value is not None
            else "\nno trial is complete"
        )
    return 0 if fold.ended_reason == "finished" and fold.counts["complete"] else 1
