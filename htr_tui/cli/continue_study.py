"""`htr-tui continue STUDY`: go on with a study that is paused, or was stopped or interrupted."""

from __future__ import annotations

import argparse

from htr_tui.cli.output import print_json
from htr_tui.cli.places import find_study, load_fold, refuse_imported
from htr_tui.cli.run import finished_hint, launch
from htr_tui.cli.waiting import wait_for_answer
from htr_tui.journal.commands import send_command
from htr_tui.processes.presence import read_presence

DEADLINE_S = 20.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study")


def run(args: argparse.Namespace) -> int:
    """Ask the supervisor, or start one."""
    paths = find_study(args.dir, args.study)
    refuse_imported(fold := load_fold(paths))
    presence = read_presence(paths.supervisor)
    is_alive = presence is not None and presence.alive
    pid: int | None
    if not is_alive and (hint := finished_hint(paths, fold)) is not None:
        pid, message = None, hint.removeprefix(f"{args.study} ")
    elif presence is None or not is_alive:
        pid = launch(paths, args.dir.resolve())
        message = f"goes on, supervised by pid {pid}"
    else:
        pid = presence.pid
        command = send_command(paths, "continue")
        answer = wait_for_answer(
            paths, command, lambda state: state.paused is None and not state.stop_requested, DEADLINE_S
        )
        message = "goes on" if answer is not None and answer.paused is None else "asked to go on; no answer yet"
    if args.json:
        print_json({"study": args.study, "message": message, "pid": pid})
    else:
        print(f"{args.study}: {message}")
    return 0
