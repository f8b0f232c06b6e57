"""Networks as training builds them, for lines of another width."""

from __future__ import annotations

from typing import Any

from htr_gan.alphabet import Alphabet
from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.config.schema import GanConfig
from htr_gan.models.recogniser import build_recogniser
from htr_gan.models.unet import build_generator


def new_generator(config: GanConfig, width: int) -> Any:
    """The generator of a run, untrained."""
    shape = config.model
    return build_generator(config.data.height, width, channels=shape.width, levels=shape.levels, norm=shape.norm)


def new_reading_network(
    shape: RecognizerModelConfig, alphabet: Alphabet, height: int, width: int, *, use_cudnn: bool | None = None
) -> Any:
    """A recogniser, untrained, for lines of `height` and `width`."""
    return build_recogniser(height, width, alphabet.classes, shape, use_cudnn=use_cudnn)
