"""`htr-tui pause STUDY`: nothing new is started until `htr-tui continue`; running trials go on to their end."""

from __future__ import annotations

import argparse

from htr_tui.cli.output import print_json
from htr_tui.cli.places import find_study, load_fold, refuse_imported
from htr_tui.cli.waiting import wait_for_answer
from htr_tui.journal.commands import send_command
from htr_tui.journal.status import study_state
from htr_tui.processes.presence import read_presence

DEADLINE_S = 20.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study")


def run(args: argparse.Namespace) -> int:
    """Ask, and wait for the supervisor's word."""
    paths = find_study(args.dir, args.study)
    fold = load_fold(paths)
    refuse_imported(fold)
    presence = read_presence(paths.supervisor)
    if presence is None or not presence.alive:
        state = study_state(fold, False)
        message = f"it is {state}: nothing would be started; only a running study is paused"
    elif fold.paused is not None:
        message = f"already paused: {fold.paused.message}"
    else:
        command = send_command(paths, "pause")
        answer = wait_for_answer(paths, command, lambda state: state.paused is not None, DEADLINE_S)
        done = answer is not None and answer.paused is not None
        message = "paused; running trials go on to their end" if done else "asked to pause; no answer yet"
        fold = answer or fold
    if args.json:
        print_json({"study": args.study, "message": message, "paused": fold.paused is not None})
    else:
        more = f"; `htr-tui continue {args.study}` goes on" if fold.paused is not None else ""
        print(f"{args.study}: {message}{more}")
    return 0
