"""`htr-tui diagnose STUDY`: what is wrong with a study as a whole, in words."""

from __future__ import annotations

import argparse
import textwrap
import time
from collections.abc import Sequence

from htr_tui.cli.output import print_json
from htr_tui.cli.places import find_study, load_fold
from htr_tui.diagnosis.diagnosis import Diagnosis
from htr_tui.diagnosis.study import diagnose
from htr_tui.processes.presence import read_presence
from htr_tui.text import clean_text

WIDTH = 100
SIGNS = {"error": "ERROR", "warning": "WARNING", "info": "NOTE"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study")


def run(args: argparse.Namespace) -> int:
    """Print; 0 whatever was found, since the command did its work."""
    paths = find_study(args.dir, args.study)
    fold = load_fold(paths)
    presence = read_presence(paths.supervisor)
    is_supervised = presence is not None and presence.alive
    found = diagnose(fold, time.time(), is_supervised=is_supervised)
    if args.json:
        print_json({"study": fold.facts.study, "path": str(paths.root), "diagnosis": [d.as_json() for d in found]})
    else:
        print_diagnosis(fold.facts.study, len(fold.trials), found)
    return 0


def print_diagnosis(study: str, trials: int, found: Sequence[Diagnosis]) -> None:
    """The diagnosis for people."""
    if not found:
        what = "nothing suspicious" if trials else "no trials yet"
        print(f"{study}: {what}{f' in {trials} trials' if trials else ''}")
    for diagnosis in found:
        print(f"{SIGNS[diagnosis.severity]}: {clean_text(diagnosis.title)}")
        print(_paragraph(diagnosis.text))
        if diagnosis.remedy:
            print(_paragraph(f"What to do: {diagnosis.remedy}."))


def _paragraph(text: str) -> str:
    wrapped = textwrap.wrap(clean_text(text, 4000), WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"  {line}" for line in wrapped)
