"""A training run from its configuration to its `end` event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tensorflow as tf

from htr_gan.config.places import cache_folder
from htr_gan.config.schema import Config, GanConfig, RecognizerConfig
from htr_gan.data.cache import HELD_OUT, TRAIN, Note
from htr_gan.data.lines import LineSet
from htr_gan.data.pairs import load_pairs
from htr_gan.data.unpaired import UnpairedLines, load_unpaired
from htr_gan.events import EventSink
from htr_gan.stop import StopFlag
from htr_gan.training.advice import advice
from htr_gan.training.checkpoint_folder import Checkpoint
from htr_gan.training.clean_targets import TargetCache
from htr_gan.training.gan_task import GanTask
from htr_gan.training.hooks import NO_HOOKS, Hooks
from htr_gan.training.inject import Injection
from htr_gan.training.loop import Loop
from htr_gan.training.shared_recogniser import (
    RECOGNISER_FOLDER,
    begin_with,
    copy_recogniser,
    find_recogniser,
    load_recogniser,
    prepare_recogniser,
    provide_recogniser,
    write_best_recogniser,
)


def run_session(
    config: Config,
    recogniser_config: RecognizerConfig | None,
    out: Path,
    checkpoint: Checkpoint | None,
    events: EventSink,
    stop: StopFlag,
    injection: Injection | None,
    hooks: Hooks = NO_HOOKS,
) -> None:
    """Train `config` in `out` from `checkpoint` on; raises for everything but success."""
    _share_gpus()
    for message, level in advice(config):
        events.note(message, level)
    if isinstance(config, GanConfig):
        assert recogniser_config is not None
        _run_gan(config, recogniser_config, out, checkpoint, events, stop, injection, hooks)
    else:
        _run_recogniser(config, out, checkpoint, events, stop, injection, hooks)


def _share_gpus() -> None:
    """Take GPU memory as it is needed, not all of it at once: several trials may share a card."""
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # the GPU is in use by this process already, with whatever was set before
            return


def _run_recogniser(
    config: RecognizerConfig,
    out: Path,
    checkpoint: Checkpoint | None,
    events: EventSink,
    stop: StopFlag,
    injection: Injection | None,
    hooks: Hooks,
) -> None:
    task = prepare_recogniser(config, events, stop)
    loop = Loop(task, config, out, events, stop, injection, hooks=hooks)
    if checkpoint is not None:
        loop.restore(checkpoint)
    elif config.init is not None:
        begin_with(config.init, task, events)
    loop.run()
    write_best_recogniser(out / RECOGNISER_FOLDER, task, config, loop)
    loop.summarise()


def _run_gan(
    config: GanConfig,
    recogniser_config: RecognizerConfig,
    out: Path,
    checkpoint: Checkpoint | None,
    events: EventSink,
    stop: StopFlag,
    injection: Injection | None,
    hooks: Hooks,
) -> None:
    # Lines first: a mistake in them should not be told after hours of training a recogniser.
    lines = GanLines(config, _columns_per_step(config, recogniser_config), stop.check, events.note)
    train, held_out, unpaired = lines.pairs(TRAIN), lines.pairs(HELD_OUT), lines.unpaired()
    stored = provide_recogniser(config, recogniser_config, events, stop)
    if checkpoint is not None and checkpoint.meta.get("recognizer_sha256") not in (None, stored.sha256):
        events.note("the checkpoint was trained with another recogniser; going on with this one", "warning")
    copy_recogniser(stored, out / RECOGNISER_FOLDER)
    stop.check()
    recogniser = load_recogniser(stored, config)
    cache = TargetCache(cache_folder(config) / "targets", stored.sha256, stop.check, events.note)
    task = GanTask(config, stored.alphabet, recogniser, train, held_out, cache, unpaired)
    extra = {"recognizer_sha256": stored.sha256}
    loop = Loop(task, config, out, events, stop, injection, extra=extra, hooks=hooks)
    if checkpoint is not None:
        loop.restore(checkpoint)
    stop.check()
    loop.run()
    loop.summarise()


def _columns_per_step(config: GanConfig, recogniser_config: RecognizerConfig) -> int:
    given = None if config.recognizer.path is None else find_recogniser(config.recognizer.path)
    return (recogniser_config if given is None else given).model.columns_per_step


@dataclass(frozen=True)
class GanLines:
    """Loads what a GAN trains on and is measured on."""

    config: GanConfig
    columns_per_step: int
    """Of the recogniser: how long texts may be depends on it."""
    check: Callable[[], None]
    note: Note

    def pairs(self, split: str) -> LineSet:
        """Clean and degraded lines."""
        cache = cache_folder(self.config)
        return load_pairs(self.config.data, split, cache, self.check, self.note, columns_per_step=self.columns_per_step)

    def unpaired(self) -> UnpairedLines | None:
        """Degraded lines without a clean side, if the configuration names any."""
        if not self.config.unpaired.sources:
            return None
        cache, (train, held_out) = cache_folder(self.config), (TRAIN, HELD_OUT)
        load = partial(load_unpaired, self.config.unpaired, self.config.data, columns_per_step=self.columns_per_step)
        return UnpairedLines(*(load(split, cache, self.check, self.note) for split in (train, held_out)))
