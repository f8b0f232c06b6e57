"""`htr-tui enqueue STUDY --set K=V ...`: a trial typed by hand; what is not given is drawn by the sampler."""

from __future__ import annotations

import argparse
import time
from typing import Any

from htr_tui.cli.output import plain, print_json
from htr_tui.cli.places import find_study, load_fold, refuse_imported
from htr_tui.cli.retry import parse_overrides
from htr_tui.cli.waiting import refusal, trial_of_command, wait_for_answer
from htr_tui.errors import HtrError, UsageError
from htr_tui.journal.commands import send_command
from htr_tui.processes.presence import read_presence

DEADLINE_S = 60.0
MAX_LABEL = 200


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study")
    parser.add_argument("--set", metavar="K=V", action="append", default=[], help="a parameter's value (repeatable)")
    parser.add_argument("--label", metavar="TEXT", help="what the trial is called in tables")


def run(args: argparse.Namespace) -> int:
    """Check the values, ask, and wait for the trial's number; a finished study is started again for it."""
    from htr_tui.study.loading import load_study
    from htr_tui.study.pinned import pinned_parameters

    paths = find_study(args.dir, args.study)
    fold = load_fold(paths)
    refuse_imported(fold)
    if args.label is not None and not 0 < len(args.label) <= MAX_LABEL:
        raise UsageError("--label needs a text of 1 to 200 characters")
    spec = load_study(paths.study_file)
    params = parse_overrides(args.set)
    if not params:
        raise UsageError(
            "no parameter is given",
            "",
            f"--set NAME=VALUE, with names of the space: {', '.join(spec.search.parameters)}",
        )
    params = pinned_parameters(spec.search, params)
    asked = time.time()
    command = send_command(paths, "enqueue", params=params, label=args.label)
    presence = read_presence(paths.supervisor)
    started = None
    is_alive = presence is not None and presence.alive
    if not is_alive and fold.ended_reason == "finished":
        from htr_tui.cli.run import launch

        started = launch(paths, args.dir.resolve())
    elif not is_alive:
        return _tell_later(args, params)
    fold = wait_for_answer(paths, command, lambda state: command.name in state.commands_done, DEADLINE_S) or fold
    number = trial_of_command(paths, command)
    if number is None and not command.exists():
        raise HtrError(f"{args.study} took no trial from you", refusal(fold, asked))
    trial = fold.trials.get(number) if number is not None else None
    chosen = trial.params if trial is not None else params
    if args.json:
        print_json(
            {"study": args.study, "trial": number, "params": chosen, "label": args.label, "supervisor_started": started}
        )
    elif number is None:
        print(f"{args.study}: asked for; the supervisor makes the trial as soon as the search's storage answers")
    else:
        values = ", ".join(f"{plain(k)}={plain(v)}" for k, v in chosen.items())
        paused = f"; the study is paused, `htr-tui continue {args.study}` starts it" if fold.paused else ""
        print(f"{args.study} trial {number} is queued: {values}{paused}")
    return 0


def _tell_later(args: argparse.Namespace, params: dict[str, Any]) -> int:
    if args.json:
        print_json(
            {"study": args.study, "trial": None, "params": params, "label": args.label, "supervisor_started": None}
        )
    else:
        print(f"{args.study} is not running; the trial is made when `htr-tui continue {args.study}` goes on with it")
    return 0
