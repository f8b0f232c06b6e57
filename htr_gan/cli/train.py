"""`htr-gan train`: one training run in one folder."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from htr_gan.config.load import load_config
from htr_gan.config.schema import Config, GanConfig, RecognizerConfig, flatten
from htr_gan.errors import EXIT_STOPPED, ConfigError, ConfigProblem, NonFiniteLossError, StopRequested, UsageError
from htr_gan.events import EventLog, events_path
from htr_gan.files import locked, write_json
from htr_gan.stop import StopFlag
from htr_gan.training.checkpoint_folder import Checkpoint
from htr_gan.training.hook_loading import load_hooks
from htr_gan.training.hooks import HookError
from htr_gan.training.inject import read_injection
from htr_gan.training.resume import check_task, choose_checkpoint

RESOLVED = "config.json"
"""The configuration in force, paths absolute; `htr-gan train` takes it as it is (JSON is YAML)."""


def run_train(arguments: Namespace) -> int:
    """The exit status: 0 trained, 143 stopped; everything else is raised."""
    config = load_config(arguments.config, arguments.overrides)
    recogniser_config = _recogniser_config(config) if isinstance(config, GanConfig) else None
    injection = read_injection()
    hooks = load_hooks(config.train, str(arguments.config))
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    stop = StopFlag()
    stop.listen()
    with locked(out / ".lock", _refuse_second):
        write_json(out / RESOLVED, config.model_dump(mode="json"))
        events = EventLog(events_path(out))
        checkpoint = choose_checkpoint(out, arguments.resume, events)
        if checkpoint is not None:
            check_task(checkpoint, config)
        _tell_start(config, checkpoint, events)
        try:
            _quiet_tensorflow()
            from htr_gan.training.session import run_session

            stop.check()
            run_session(config, recogniser_config, out, checkpoint, events, stop, injection, hooks)
        except StopRequested as request:
            events.note(f"stopped by {request}; the next start goes on from the last checkpoint")
            events.emit("end", status="stopped")
            return EXIT_STOPPED
        except (NonFiniteLossError, HookError) as error:
            events.note(error.title, "error")
            raise
        events.emit("end", status="complete")
    return 0


def _recogniser_config(config: GanConfig) -> RecognizerConfig:
    """The recogniser's configuration; it must read lines of the size that the generator writes."""
    path = config.recognizer.config
    if config.recognizer.path is not None and not path.exists():
        return RecognizerConfig(task="recognizer")
    wanted = load_config(path)
    if not isinstance(wanted, RecognizerConfig):
        raise ConfigError([ConfigProblem(str(path), None, None, "task", f"{wanted.task!r} found", "recognizer")])
    theirs, ours = (wanted.data.height, wanted.data.width), (config.data.height, config.data.width)
    if theirs != ours:
        raise ConfigError(
            [ConfigProblem(str(path), None, None, "data", f"lines of {theirs} pixels; the GAN's are of {ours}")]
        )
    return wanted


def _refuse_second(_waited_s: float) -> None:
    raise UsageError("another htr-gan works in this folder", "two trainings cannot share --out")


def _tell_start(config: Config, checkpoint: Checkpoint | None, events: EventLog) -> None:
    done = checkpoint.progress.epochs_done if checkpoint else 0
    steps = checkpoint.progress.steps_done if checkpoint else 0
    events.emit(
        "start",
        epochs=config.train.epochs,
        steps=config.train.steps,
        params=flatten(config),
        resumed_epoch=done if checkpoint else None,
    )
    if checkpoint is not None:
        events.note(f"resumed after epoch {done}" + (f" and {steps} steps" if steps else "") + f", {checkpoint.path}")


def _quiet_tensorflow() -> None:
    """Information and warnings of TensorFlow's C++ side are no news to anybody; errors are shown."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
