"""An attempt's folder before its runner starts: command, parameters, environment."""

from __future__ import annotations

import errno
import sys
import uuid
from pathlib import Path
from typing import Any, Final

from htr_tui.errors import HtrError, StorageError
from htr_tui.executors.slots import Slot
from htr_tui.files import write_atomic, write_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import TrialRecord
from htr_tui.processes.sweep import TOKEN
from htr_tui.study.command import CommandContext
from htr_tui.study.rendering import RenderedTrainer, render_trainer
from htr_tui.study.safe_yaml import dump_yaml
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor.launch_files import LaunchFiles
from htr_tui.supervisor.recover import START, TRIAL

_HOPELESS: Final = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP,
)  # fmt: skip
"""Refusals of a folder that stay whatever happens to the disk."""

_SAY_WHY = "import sys; sys.stderr.write(sys.argv[1] + chr(10)); sys.exit(2)"
"""What runs instead of a trainer whose command cannot be made: the attempt fails with the reason in its log."""


def checkpointed_attempt(paths: StudyPaths, trial: TrialRecord) -> int | None:
    """The newest attempt of the trial that left a checkpoint.

    Not one whose folder was removed and made again by what still ran in it: the metrics of its epochs are gone, so a
    trial that went on from there would be judged without them.
    """
    for attempt in reversed(trial.attempts):
        files = paths.attempt(trial.number, attempt.number)
        try:
            if files.command.exists() and any(not entry.name.startswith(".") for entry in files.checkpoints.iterdir()):
                return attempt.number
        except OSError:
            continue
    return None


def named_environment(spec: StudySpec, paths: StudyPaths, trial: int, attempt: int) -> dict[str, str]:
    """The variables by which a trainer knows its attempt."""
    files = paths.attempt(trial, attempt)
    return {
        "HTR_TUI_TRIAL_DIR": str(files.root),
        "HTR_TUI_EVENTS": str(files.events),
        "HTR_TUI_STUDY": spec.study,
        "HTR_TUI_TRIAL": str(trial),
        "HTR_TUI_ATTEMPT": str(attempt),
    }


def trainer_environment(
    spec: StudySpec,
    paths: StudyPaths,
    trial: int,
    attempt: int,
    *,
    slot: Slot,
    resume_from: int | None,
    tracking_uri: str | None,
    run_id: str | None,
) -> dict[str, str]:
    """What is added to the trainer's environment besides `trainer.env` (docs/architecture.md)."""
    env = {**named_environment(spec, paths, trial, attempt), TOKEN: uuid.uuid4().hex}
    if resume_from is not None:
        env["HTR_TUI_RESUME_FROM"] = str(paths.attempt(trial, resume_from).root)
    if tracking_uri is not None:
        env["MLFLOW_TRACKING_URI"] = tracking_uri
        env["MLFLOW_EXPERIMENT_NAME"] = spec.experiment
        if run_id:
            env["MLFLOW_RUN_ID"] = run_id
    if slot.devices:
        env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the order of NVML, from which the numbers come
        env["CUDA_VISIBLE_DEVICES"] = ",".join(slot.devices)
    elif spec.resources.gpus == "none":
        env["CUDA_VISIBLE_DEVICES"] = "-1"
    return env


def attempt_context(
    spec: StudySpec,
    paths: StudyPaths,
    base: Path,
    trial: int,
    attempt: int,
    *,
    params: dict[str, Any],
    resume_from: int | None = None,
) -> CommandContext:
    """What the words in braces stand for in one attempt."""
    files, config = paths.attempt(trial, attempt), spec.trainer.config
    return CommandContext(
        study=spec.study,
        trial=trial,
        attempt=attempt,
        attempt_dir=files.root,
        params_file=files.params,
        overrides_file=files.overrides,
        launch_dir=base,
        resume_dir=None if resume_from is None else paths.attempt(trial, resume_from).root,
        config_file=None if config is None else files.root / config.name,
        overrides=params,
    )


def write_attempt(
    spec: StudySpec,
    paths: StudyPaths,
    base: Path,
    trial: TrialRecord,
    attempt: int,
    *,
    overrides: dict[str, Any],
    env: dict[str, str],
    resume_from: int | None,
    start: dict[str, Any] | None = None,
) -> None:
    """Make the folder and everything that the runner and the trainer read. Written again it is the same.

    `start` is what the journal will say of the attempt's start; it stands in command.json too (supervisor/recover.py).

    `env` is what is added besides the study's own variables, and wins over them.
    """
    files = paths.attempt(trial.number, attempt)
    files.root.mkdir(parents=True, exist_ok=True)
    params = {**trial.params, **overrides}
    write_atomic(files.params, dump_yaml(trial.params).encode(), durable=False)  # the journal has them
    write_atomic(files.overrides, dump_yaml(params).encode(), durable=False)
    context = attempt_context(spec, paths, base, trial.number, attempt, params=params, resume_from=resume_from)
    rendered = _render(spec, paths, context)
    if rendered.config_file is not None and rendered.config_text is not None:
        rendered.config_file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(rendered.config_file, rendered.config_text.encode(), durable=False)
    command = {
        "argv": rendered.argv,
        "cwd": rendered.cwd,
        "env": {"PYTHONUNBUFFERED": "1", **rendered.env, **env},
        "devices": env.get("CUDA_VISIBLE_DEVICES"),
        "grace_s": spec.trainer.grace_s,
        TRIAL: {"params": trial.params, "label": trial.label, "by": trial.by},
        START: start or {},
    }
    write_json(files.command, command)


def _make_folder(path: Path) -> None:
    """OSError (a full disk) where waiting helps, StorageError where it does not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in _HOPELESS:
            raise
        raise StorageError(f"trainer.cwd: the folder {path} cannot be made", error.strerror or str(error)) from None


def _render(spec: StudySpec, paths: StudyPaths, context: CommandContext) -> RenderedTrainer:
    """The attempt's start; where it cannot be made, a start that fails and says why: no trial waits for ever."""
    try:
        rendered = render_trainer(spec.trainer, context, LaunchFiles(paths).template(spec.trainer))
        if spec.trainer.cwd is not None:
            _make_folder(Path(rendered.cwd))
        return rendered
    except HtrError as error:
        argv = [sys.executable, "-c", _SAY_WHY, f"htr-tui could not make the trainer's command: {error}"]
        return RenderedTrainer(argv, {}, str(context.launch_dir), None, None)
