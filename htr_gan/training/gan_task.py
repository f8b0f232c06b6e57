"""The task `gan`: learn to restore degraded lines under the eye of a frozen recogniser."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from htr_gan.alphabet import Alphabet
from htr_gan.config.data_section import DataConfig
from htr_gan.config.model_section import GanModelConfig
from htr_gan.config.schema import GanConfig
from htr_gan.config.train_section import GanTrainConfig
from htr_gan.data.lines import LineSet
from htr_gan.data.order import Visits
from htr_gan.data.pairs import live_degraded
from htr_gan.data.unpaired import UnpairedLines, join_lines, join_live
from htr_gan.errors import DataError
from htr_gan.metrics.text import character_error_rate, word_error_rate
from htr_gan.models.contrast import build_contrast
from htr_gan.models.discriminator import build_discriminator
from htr_gan.models.lean_unet import build_lean_generator
from htr_gan.models.reading import read_greedy, with_begin
from htr_gan.models.unet import build_generator
from htr_gan.training.clean_targets import TargetCache, clean_targets, keeps_features, with_features
from htr_gan.training.feeding import ordered_batches, step_batches
from htr_gan.training.muon import KernelMuon
from htr_gan.training.precision import choose_policy, layer_precision
from htr_gan.training.recogniser_task import VALIDATION_BATCH, check_for_recogniser, new_readings
from htr_gan.training.restoration_gan import RestorationGan, TextPlan
from htr_gan.training.schedule import new_schedule
from htr_gan.training.task import Panels


class GanTask:
    """Implements `htr_gan.training.task.Task`."""

    def __init__(
        self,
        config: GanConfig,
        alphabet: Alphabet,
        recogniser: Any,
        train: LineSet,
        held_out: LineSet,
        cache: TargetCache | None = None,
        unpaired: UnpairedLines | None = None,
    ) -> None:
        pairs, extra = train, unpaired.train if unpaired else None
        train = join_lines(pairs, extra)
        for lines in (train, held_out):
            check_for_recogniser(lines, config.data, alphabet, int(recogniser.output["logits"].shape[1]))
        if held_out.degraded is None:
            raise DataError("a GAN needs degraded held-out lines too")
        self._config, self._alphabet, self._held_out = config, alphabet, held_out
        self._degraded = held_out.degraded
        self.lines = len(train)
        self._columns: dict[str, NDArray[Any]] = {
            "clean": train.clean,
            "labels": alphabet.encode_padded(train.texts, config.data.text_length),
        }
        if train.degraded is not None:
            self._columns["degraded"] = train.degraded
        self._live = join_live(live_degraded(pairs, config.data), pairs, extra)
        if extra is not None:
            self._columns["paired"] = np.repeat(np.asarray([1.0, 0.0], np.float32), [len(pairs), len(extra)])
        self._features: Any = None
        if cache is not None:
            self._take_targets(recogniser, train.clean, cache)
        self.model = _new_model(config, alphabet, recogniser)
        self._unpaired = unpaired.held_out if unpaired else None
        # Traced: an LSTM called outside of a graph takes seconds for a wide line.
        self._read = tf.function(lambda lines: read_greedy(recogniser(lines, training=False)["logits"]))
        self._restore = tf.function(self.model.restore)
        self._before: dict[str, float] = {"val/degraded_cer": self._cer_of(held_out.degraded, held_out)}
        if self._unpaired is not None and self._unpaired.degraded is not None:
            self._before["val/unpaired_degraded_cer"] = self._cer_of(self._unpaired.degraded, self._unpaired)
        self.model.readings = self._readings = new_readings(recogniser, len(held_out))

    def _take_targets(self, recogniser: Any, clean: NDArray[np.uint8], cache: TargetCache) -> None:
        """What the frozen recogniser says of clean lines never changes: ask once, unless it is too much to keep."""
        config = self._config
        wants_features = config.loss.rec_feat > 0
        wants_texts = config.loss.adv > 0 and config.model.discriminator_text == "predicted"
        if wants_features and not keeps_features(config.recognizer.keep_features, recogniser, len(clean)):
            cache.note("features of clean lines are not kept; each step computes them", "info")
            return
        if not wants_features and not wants_texts:
            return
        try:
            targets = clean_targets(recogniser, clean, cache, with_features=wants_features)
        except OSError as error:
            cache.note(f"features of clean lines cannot be kept ({error}); each step computes them", "warning")
            return
        self._features = targets.features
        text = with_begin(targets.readings, self._alphabet.begin, config.data.text_length)
        self._columns["clean_text"] = text.numpy()

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
        batches = step_batches(self._columns, visits, self._live)
        return batches if self._features is None else with_features(batches, self._features, visits.indices)

    def begin_epoch(self, epoch: int) -> None:
        """Warm-up and annealing of losses are functions of the epoch."""
        self.model.begin_epoch(epoch)

    def held_out_batches(self) -> Any:
        """Held-out lines with their numbers."""
        index = np.arange(len(self._held_out), dtype=np.int32)
        columns: dict[str, NDArray[Any]] = {"index": index, "degraded": self._degraded, "clean": self._held_out.clean}
        return ordered_batches(columns, VALIDATION_BATCH)

    def error_rates(self) -> dict[str, float]:
        """Legibility of the restored held-out lines, and of the degraded ones; of unpaired lines likewise."""
        read = [self._alphabet.decode(row) for row in self._readings.rows()]
        texts = self._held_out.texts
        rates = {"val/cer": character_error_rate(read, texts), "val/wer": word_error_rate(read, texts), **self._before}
        if self._unpaired is not None and self._unpaired.degraded is not None:
            batches = ordered_batches({"degraded": self._unpaired.degraded}, VALIDATION_BATCH)
            restored = np.concatenate([self._restore(batch["degraded"]).numpy() for batch in batches])
            rates["val/unpaired_cer"] = self._cer_of(restored, self._unpaired)
        return rates

    def _cer_of(self, pictures: NDArray[np.uint8], lines: LineSet) -> float:
        batches = ordered_batches({"clean": pictures}, VALIDATION_BATCH)
        rows = np.concatenate([self._read(batch["clean"]).numpy() for batch in batches])
        read = [self._alphabet.decode(row) for row in rows]
        return character_error_rate(read, lines.texts)


def _new_model(config: GanConfig, alphabet: Alphabet, recogniser: Any) -> RestorationGan:
    data, shape, plan = config.data, config.model, config.train
    keras.utils.set_random_seed(config.seed)
    with layer_precision(choose_policy(plan.precision)):
        generator = new_generator(data, shape)
        discriminator = _new_discriminator(data, shape, alphabet)
        contrast = _new_contrast(data, shape, alphabet, recogniser) if config.loss.contrastive else None
    model = RestorationGan(
        generator,
        discriminator,
        recogniser,
        config.loss,
        TextPlan(alphabet.begin, data.text_length, shape.discriminator_text == "ground_truth"),
        accumulation=plan.accumulation,
        label_smoothing=plan.label_smoothing,
        contrast=contrast,
    )
    rate = model.schedule = new_schedule(plan)
    model.compile_with(
        _generator_optimizer(plan, rate),
        keras.optimizers.Adam(plan.discriminator_lr, beta_1=0.5, clipnorm=plan.clipnorm, name="discriminator_adam"),
        _contrast_optimizer(plan) if contrast is not None else None,
    )
    return model


def _generator_optimizer(plan: GanTrainConfig, rate: Any) -> Any:
    if plan.optimizer == "muon":
        return KernelMuon(rate, clipnorm=plan.clipnorm, name="generator_muon")
    return keras.optimizers.Adam(rate, beta_1=0.5, clipnorm=plan.clipnorm, name="generator_adam")


def _contrast_optimizer(plan: GanTrainConfig) -> Any:
    """With a rate of its own: the generator's may be that of Muon, far too high for Adam."""
    return keras.optimizers.Adam(plan.contrast_lr, clipnorm=plan.clipnorm, name="contrast_adam")


