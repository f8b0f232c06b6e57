"""The task `gan`: learn to restore degraded lines under the eye of a frozen recogniser."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from htr_gan.alphabet import Alphabet
from htr_gan.config.schema import GanConfig
from htr_gan.data.lines import LineSet
from htr_gan.data.order import Visits
from htr_gan.errors import DataError
from htr_gan.metrics.text import character_error_rate, word_error_rate
from htr_gan.models.discriminator import build_discriminator
from htr_gan.models.reading import read_greedy, with_begin
from htr_gan.models.unet import build_generator
from htr_gan.training.feeding import ordered_batches, step_batches
from htr_gan.training.recogniser_task import VALIDATION_BATCH, check_for_recogniser, new_readings
from htr_gan.training.restoration_gan import RestorationGan
from htr_gan.training.schedule import WarmupCosine
from htr_gan.training.task import Panels


class GanTask:
    """Implements `htr_gan.training.task.Task`."""

    def __init__(
        self, config: GanConfig, alphabet: Alphabet, recogniser: Any, train: LineSet, held_out: LineSet
    ) -> None:
        for lines in (train, held_out):
            check_for_recogniser(lines, config.data, alphabet, int(recogniser.output["logits"].shape[1]))
        if train.degraded is None or held_out.degraded is None:
            raise DataError("a GAN needs degraded lines too")
        self._config, self._alphabet, self._held_out = config, alphabet, held_out
        self._degraded = held_out.degraded
        self.lines = len(train)
        self._columns: dict[str, NDArray[Any]] = {
            "degraded": train.degraded,
            "clean": train.clean,
            "labels": alphabet.encode_padded(train.texts, config.data.text_length),
            **self._read_clean(recogniser, train.clean),
        }
        self.model = _new_model(config, alphabet, recogniser)
        self._degraded_cer = self._error_rates(_read(recogniser, held_out.degraded))[0]
        self.model.readings = self._readings = new_readings(recogniser, len(held_out))

    def _read_clean(self, recogniser: Any, clean: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """What the frozen recogniser says of clean lines never changes, so it is asked once."""
        wants_features = self._config.loss.rec_feat > 0
        features, texts = [], []
        for batch in ordered_batches({"clean": clean}, VALIDATION_BATCH):
            seen = recogniser(batch["clean"], training=False)
            text = with_begin(read_greedy(seen["logits"]), self._alphabet.begin, self._config.data.text_length)
            texts.append(text.numpy())
            if wants_features:
                features.append(seen["features"].numpy().astype(np.float16))
        columns: dict[str, NDArray[Any]] = {"clean_text": np.concatenate(texts)}
        if wants_features:
            columns["clean_features"] = np.concatenate(features)
        return columns

    @property
    def panels(self) -> Panels | None:
        """The first held-out lines, if the configuration wants pictures."""
        return self._panels if self._config.train.samples else None

    def _panels(self) -> dict[str, NDArray[np.uint8]]:
        count = self._config.train.samples
        degraded, clean = self._degraded[:count], self._held_out.clean[:count]
        (batch,) = ordered_batches({"degraded": degraded}, count)
        return {"degraded": degraded, "restored": self.model.restore(batch["degraded"]).numpy(), "clean": clean}

    def batches(self, visits: Visits) -> Any:
        """All that a step needs of each line."""
        return step_batches(self._columns, visits)

    def begin_epoch(self, epoch: int) -> None:
        """Nothing here depends on the epoch."""

    def held_out_batches(self) -> Any:
        """Held-out lines with their numbers."""
        index = np.arange(len(self._held_out), dtype=np.int32)
        columns: dict[str, NDArray[Any]] = {"index": index, "degraded": self._degraded, "clean": self._held_out.clean}
        return ordered_batches(columns, VALIDATION_BATCH)

    def error_rates(self) -> dict[str, float]:
        """Legibility of the restored held-out lines, and of the degraded ones."""
        cer, wer = self._error_rates(self._readings.rows())
        return {"val/cer": cer, "val/wer": wer, "val/degraded_cer": self._degraded_cer}

    def _error_rates(self, labels: NDArray[np.int32]) -> tuple[float, float]:
        read = [self._alphabet.decode(row) for row in labels]
        return character_error_rate(read, self._held_out.texts), word_error_rate(read, self._held_out.texts)

    def score(self, values: dict[str, float]) -> float:
        """dB, plus one for perfect structure, minus one for each percent of wrong characters."""
        return values["val/psnr"] + values["val/ssim"] - 100.0 * values["val/cer"]


def _read(recogniser: Any, pictures: NDArray[np.uint8]) -> NDArray[np.int32]:
    rows = [
        read_greedy(recogniser(batch["clean"], training=False)["logits"]).numpy()
        for batch in ordered_batches({"clean": pictures}, VALIDATION_BATCH)
    ]
    return np.asarray(np.concatenate(rows), np.int32)


def _new_model(config: GanConfig, alphabet: Alphabet, recogniser: Any) -> RestorationGan:
    data, shape, plan = config.data, config.model, config.train
    keras.utils.set_random_seed(config.seed)
    model = RestorationGan(
        build_generator(data.height, data.width, channels=shape.width, levels=shape.levels, norm=shape.norm),
        build_discriminator(
            data.height,
            data.width,
            text_length=data.text_length + 1,
            tokens=alphabet.classes + 1,
            channels=shape.discriminator_width,
            text_lstm=shape.text_lstm,
            use_cudnn=shape.use_cudnn,
        ),
        recogniser,
        config.loss,
        begin=alphabet.begin,
        text_length=data.text_length,
        accumulation=plan.accumulation,
        label_smoothing=plan.label_smoothing,
    )
    rate = WarmupCosine(plan.lr, plan.epochs * plan.steps, plan.warmup, plan.final_lr)
    model.compile_with(
        keras.optimizers.Adam(rate, beta_1=0.5, clipnorm=plan.clipnorm, name="generator_adam"),
        keras.optimizers.Adam(plan.discriminator_lr, beta_1=0.5, clipnorm=plan.clipnorm, name="discriminator_adam"),
    )
    return model
