"""`htr-tui status`: every study in one line."""

from __future__ import annotations

import argparse
import time
from typing import Any

from htr_tui.cli.output import plain, print_json, print_table
from htr_tui.cli.places import find_study, load_fold, runs_folder
from htr_tui.journal.paths import StudyPaths, study_folders
from htr_tui.journal.records import TRIAL_STATES
from htr_tui.journal.status import study_json
from htr_tui.processes.presence import read_presence
from htr_tui.text import clean_text

FRONT_SHOWN = 30
"""Trials of a Pareto front that are named; `trials` marks them all."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study", nargs="?", help="only this study")


def describe(paths: StudyPaths) -> dict[str, Any]:
    """The study as in the JSON of `status`."""
    presence = read_presence(paths.supervisor)
    supervisor = None
    if presence is not None:
        supervisor = {"alive": presence.alive, "pid": presence.pid, "host": presence.host}
    return study_json(load_fold(paths), str(paths.root), presence is not None and presence.alive, supervisor)


def _print_reasons(study: dict[str, Any]) -> None:
    """Why nothing is started, and what to do; a sentence may be long, and its end says what to do."""
    name = study["study"]
    if (paused := study["paused"]) is not None:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(paused["t"]))
        print(f"{name}: PAUSED since {since}: {clean_text(paused['message'], 1000)} (`htr-tui continue {name}`)")
    if study["waiting"]:
        print(f"{name}: waiting: {clean_text(study['waiting'], 1000)}")
    if study["pareto"]:
        numbers = ", ".join(map(str, study["pareto"][:FRONT_SHOWN]))
        more = f" and {len(study['pareto']) - FRONT_SHOWN} more" if len(study["pareto"]) > FRONT_SHOWN else ""
        print(f"{name}: on the Pareto front (none is better in every way): {numbers}{more}")
    if (origin := study["promoted_from"]) is not None:
        print(f"{name}: promoted from {clean_text(origin['study'], 100)} #{origin['trial']}")
    if (source := study["imported"]) is not None:
        print(f"{name}: imported from {clean_text(source['url'], 300)}, for reading only")


def run(args: argparse.Namespace) -> int:
    """Print; 0 also when there is no study yet."""
    folders = [find_study(args.dir, args.study)] if args.study else study_folders(runs_folder(args.dir))
    studies = [describe(paths) for paths in folders]
    if args.json:
        print_json({"studies": studies})
        return 0
    if not studies:
        print(f"no studies in {runs_folder(args.dir)}; start one with `htr-tui run STUDY.yaml` or `htr-tui demo`")
        return 0
    rows = []
    for study in studies:
        counts, best = study["trials"], study["best"]
        states = ", ".join(f"{counts[s]} {s}" for s in TRIAL_STATES if counts[s]) or "no trials"
        told = "-" if best is None else f"#{best['trial']} {plain(best['value'])}"
        done = f"{counts['complete'] + counts['pruned'] + counts['failed']}/{study['budget'] or '-'}"
        state = study["state"] if study["imported"] is None else "imported"
        rows.append([study["study"], state, done, told, states])
    print_table(["study", "state", "done", "best", "trials"], rows)
    for study in studies:
        _print_reasons(study)
        for note in [n for n in study["notes"] if n["level"] != "info"]:
            print(f"{study['study']}: {note['level']}: {plain(note['message'])}")
    return 0
