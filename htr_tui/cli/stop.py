"""`htr-tui stop STUDY`: trials write a checkpoint and stop; they can be continued."""

from __future__ import annotations

import argparse
import time

from htr_tui.cli.output import print_json
from htr_tui.cli.places import find_study, load_fold, refuse_imported
from htr_tui.errors import HtrError
from htr_tui.files import read_json
from htr_tui.journal.commands import send_command
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.processes.presence import read_presence

POLL_S = 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study")
    parser.add_argument(
        "--now", action="store_true", help="terminate after a short grace instead of waiting for the checkpoint"
    )
    parser.add_argument("--no-wait", action="store_true", help="return at once; the supervisor does the rest")
    parser.add_argument(
        "--timeout", type=float, default=600.0, metavar="S", help="wait at most this long (default 600 s)"
    )


def has_living_attempts(paths: StudyPaths, fold: StudyFold) -> bool:
    """Whether a runner of the study lives, supervised or not."""
    for trial in fold.trials.values():
        if trial.state == "running" and (attempt := trial.last_attempt):
            identity = ProcessIdentity.from_json(read_json(paths.attempt(trial.number, attempt.number).runner))
            if identity is not None and identity.is_alive():
                return True
    return False


def run(args: argparse.Namespace) -> int:
    """Ask, and wait until the study has stopped."""
    paths = find_study(args.dir, args.study)
    presence = read_presence(paths.supervisor)
    fold = load_fold(paths)
    refuse_imported(fold)
    if presence is None or not presence.alive:
        if not has_living_attempts(paths, fold):
            return _tell(args, fold, "nothing of this study is running")
        from htr_tui.supervisor.launch import launch_supervisor

        # Trainers without a supervisor: a new one adopts them, reads this command first, and stops them properly.
        send_command(paths, "stop", now=args.now)
        launch_supervisor(paths, args.dir.resolve())
    else:
        send_command(paths, "stop", now=args.now)
    if args.no_wait:
        return _tell(args, fold, "asked to stop")
    deadline = time.monotonic() + args.timeout
    while time.monotonic() < deadline:
        presence = read_presence(paths.supervisor)
        if presence is None or not presence.alive:
            return _tell(args, load_fold(paths), "stopped")
        time.sleep(POLL_S)
    raise HtrError(
        f"{args.study} has not stopped within {args.timeout:g} s", "the request stands; its trainers are still busy",
        "use `htr-tui stop --now` to end them after a short grace",
    )  # fmt: skip


def _tell(args: argparse.Namespace, fold: StudyFold, text: str) -> int:
    stopped = sorted(t.number for t in fold.trials.values() if t.state == "stopped")
    if args.json:
        print_json({"study": args.study, "message": text, "stopped": stopped, "trials": dict(fold.counts)})
    else:
        more = f"; `htr-tui run {args.study}` continues trials {', '.join(map(str, stopped))}" if stopped else ""
        print(f"{args.study}: {text}{more}")
    return 0
