"""`htr-tui stop STUDY`: trials write a checkpoint and stop; they can be continued."""

from __future__ import annotations

import argparse
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from htr_tui.cli.output import print_json
from htr_tui.cli.places import find_study, load_fold, refuse_imported
from htr_tui.errors import HtrError
from htr_tui.files import read_json
from htr_tui.journal.commands import send_command
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.processes.presence import read_presence
from htr_tui.processes.sweep import FOLDER, TOKEN, end_marked, marked_processes

POLL_S = 0.1
ROUNDS = 5
"""So often a supervisor may be killed while we wait for it."""
HELP_AFTER_S = 3.0
"""After so long without an end of `--now` the runners are told directly, too."""


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


@dataclass(frozen=True, slots=True)
class LivingAttempt:
    """A running attempt of which something lives."""

    runner: ProcessIdentity | None
    """None if the runner is gone and only processes of the trainer are left."""
    marks: tuple[str, ...]
    """What its processes carry in their environment."""


def living_attempts(paths: StudyPaths, fold: StudyFold) -> list[LivingAttempt]:
    """Attempts of which the runner or an orphan of the trainer lives, supervised or not."""
    found: list[LivingAttempt] = []
    orphaned: list[LivingAttempt] = []
    for trial in fold.in_state("running"):
        if (attempt := trial.last_attempt) is None:
            continue
        files = paths.attempt(trial.number, attempt.number)
        token = ((read_json(files.command) or {}).get("env") or {}).get(TOKEN)
        marks = (f"{FOLDER}={files.root}", *([f"{TOKEN}={token}"] if token else []))
        runner = ProcessIdentity.from_json(read_json(files.runner))
        if runner is not None and runner.is_alive():
            found.append(LivingAttempt(runner, marks))
        else:
            orphaned.append(LivingAttempt(None, marks))
    marked = set(marked_processes([m for item in orphaned for m in item.marks]).values()) if orphaned else set()
    return found + [item for item in orphaned if marked.intersection(item.marks)]


def end_now(attempts: list[LivingAttempt]) -> None:
    """What the supervisor would do for `--now`, where none does it: runners end their trainers, orphans are killed."""
    for item in attempts:
        if item.runner is None:
            end_marked(item.marks)
        else:
            item.runner.send(signal.SIGUSR1)
            item.runner.send(signal.SIGCONT)


def run(args: argparse.Namespace) -> int:
    """Ask, and wait until the study has stopped."""
    paths = find_study(args.dir, args.study)
    presence = read_presence(paths.supervisor)
    fold = load_fold(paths)
    refuse_imported(fold)
    if presence is None or not presence.alive:
        living = living_attempts(paths, fold)
        if not living:
            return _tell(args, fold, "nothing of this study is running")
        _ask_a_new_one(args, paths, living)
    else:
        send_command(paths, "stop", now=args.now)
        wake_supervisor(paths)
    if args.no_wait:
        return _tell(args, fold, "asked to stop")
    for _ in range(ROUNDS):
        _wait(args, paths)
        fold = load_fold(paths)
        if fold.ended_reason is not None or not (living := living_attempts(paths, fold)):
            break
        _ask_a_new_one(args, paths, living)  # the supervisor was killed in the middle of it
    return _tell(args, fold, "stopped")


def _ask_a_new_one(args: argparse.Namespace, paths: StudyPaths, living: list[LivingAttempt]) -> None:
    """Trainers without a supervisor: one that adopts them reads this command first, and stops them properly."""
    send_command(paths, "stop", now=args.now)
    if args.now:
        end_now(living)
    launch_supervisor(paths, args.dir.resolve())


def launch_supervisor(paths: StudyPaths, base: Path) -> None:
    """Start one; its modules are loaded only when that is needed."""
    from htr_tui.supervisor.launch import launch_supervisor as launch

    launch(paths, base)


def wake_supervisor(paths: StudyPaths) -> None:
    """A supervisor that somebody stopped (SIGSTOP, ctrl+z) cannot read what it is asked."""
    identity = ProcessIdentity.from_json(read_json(paths.supervisor))
    if identity is not None:
        identity.send(signal.SIGCONT)


def _wait(args: argparse.Namespace, paths: StudyPaths) -> None:
    start = time.monotonic()
    helps = args.now
    while (waited := time.monotonic() - start) < args.timeout:
        presence = read_presence(paths.supervisor)
        if presence is None or not presence.alive:
            return
        if helps and waited > HELP_AFTER_S:
            helps = False  # once: the supervisor is busy, with a database that does not answer for instance
            end_now([item for item in living_attempts(paths, load_fold(paths)) if item.runner is not None])
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
