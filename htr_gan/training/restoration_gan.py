"""One step of learning to restore: generator and discriminator, under a recogniser that never changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from htr_gan.config.loss_section import LossConfig
from htr_gan.losses import (
    adversarial_loss,
    contrastive_loss,
    ctc_loss,
    discriminator_loss,
    feature_loss,
    pixel_loss,
    warmed_up,
)
from htr_gan.metrics.picture import psnr, ssim
from htr_gan.models.discriminator import normalise_spectrum
from htr_gan.models.reading import read_greedy, with_begin
from htr_gan.training.accumulation import average_over_parts, zeros_like_variables
from htr_gan.training.stepped import SteppedModel

TOTAL, DISCRIMINATOR = "loss/total", "loss/discriminator"
PSNR, SSIM = "psnr", "ssim"


@dataclass(frozen=True)
class TextPlan:
    """How texts enter a step."""

    begin: int
    """The label before each text, so that none is empty."""
    length: int
    """The longest text."""
    is_given: bool = False
    """The discriminator sees the transcription in real and fake pairs, not what the recogniser reads."""


class RestorationGan(SteppedModel):
    """Trains a generator; terms of weight 0 are left out when the step is traced, so they cost nothing.

    A batch is {"degraded", "clean", "labels"}, {"paired"} where some lines have no clean side of their own (0), and, where they were computed once, {"clean_features", "clean_text"}: what
    the frozen recogniser says of clean lines. A step computes what it needs of these and does not get.
    `contrast` is the network of the contrastive loss, needed only where that has a weight.
    """

    def __init__(
        self,
        generator: Any,
        discriminator: Any,
        recogniser: Any,
        loss: LossConfig,
        texts: TextPlan,
        *,
        accumulation: int,
        label_smoothing: float,
        contrast: Any = None,
    ) -> None:
        self.loss_weights = loss.weights()
        shown = [TOTAL, *(f"loss/{term}" for term in self.loss_weights)]
        if "adv" in self.loss_weights:
            shown.append(DISCRIMINATOR)
        super().__init__(shown, accumulation, "restoration_gan", (PSNR, SSIM))
        self.generator, self.discriminator, self.contrast = generator, discriminator, contrast
        recogniser.trainable = False
        self.recogniser = recogniser
        self.loss_plan, self.texts, self.label_smoothing = loss, texts, label_smoothing
        self.ctc_share: Any = None
        if loss.ctc_warmup_epochs or loss.ctc_anneal_epochs:
            self.ctc_share = tf.Variable(1.0, trainable=False, name="ctc_share")

    def compile_with(
        self, generator_optimizer: Any, discriminator_optimizer: Any, contrast_optimizer: Any = None
    ) -> None:
        """Take the optimizers and build their state, so that a checkpoint can be put into it."""
        super().compile(optimizer=generator_optimizer, jit_compile=False)
        self.discriminator_optimizer, self.contrast_optimizer = discriminator_optimizer, contrast_optimizer
        for owner, optimizer in self.optimizers().items():
            optimizer.build(self.networks()[owner].trainable_variables)

    def networks(self) -> dict[str, Any]:
        """Generator, discriminator and, if there is one, the contrastive loss's; the recogniser is not trained."""
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        return networks if self.contrast is None else {**networks, "contrast": self.contrast}

    def optimizers(self) -> dict[str, Any]:
        """Those of the networks."""
        optimizers = {"generator": self.optimizer, "discriminator": self.discriminator_optimizer}
        return optimizers if self.contrast is None else {**optimizers, "contrast": self.contrast_optimizer}

    def begin_epoch(self, epoch: int) -> None:
        """Set what depends on the number of the epoch (from 0) alone."""
        if self.ctc_share is not None:
            plan = self.loss_plan
            self.ctc_share.assign(warmed_up(epoch, plan.ctc_warmup_epochs, plan.ctc_anneal_epochs))

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step of the generator and, if they have a say, of the discriminator and the contrastive network."""
        is_adversarial = "adv" in self.loss_weights
        generator_variables = self.generator.trainable_variables
        contrast_variables = [] if self.contrast is None else self.contrast.trainable_variables
        judge_variables = self.discriminator.trainable_variables if is_adversarial else []
        if is_adversarial:
            normalise_spectrum(self.discriminator)
        zeros = (
            zeros_like_variables([*generator_variables, *contrast_variables]),
            zeros_like_variables(judge_variables),
            {name: tf.constant(0.0) for name in self.term_means},
        )
        gradients, judge_gradients, terms = average_over_parts(self._gradients, batch, self.accumulation, zeros)
        self.optimizer.apply(gradients[: len(generator_variables)], generator_variables)
        if contrast_variables:
            self.contrast_optimizer.apply(gradients[len(generator_variables) :], contrast_variables)
        if is_adversarial:
            self.discriminator_optimizer.apply(judge_gradients, judge_variables)
        return self.track(terms)

    def _gradients(self, batch: dict[str, Any]) -> tuple[list[Any], list[Any], dict[str, Any]]:
        with tf.GradientTape(persistent=True) as tape:
            restored = self.generator(batch["degraded"], training=True)
            terms, judge_loss = self._terms(restored, batch)
            total = tf.add_n([self._weight(term) * value for term, value in terms.items()])
        variables = [*self.generator.trainable_variables]
        if self.contrast is not None:
            variables += self.contrast.trainable_variables
        gradients = tape.gradient(total, variables)
        shown = {TOTAL: total, **{f"loss/{term}": value for term, value in terms.items()}}
        judge_gradients: list[Any] = []
        if judge_loss is not None:
            shown[DISCRIMINATOR] = judge_loss
            judge_gradients = tape.gradient(judge_loss, self.discriminator.trainable_variables)
        return gradients, judge_gradients, {name: shown[name] for name in self.term_means}

    def _weight(self, term: str) -> Any:
        weight = self.loss_weights[term]
        return weight if term != "ctc" or self.ctc_share is None else weight * self.ctc_share

    def _terms(self, restored: Any, batch: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        """The generator's terms without their weights, and the discriminator's loss."""
        weights, terms = self.loss_weights, {}
        paired: Any = batch.get("paired")
        if "pixel" in weights:
            terms["pixel"] = pixel_loss(restored, batch["clean"], paired)
        if "unpaired_pixel" in weights:
            terms["unpaired_pixel"] = pixel_loss(restored, batch["clean"], 1.0 - paired)
        if weights.keys() & {"rec_feat", "ctc", "contrastive", "unpaired_ctc"} or self._judges_readings:
            seen = self.recogniser(restored, training=False)
            batch = self._with_targets(batch)
        if "rec_feat" in weights:
            terms["rec_feat"] = feature_loss(seen["features"], batch["clean_features"], paired)
        if "ctc" in weights:
            terms["ctc"] = ctc_loss(seen["logits"], batch["labels"])
        if "unpaired_ctc" in weights:
            terms["unpaired_ctc"] = ctc_loss(seen["logits"], batch["labels"], 1.0 - paired)
        if "contrastive" in weights:
            met = self.contrast({"features": seen["features"], "text": self._with_begin(batch["labels"])})
            terms["contrastive"] = contrastive_loss(
                met["line"], met["text"], batch["labels"], self.loss_plan.temperature
            )
        if "adv" not in weights:
            return terms, None
        read = read_greedy(seen["logits"]) if self._judges_readings else batch["labels"]
        real, fake = self._judge(batch, restored, self._with_begin(read))
        terms["adv"] = adversarial_loss(fake)
        return terms, discriminator_loss(real, fake, self.label_smoothing, paired)

    @property
    def _judges_readings(self) -> bool:
        return "adv" in self.loss_weights and not self.texts.is_given

    def _with_begin(self, labels: Any) -> Any:
        return with_begin(labels, self.texts.begin, self.texts.length)

    def _with_targets(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with what the recogniser says of its clean lines, where that is needed and was not kept."""
        needed = {"clean_features"} if "rec_feat" in self.loss_weights else set()
        if self._judges_readings:
            needed.add("clean_text")
        if needed <= batch.keys():
            return batch
        seen = self.recogniser(batch["clean"], training=False)
        text = self._with_begin(read_greedy(seen["logits"]))
        return {"clean_features": tf.stop_gradient(seen["features"]), "clean_text": text, **batch}

    def _judge(self, batch: dict[str, Any], restored: Any, text: Any) -> tuple[Any, Any]:
        """Logits of the clean pairs and of the restored pairs, in one pass: nothing in it mixes lines."""
        line = tf.concat([batch["clean"], restored], axis=0)
        clean_text = text if self.texts.is_given else batch["clean_text"]
        logits = self.discriminator({"line": line, "text": tf.concat([clean_text, text], axis=0)}, training=False)
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