def new_generator(data: DataConfig, shape: GanModelConfig) -> Any:
    """An untrained generator for lines of this size."""
    if shape.generator == "lean":
        return build_lean_generator(data.height, data.width, channels=shape.width, levels=shape.levels, norm=shape.norm)
    return build_generator(
        data.height,
        data.width,
        channels=shape.width,
        levels=shape.levels,
        norm=shape.norm,
        residual=shape.residual,
        attention=shape.attention,
        passes=shape.passes,
    )


def _new_discriminator(data: DataConfig, shape: GanModelConfig, alphabet: Alphabet) -> Any:
    return build_discriminator(
        data.height,
        data.width,
        text_length=data.text_length + 1,
        tokens=alphabet.classes + 1,
        channels=shape.discriminator_width,
        levels=shape.discriminator_levels,
        pool=shape.discriminator_pool,
        dense=shape.discriminator_dense,
        text_lstm=shape.text_lstm,
        use_cudnn=shape.use_cudnn,
    )


def _new_contrast(data: DataConfig, shape: GanModelConfig, alphabet: Alphabet, recogniser: Any) -> Any:
    return build_contrast(
        recogniser.output["features"].shape[1:],
        text_length=data.text_length + 1,
        tokens=alphabet.classes + 1,
        units=shape.contrast_lstm,
        use_cudnn=shape.use_cudnn,
    )
