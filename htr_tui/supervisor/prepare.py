"""An attempt's folder before its runner starts: command, parameters, environment."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import yaml

from htr_tui.executors.slots import Slot
from htr_tui.files import write_atomic, write_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import TrialRecord
from htr_tui.processes.sweep import TOKEN
from htr_tui.study.command import CommandContext, find_executable, render_command
from htr_tui.study.spec import StudySpec


def checkpointed_attempt(paths: StudyPaths, trial: TrialRecord) -> int | None:
    """The newest attempt of the trial that left a checkpoint."""
    for attempt in reversed(trial.attempts):
        try:
            if any(
                not entry.name.startswith(".")
                for entry in paths.attempt(trial.number, attempt.number).checkpoints.iterdir()
            ):
                return attempt.number
        except OSError:
            continue
    return None


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
    """What is added to the trainer's environment (docs/architecture.md)."""
    files = paths.attempt(trial, attempt)
    env = {
        "PYTHONUNBUFFERED": "1",
        **spec.trainer.env,
        "HTR_TUI_TRIAL_DIR": str(files.root),
        "HTR_TUI_EVENTS": str(files.events),
        "HTR_TUI_STUDY": spec.study,
        "HTR_TUI_TRIAL": str(trial),
        "HTR_TUI_ATTEMPT": str(attempt),
        TOKEN: uuid.uuid4().hex,
    }
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
) -> None:
    """Make the folder and everything that the runner and the trainer read. Written again it is the same."""
    files = paths.attempt(trial.number, attempt)
    files.root.mkdir(parents=True, exist_ok=True)
    params = {**trial.params, **overrides}
    write_atomic(files.params, _as_yaml(trial.params))
    write_atomic(files.overrides, _as_yaml(params))
    context = CommandContext(
        study=spec.study,
        trial=trial.number,
        attempt=attempt,
        attempt_dir=files.root,
        params_file=files.params,
        overrides_file=files.overrides,
        resume_dir=None if resume_from is None else paths.attempt(trial.number, resume_from).root,
        overrides=params,
    )
    argv = render_command(spec.trainer.command, context)
    argv[0] = find_executable(argv[0], base, spec.trainer.env) or argv[0]
    command = {
        "argv": argv,
        "cwd": str(base),
        "env": env,
        "devices": env.get("CUDA_VISIBLE_DEVICES"),
        "grace_s": spec.trainer.grace_s,
    }
    write_json(files.command, command)


def _as_yaml(params: dict[str, Any]) -> bytes:
    text: str = yaml.safe_dump(params, sort_keys=False, allow_unicode=True)
    return text.encode()
