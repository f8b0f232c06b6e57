"""`htr-tui promote STUDY TRIAL`: a full-length run of a trial's parameters, as a study of its own beside the search."""

from __future__ import annotations

import argparse
from pathlib import Path

from htr_tui.cli.output import plain, print_json
from htr_tui.cli.places import find_study, find_trial, load_fold, refuse_imported
from htr_tui.cli.retry import parse_overrides
from htr_tui.errors import UsageError
from htr_tui.journal.paths import STUDY_NAME, StudyPaths
from htr_tui.journal.records import Origin
from htr_tui.journal.status import effective_params

MAX_COPIES = 1000


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study")
    parser.add_argument("trial", type=int)
    parser.add_argument(
        "--set", metavar="K=V", action="append", default=[], help="another value, as train.epochs=100 (repeatable)"
    )
    parser.add_argument("--name", help="name of the new study (default: STUDY-promoted-TRIAL)")


def new_name(runs: Path, study: str, trial: int, wanted: str | None) -> str:
    """The new study's name; UsageError if the wanted one is taken or none."""
    if wanted is not None:
        if not STUDY_NAME.fullmatch(wanted):
            raise UsageError(f"--name {wanted!r} is no name", "", "letters, digits, dot, dash, underscore; at most 100")
        if (runs / wanted).exists():
            raise UsageError(f"--name {wanted} is taken", str(runs / wanted), "give another name")
        return wanted
    suffix = f"-promoted-{trial}"
    first = study[: 95 - len(suffix)] + suffix
    names = (first if n == 1 else f"{first}-{n}" for n in range(1, MAX_COPIES))
    return next(name for name in names if not (runs / name).exists())


def run(args: argparse.Namespace) -> int:
    """Make the study and launch it."""
    from htr_tui.cli.run import launch
    from htr_tui.study.checks import check_environment
    from htr_tui.study.loading import read_study, read_study_text
    from htr_tui.study.promotion import promoted_text
    from htr_tui.supervisor.folder import create_study_folder
    from htr_tui.supervisor.launch_files import LaunchFiles

    parent = find_study(args.dir, args.study)
    fold = load_fold(parent)
    refuse_imported(fold)
    trial = find_trial(fold, args.trial)
    base = args.dir.resolve()
    name = new_name(parent.root.parent, parent.root.name, trial.number, args.name)
    loaded = read_study(parent.study_file)
    given = parse_overrides(args.set)
    label = f"{fold.facts.study} #{trial.number}" + (f" ({trial.label})" if trial.label else "")
    params = effective_params(trial)
    template = LaunchFiles(parent).template(loaded.spec.trainer)
    text = promoted_text(loaded.text, str(parent.study_file), loaded.spec, name, label, params, given, template)
    made = read_study_text(text, f"{name}: study.yaml")
    if problems := check_environment(made.spec, base, made.document):
        from htr_tui.errors import ConfigError

        raise ConfigError(problems)
    origin = Origin(fold.facts.study, trial.number)
    paths: StudyPaths = create_study_folder(
        parent.root.parent, made.spec, text.encode(), parent.study_file, base, promoted_from=origin
    )
    pid = launch(paths, base)
    chosen = {**params, **given}
    if args.json:
        print_json(
            {
                "study": name,
                "path": str(paths.root),
                "pid": pid,
                "params": chosen,
                "promoted_from": {"study": origin.study, "trial": origin.trial},
            }
        )
    else:
        values = ", ".join(f"{plain(k)}={plain(v)}" for k, v in chosen.items())
        print(f"{args.study} trial {trial.number} runs again as study {name}, supervised by pid {pid}: {values}")
    return 0
