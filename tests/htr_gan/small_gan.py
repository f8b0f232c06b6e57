"""A GAN and its recogniser on eight small lines of noise: enough to see what a step does."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from htr_gan.alphabet import LOWERCASE
from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.config.schema import GanConfig
from htr_gan.data.lines import LineSet
from htr_gan.data.order import line_visits
from htr_gan.training.clean_targets import TargetCache
from htr_gan.training.gan_task import GanTask
from htr_gan.training.precision import choose_policy, layer_precision
from htr_gan.training.recogniser_task import new_recogniser

TEXTS = ("letter", "off", "a", "in", "it", "we", "go", "see")
"""Some with double letters."""
SMALL = RecognizerModelConfig(width=2, lstm=4)


def small_lines(seed: int = 0) -> LineSet:
    """Clean and degraded pictures that have nothing to do with each other."""
    pictures = np.random.default_rng(seed).integers(0, 256, size=(2, 8, 16, 64)).astype(np.uint8)
    return LineSet(pictures[0], pictures[1], TEXTS)


def changed(config: Any, section: str, **values: Any) -> Any:
    """The configuration with other values in one section."""
    return config.model_copy(update={section: getattr(config, section).model_copy(update=values)})


def small_recogniser(config: GanConfig, shape: RecognizerModelConfig = SMALL) -> Any:
    """The same initial weights each time."""
    keras.utils.set_random_seed(1)
    with layer_precision(choose_policy(config.train.precision)):
        return new_recogniser(config.data, shape, LOWERCASE, use_cudnn=True)


def small_task(config: GanConfig, recogniser: Any = None, cache: TargetCache | None = None) -> GanTask:
    """A GAN that starts with the same weights each time."""
    recogniser = small_recogniser(config) if recogniser is None else recogniser
    return GanTask(config, LOWERCASE, recogniser, small_lines(), small_lines(1), cache)


def take_steps(task: Any, config: Any, first: int, last: int) -> list[dict[str, float]]:
    """The running means of the losses after each step; eagerly, which is quicker than tracing for so few."""
    visits = line_visits(task.lines, config.seed, first, last, config.train.batch)
    return [
        {name: float(value) for name, value in task.model.train_step(batch).items()} for batch in task.batches(visits)
    ]
