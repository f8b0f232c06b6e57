"""One step of learning to restore: generator and discriminator, under a recogniser that never changes."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from htr_gan.config.loss_section import LossConfig
from htr_gan.losses import adversarial_loss, ctc_loss, discriminator_loss, feature_loss, pixel_loss
from htr_gan.metrics.picture import psnr, ssim
from htr_gan.models.discriminator import normalise_spectrum
from htr_gan.models.reading import read_greedy, with_begin
from htr_gan.training.accumulation import average_over_parts, zeros_like_variables
from htr_gan.training.stepped import SteppedModel

TOTAL, DISCRIMINATOR = "loss/total", "loss/discriminator"
PSNR, SSIM = "psnr", "ssim"


class RestorationGan(SteppedModel):
    """Trains a generator; terms of weight 0 are left out when the step is traced, so they cost nothing.

    A batch is {"degraded", "clean", "clean_features", "clean_text", "labels"}; the last three belong to the frozen
    recogniser and the transcription, and are computed once.
    """

    def __init__(
        self,
        generator: Any,
        discriminator: Any,
        recogniser: Any,
        weights: LossConfig,
        *,
        begin: int,
        text_length: int,
        accumulation: int,
        label_smoothing: float,
    ) -> None:
        self.loss_weights = {term: weight for term, weight in weights.model_dump().items() if weight}
        shown = [TOTAL, *(f"loss/{term}" for term in self.loss_weights)]
        if "adv" in self.loss_weights:
            shown.append(DISCRIMINATOR)
        super().__init__(shown, accumulation, "restoration_gan", (PSNR, SSIM))
        self.generator, self.discriminator = generator, discriminator
        recogniser.trainable = False
        self.recogniser = recogniser
        self.begin, self.text_length, self.label_smoothing = begin, text_length, label_smoothing

    def compile_with(self, generator_optimizer: Any, discriminator_optimizer: Any) -> None:
        """Take both optimizers and build their state, so that a checkpoint can be put into it."""
        super().compile(optimizer=generator_optimizer, jit_compile=False)
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)

    def networks(self) -> dict[str, Any]:
        """Generator and discriminator; the recogniser is not trained."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, Any]:
        """Both optimizers."""
        return {"generator": self.optimizer, "discriminator": self.discriminator_optimizer}

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step of the generator and, if it has a say, of the discriminator."""
        is_adversarial = "adv" in self.loss_weights
        generator_variables = self.generator.trainable_variables
        judge_variables = self.discriminator.trainable_variables if is_adversarial else []
        if is_adversarial:
            normalise_spectrum(self.discriminator)
        zeros = (
            zeros_like_variables(generator_variables),
            zeros_like_variables(judge_variables),
            {name: tf.constant(0.0) for name in self.term_means},
        )
        gradients, judge_gradients, terms = average_over_parts(self._gradients, batch, self.accumulation, zeros)
        self.optimizer.apply(gradients, generator_variables)
        if is_adversarial:
            self.discriminator_optimizer.apply(judge_gradients, judge_variables)
        return self.track(terms)

    def _gradients(self, batch: dict[str, Any]) -> tuple[list[Any], list[Any], dict[str, Any]]:
        with tf.GradientTape(persistent=True) as tape:
            restored = self.generator(batch["degraded"], training=True)
            terms, judge_loss = self._terms(restored, batch)
            total = tf.add_n([self.loss_weights[term] * value for term, value in terms.items()])
        gradients = tape.gradient(total, self.generator.trainable_variables)
        shown = {TOTAL: total, **{f"loss/{term}": value for term, value in terms.items()}}
        judge_gradients: list[Any] = []
        if judge_loss is not None:
            shown[DISCRIMINATOR] = judge_loss
            judge_gradients = tape.gradient(judge_loss, self.discriminator.trainable_variables)
        return gradients, judge_gradients, {name: shown[name] for name in self.term_means}

    def _terms(self, restored: Any, batch: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        """The generator's terms without their weights, and the discriminator's loss."""
        weights, terms = self.loss_weights, {}
        if "pixel" in weights:
            terms["pixel"] = pixel_loss(restored, batch["clean"])
        if not weights.keys() & {"rec_feat", "ctc", "adv"}:
            return terms, None
        seen = self.recogniser(restored, training=False)
        if "rec_feat" in weights:
            terms["rec_feat"] = feature_loss(seen["features"], batch["clean_features"])
        if "ctc" in weights:
            terms["ctc"] = ctc_loss(seen["logits"], batch["labels"])
        if "adv" not in weights:
            return terms, None
        real, fake = self._judge(batch, restored, read_greedy(seen["logits"]))
        terms["adv"] = adversarial_loss(fake)
        return terms, discriminator_loss(real, fake, self.label_smoothing)

    def _judge(self, batch: dict[str, Any], restored: Any, read: Any) -> tuple[Any, Any]:
        """Logits of the clean pairs and of the restored pairs, in one pass: nothing in it mixes lines."""
        line = tf.concat([batch["clean"], restored], axis=0)
        text = tf.concat([batch["clean_text"], with_begin(read, self.begin, self.text_length)], axis=0)
        logits = self.discriminator({"line": line, "text": text}, training=False)
        real, fake = tf.split(logits, 2, axis=0)
        return real, fake

    def test_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """How close the restored held-out lines {"index", "degraded", "clean"} are, and what is read in them."""
        restored = self.generator(batch["degraded"], training=False)
        measures = {PSNR: psnr(restored, batch["clean"]), SSIM: ssim(restored, batch["clean"])}
        return self.measure(measures, batch["index"], read_greedy(self.recogniser(restored, training=False)["logits"]))

    def restore(self, degraded: Any) -> Any:
        """Restored lines, uint8 [batch, height, width], of lines [batch, height, width, 1] in [0, 1]."""
        restored = self.generator(degraded, training=False)
        return tf.cast(tf.round(restored[..., 0] * 255.0), tf.uint8)
