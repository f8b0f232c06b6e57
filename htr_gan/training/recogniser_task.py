"""The task `recognizer`: learn to read clean lines."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from htr_gan.alphabet import Alphabet
from htr_gan.config.data_section import DataConfig
from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.config.schema import RecognizerConfig
from htr_gan.data.lines import LineSet, check_lines
from htr_gan.data.live import live_augmented
from htr_gan.data.order import Visits
from htr_gan.metrics.text import character_error_rate, word_error_rate
from htr_gan.models.recogniser import build_recogniser
from htr_gan.training.feeding import ordered_batches, step_batches
from htr_gan.training.precision import choose_policy, layer_precision
from htr_gan.training.recogniser_model import RecogniserModel
from htr_gan.training.schedule import new_schedule
from htr_gan.training.stepped import Readings

VALIDATION_BATCH = 64


def new_recogniser(data: DataConfig, model: RecognizerModelConfig, alphabet: Alphabet, *, use_cudnn: bool) -> Any:
    """An untrained recogniser for lines of this size."""
    return build_recogniser(data.height, data.width, alphabet.classes, model, use_cudnn=use_cudnn)


def check_for_recogniser(lines: LineSet, data: DataConfig, alphabet: Alphabet, steps: int) -> None:
    """DataError for lines that a recogniser of so many time steps cannot be trained on."""
    check_lines(lines, alphabet, data.height, data.width, data.text_length, steps)


def new_readings(recogniser: Any, lines: int) -> Readings:
    """Room for what the recogniser reads in so many lines."""
    return Readings(lines, int(recogniser.output["logits"].shape[1]))


class RecogniserTask:
    """Implements `htr_gan.training.task.Task`."""

    panels = None

    def __init__(self, config: RecognizerConfig, alphabet: Alphabet, train: LineSet, held_out: LineSet) -> None:
        for lines in (train, held_out):
            check_for_recogniser(lines, config.data, alphabet, config.data.width // config.model.columns_per_step)
        self.alphabet, self._held_out = alphabet, held_out
        self._columns: dict[str, NDArray[Any]] = {
            "clean": train.clean,
            "labels": alphabet.encode_padded(train.texts, config.data.text_length),
        }
        self._live = live_augmented(train.clean, config.data, config.seed)
        keras.utils.set_random_seed(config.seed)
        plan = config.train
        with layer_precision(choose_policy(plan.precision)):
            recogniser = new_recogniser(config.data, config.model, alphabet, use_cudnn=config.model.use_cudnn)
        rate = new_schedule(plan)
        self.model = RecogniserModel(recogniser, plan.accumulation)
        self.model.compile_with(keras.optimizers.Adam(rate, clipnorm=plan.clipnorm, name="recogniser_adam"))
        self.model.schedule = rate
        self.model.readings = self._readings = new_readings(recogniser, len(held_out))
        self.lines = len(train)

    def batches(self, visits: Visits) -> Any:
        """Pictures and labels."""
        return step_batches(self._columns, visits, self._live)

    def begin_epoch(self, epoch: int) -> None:
        """Nothing here depends on the epoch."""

    def held_out_batches(self) -> Any:
        """Held-out clean lines with their numbers."""
        index = np.arange(len(self._held_out), dtype=np.int32)
        return ordered_batches({"index": index, "clean": self._held_out.clean}, VALIDATION_BATCH)

    def error_rates(self) -> dict[str, float]:
        """Error rates on held-out clean lines."""
        read = [self.alphabet.decode(row) for row in self._readings.rows()]
        return {
            "val/cer": character_error_rate(read, self._held_out.texts),
            "val/wer": word_error_rate(read, self._held_out.texts),
        }
