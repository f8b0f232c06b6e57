"""Pictures of any usual format as grayscale bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from htr_gan.data.sources.source_line import Picture

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")


class UnreadablePictureError(Exception):
    """A picture that cannot be read; the message says why."""


def read_grey(path: Path) -> Picture:
    """The picture in `path` as uint8 [height, width]; 16-bit depths are scaled, transparency is white.

    UnreadablePictureError for a file that is missing, damaged, cut off, empty or absurdly large.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            return _as_grey(picture)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnreadablePictureError(reason.replace(str(path), "").strip() or type(error).__name__) from error


def _as_grey(picture: Image.Image) -> Picture:
    if picture.mode.startswith(("I", "F")):  # PIL clips these to 255 instead of scaling them
        deep = np.asarray(picture, np.float64)
        scale = 257.0 if deep.max(initial=0.0) > 255 else 1.0
        return np.clip(deep / scale + 0.5, 0, 255).astype(np.uint8)
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", with_alpha.size, "white"), with_alpha)
    return np.array(picture.convert("L"), np.uint8)
