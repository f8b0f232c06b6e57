"""Lines of any size as pictures of one size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from htr_gan.data.sources.source_line import Picture

FRAME = 2
"""Pixels along each edge whose median is taken for the paper."""


@dataclass(frozen=True)
class Fitted:
    """A picture of the wanted size."""

    picture: Picture
    squeezed: bool
    """Narrower than its height asks for, because it would not have fitted."""


def paper_grey(picture: Picture) -> int:
    """The grey of the paper: the median along the edges, where there is little ink."""
    frame = min(FRAME, *picture.shape)
    edges = (picture[:frame], picture[-frame:], picture[:, :frame], picture[:, -frame:])
    return int(np.median(np.concatenate([edge.ravel() for edge in edges])))


def fit_picture(picture: Picture, height: int, width: int) -> Fitted:
    """`picture` scaled to `height` with its aspect kept, squeezed if wider than `width`, padded right with paper."""
    if picture.shape == (height, width):
        return Fitted(picture, False)
    natural = max(round(picture.shape[1] * height / picture.shape[0]), 1)
    across = min(natural, width)
    shrinks = across * height < picture.shape[0] * picture.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    fitted = np.full((height, width), paper_grey(picture), np.uint8)
    fitted[:, :across] = cv2.resize(picture, (across, height), interpolation=method)
    return Fitted(fitted, natural > width)
