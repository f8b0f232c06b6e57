"""Networks as training builds them, for lines of another width."""

from __future__ import annotations

from typing import Any

from htr_gan.alphabet import Alphabet
from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.config.schema import GanConfig
from htr_gan.models.recogniser import build_recogniser
from htr_gan.training.gan_task import new_generator


def generator_of(config: GanConfig, width: int) -> Any:
    """The generator of a run, untrained."""
    return new_generator(config.data.model_copy(update={"width": width}), config.model)


def new_reading_network(
    shape: RecognizerModelConfig, alphabet: Alphabet, height: int, width: int, *, use_cudnn: bool | None = None
) -> Any:
    """A recogniser, untrained, for lines of `height` and `width`."""
    return build_recogniser(height, width, alphabet.classes, shape, use_cudnn=use_cudnn)
