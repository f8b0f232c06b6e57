"""Picture files of any size and depth: their grey values for a network, and the same kind of file with others.

Kept: size, format, bit depth (1, 8, 16), channels, transparency, resolution, colour profile. Not kept: other metadata;
a turned photograph (EXIF) is written upright, a palette becomes grey or colour, CMYK becomes RGB.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from htr_gan.errors import DataError, MissingFileError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".ppm", ".pbm"})
"""What is taken for a picture in a folder; a file that is named by the user is judged by its content alone."""
FORMATS = frozenset({"PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM"})
MOST_PIXELS = 200_000_000
"""A larger picture is no line, and a small file may claim to be one to fill the memory."""
_DEEP_SUFFIX = {"PNG": ".png", "TIFF": ".tiff"}
_WIDE_GREY = ("I", "I;16", "I;16B", "I;16L", "I;16N")

Grey = NDArray[np.float32]
Pixels = NDArray[Any]


@dataclass(frozen=True)
class PictureFile:
    """A decoded file: everything that is needed to write another one of its kind."""

    pixels: Pixels
    """uint8 or uint16, [height, width] or [height, width, 3] (RGB)."""
    alpha: Pixels | None
    format: str
    is_bilevel: bool = False
    save_options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_colour(self) -> bool:
        """Whether it has three channels."""
        return self.pixels.ndim == 3

    @property
    def white(self) -> int:
        """The largest value of a channel."""
        return 65535 if self.pixels.dtype == np.uint16 else 255

    def grey(self) -> Grey:
        """Luminance in [0, 1], float32 [height, width]; what is transparent shows white paper."""
        unit = self.pixels.astype(np.float32) / np.float32(self.white)
        grey = cv2.cvtColor(unit, cv2.COLOR_RGB2GRAY) if self.is_colour else unit
        if self.alpha is not None:
            opaque = self.alpha.astype(np.float32) / np.float32(self.white)
            grey = grey * opaque + (1.0 - opaque)
        return np.asarray(grey, np.float32)

    def encode(self, grey: Grey, *, keep_colour: bool) -> bytes:
        """A file of the same kind that shows `grey` [height, width] in [0, 1].

        Colour: the luminance is replaced; the two colour differences stay (`keep_colour`) or become 0.
        """
        if self.is_colour:
            pixels = self._to_depth(self._coloured(grey) if keep_colour else np.stack([grey] * 3, axis=2))
        else:
            pixels = self._to_depth(grey)
        if self.is_colour and self.pixels.dtype == np.uint16:
            return self._encode_deep(pixels)
        return self._encode_with_pillow(pixels)

    def _coloured(self, grey: Grey) -> Grey:
        unit = self.pixels.astype(np.float32) / np.float32(self.white)
        differences = cv2.cvtColor(unit, cv2.COLOR_RGB2YCrCb)
        differences[..., 0] = grey
        return np.asarray(cv2.cvtColor(differences, cv2.COLOR_YCrCb2RGB), np.float32)

    def _to_depth(self, unit: Grey) -> Pixels:
        return np.asarray(np.rint(np.clip(unit, 0.0, 1.0) * self.white), self.pixels.dtype)

    def _encode_deep(self, pixels: Pixels) -> bytes:
        """Colour of 16 bits a channel, which Pillow cannot write."""
        planes = [pixels[..., channel] for channel in (2, 1, 0)]
        if self.alpha is not None:
            planes.append(self.alpha)
        written, data = cv2.imencode(_DEEP_SUFFIX[self.format], np.stack(planes, axis=2))
        if not written:
            raise DataError("the picture cannot be written with 16 bits a channel")
        return bytes(data)

    def _encode_with_pillow(self, pixels: Pixels) -> bytes:
        image = Image.fromarray(pixels)
        if self.is_bilevel:
            image = image.point(lambda value: 255 if value >= 128 else 0).convert("1")
        elif self.alpha is not None:
            image.putalpha(Image.fromarray(self.alpha))
        buffer = BytesIO()
        image.save(buffer, self.format, **self.save_options)
        return buffer.getvalue()


def load_picture(path: Path) -> PictureFile:
    """The picture in `path`; MissingFileError or DataError says why there is none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(path, "a picture was expected") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read", str(error.strerror or error)) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata and of size, which is checked here
            return _decode(data)
    except DataError as error:
        raise DataError(f"{path}: {error.title}", error.message) from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: not a picture", "PNG, JPEG, TIFF, BMP, WebP or PNM is expected") from None
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, MemoryError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: damaged picture", str(error)) from error


def _decode(data: bytes) -> PictureFile:
    with Image.open(BytesIO(data)) as image:
        kind, width, height = str(image.format), image.width, image.height
        if kind not in FORMATS:
            raise DataError(f"pictures of kind {kind} are not taken", " ".join(sorted(FORMATS)))
        if getattr(image, "n_frames", 1) > 1:
            raise DataError(f"{image.n_frames} pictures in one file", "single pictures are expected")  # type: ignore[attr-defined]
        if width * height > MOST_PIXELS:
            raise DataError(f"{width} x {height} pixels are too many for a line")
        options = _save_options(image)
        deep = _deep_colour(data) if kind in _DEEP_SUFFIX else None
        if deep is not None:
            return PictureFile(deep[..., :3], deep[..., 3] if deep.shape[2] == 4 else None, kind)
        return _from_pillow(ImageOps.exif_transpose(image), kind, options)


def _save_options(image: Image.Image) -> dict[str, Any]:
    options = {name: image.info[name] for name in ("dpi", "icc_profile") if image.info.get(name)}
    if image.format == "JPEG":
        options |= {"quality": 95, "subsampling": 0}
    elif image.format == "TIFF" and image.info.get("compression") not in (None, "raw", "jpeg"):
        options["compression"] = image.info["compression"]
    elif image.format == "WEBP":
        options["lossless"] = True
    if image.mode in ("CMYK", "P"):
        options.pop("icc_profile", None)  # belongs to the colours that are converted
    return options


def _deep_colour(data: bytes) -> Pixels | None:
    """RGB or RGBA of 16 bits, which Pillow would cut to 8; None for every other picture."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        return None
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return np.ascontiguousarray(pixels[..., order])


def _from_pillow(image: Image.Image, kind: str, options: dict[str, Any]) -> PictureFile:
    mode = image.mode
    if mode == "1":
        return PictureFile(np.asarray(image.convert("L")), None, kind, True, options)
    if mode in _WIDE_GREY:
        wide = np.asarray(image)
        if wide.min() < 0 or wide.max() > 65535:
            raise DataError("grey values of more than 16 bits")
        return PictureFile(wide.astype(np.uint16), None, kind, False, options)
    if mode == "F":
        raise DataError("grey values are not whole numbers")
    if mode in ("L", "RGB"):
        return PictureFile(np.asarray(image), None, kind, False, options)
    if mode in ("LA", "La"):
        values = np.asarray(image.convert("LA"))
        return PictureFile(values[..., 0], values[..., 1], kind, False, options)
    if mode in ("RGBA", "RGBa", "PA") or (mode == "P" and "transparency" in image.info):
        values = np.asarray(image.convert("RGBA"))
        return PictureFile(values[..., :3], values[..., 3], kind, False, options)
    colours = np.asarray(image.convert("RGB"))
    is_grey = mode == "P" and bool((colours[..., :1] == colours).all())
    return PictureFile(colours[..., 0] if is_grey else colours, None, kind, False, options)
