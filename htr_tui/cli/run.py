"""`htr-tui run STUDY.yaml`: start a study, or go on with one; what was stopped is continued first."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htr_tui.cli.follow import EventPrinter, paused_itself, wait_for_tracking
from htr_tui.cli.output import print_json
from htr_tui.cli.places import find_study, load_fold, refuse_imported, runs_folder
from htr_tui.errors import ConfigError, StorageError, UsageError
from htr_tui.journal.commands import pending_commands, send_command
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.presence import read_presence

if TYPE_CHECKING:
    from htr_tui.journal.fold import StudyFold
    from htr_tui.study.spec import StudySpec


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study", help="a study file, or the name of a study in DIR/runs to go on with")
    parser.add_argument("--foreground", action="store_true", help="supervise in this process; ctrl+c stops the study")
    parser.add_argument("--trials", type=int, metavar="N", help="change the budget to N trials in all")


def study_file(directory: Path, text: str) -> Path | None:
    """The study file that `text` names, seen from here or from DIR; None if it is a study's name."""
    for candidate in (Path(text), directory / text):
        if candidate.is_file():
            return candidate
    if text.endswith((".yaml", ".yml")) or "/" in text:
        raise UsageError(f"{text}: no such study file", "", "name a .yaml file, or a study from `htr-tui status`")
    return None


def open_or_create(directory: Path, text: str) -> tuple[StudyPaths, StudySpec, list[str]]:
    """(the study's files, its specification as launched, warnings). A new study's folder is made."""
    from htr_tui.study.checks import check_environment, environment_warnings
    from htr_tui.study.loading import load_study, read_study
    from htr_tui.supervisor.folder import create_study_folder

    base = directory.resolve()
    source = study_file(directory, text)
    if source is None:
        paths = find_study(directory, text)
        refuse_imported(load_fold(paths))
        return paths, load_study(paths.study_file), []
    loaded = read_study(source)
    spec = loaded.spec
    paths = StudyPaths(runs_folder(directory) / spec.study)
    if paths.journal.is_file():
        warnings = []
        refuse_imported(fold := load_fold(paths))
        if loaded.sha256 != fold.facts.source_sha256:
            warnings.append(
                f"{source} has changed since {spec.study} was launched; the study goes on as launched "
                f"({paths.study_file}). For the new version give it another name (`study:`)."
            )
        return paths, load_study(paths.study_file), warnings
    if problems := check_environment(spec, base, loaded.document):
        raise ConfigError(problems)
    told = [*loaded.warnings, *environment_warnings(spec, base, loaded.document)]
    made = create_study_folder(paths.root.parent, spec, loaded.text.encode(), source, base)
    return made, spec, [w.describe() for w in told]


def run(args: argparse.Namespace) -> int:
    """Start; BusyError (exit 1) if it is supervised already, unless only the budget changes."""
    from htr_tui.supervisor.launch import refuse_if_supervised

    if args.trials is not None and args.trials < 1:
        raise UsageError("--trials needs a number of at least 1")
    paths, spec, warnings = open_or_create(args.dir, args.study)
    presence = read_presence(paths.supervisor)
    if args.trials is not None:
        send_command(paths, "budget", trials=args.trials)
        if presence is not None and presence.alive:
            return _tell(args, paths, presence.pid, [*warnings, f"budget is now {args.trials} trials"])
    fold = load_fold(paths)
    refuse_imported(fold)
    if (hint := finished_hint(paths, fold)) is not None:
        warnings.append(hint)
    if fold.paused is not None and presence is not None and presence.alive:
        send_command(paths, "continue")
        return _tell(args, paths, presence.pid, [*warnings, f"it was paused ({fold.paused.message}) and goes on"])
    refuse_if_supervised(paths)
    if args.foreground:
        forget_old_stops(paths)
        return _foreground(args, paths, spec, warnings)
    try:
        pid = launch(paths, args.dir.resolve())
    except OSError as error:
        raise StorageError(f"cannot write to {paths.root}", str(error), "check permissions and free space") from error
    return _tell(args, paths, pid, warnings)


def finished_hint(paths: StudyPaths, fold: StudyFold) -> str | None:
    """What to do with a study in which nothing is left to run; None if something is."""
    if fold.ended_reason != "finished" or pending_commands(paths)[0]:
        return None
    name = paths.root.name
    return (
        f"{name} has finished its {len(fold.trials)} trials; `htr-tui run {name} --trials N` gives it a budget of N, "
        f"`htr-tui enqueue {name} --set K=V` one more trial"
    )


def forget_old_stops(paths: StudyPaths) -> None:
    """A stop that a dead supervisor never took, and a pause, are answered by "go on" before the new one starts."""
    if load_fold(paths).paused is not None or any(c.name == "stop" for c in pending_commands(paths)[0]):
        send_command(paths, "continue")


def launch(paths: StudyPaths, base: Path) -> int:
    """Start a detached supervisor that goes on with the study; its pid."""
    from htr_tui.supervisor.launch import launch_supervisor

    forget_old_stops(paths)
    return launch_supervisor(paths, base).pid


def _foreground(args: argparse.Namespace, paths: StudyPaths, spec: StudySpec, warnings: list[str]) -> int:
    from htr_tui.supervisor.loop import supervise

    for warning in warnings:
        print(f"warning: {warning}", flush=True)
    printer = EventPrinter(as_json=args.json, fold=load_fold(paths))
    gave_up = False

    def take(record: dict[str, Any]) -> None:
        nonlocal gave_up
        printer.take(record)
        if paused_itself(record):  # nobody may be there to continue it: a script, a batch job
            gave_up = True
            send_command(paths, "stop")

    reason = supervise(paths, spec, args.dir.resolve(), on_record=take)
    wait_for_tracking(paths)
    return 0 if reason in ("finished", "stopped") and not gave_up else 1


def _tell(args: argparse.Namespace, paths: StudyPaths, pid: int, warnings: list[str]) -> int:
    if args.json:
        print_json({"study": paths.root.name, "path": str(paths.root), "pid": pid, "warnings": warnings})
        return 0
    for warning in warnings:
        print(f"warning: {warning}")
    print(
        f"{paths.root.name}: supervised by pid {pid}; watch with `htr-tui` or `htr-tui status`, stop with `htr-tui stop`"
    )
    return 0
