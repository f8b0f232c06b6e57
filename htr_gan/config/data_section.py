"""Section `data`: where lines come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from htr_gan.config.condition import Conditions
from htr_gan.config.synthesis_section import SynthesisConfig

FONTS = ("caveat", "dancing-script", "delius", "indie-flower", "kalam", "satisfy", "shadows-into-light", "zeyada")

FONT_SUFFIXES = (".ttf", ".otf", ".ttc", ".woff", ".woff2")


def is_font_path(font: str) -> bool:
    """Whether an entry of `data.fonts` names a file or folder, and not a package."""
    return "/" in font or font.lower().endswith(FONT_SUFFIXES)


class DataConfig(SynthesisConfig):
    """Lines of handwriting: rendered on the spot, imported from what people have, or read from a folder of ours."""

    path: Path | None = None
    """Folder made by `htr-gan data` or `htr-gan import`; empty: render, and keep the result in the cache folder."""
    sources: tuple[Path, ...] = ()
    """Line packs, TFRecords, PAGE or ALTO pages, folders with `.gt.txt`: imported once into the cache folder."""
    charset: Path | None = None
    """Letters of imported lines, one a line of this file; empty: the letters of the training texts."""
    on_bad: Literal["refuse", "skip"] = "refuse"
    """What happens to lines of `sources` that cannot be trained on: nothing starts, or they are left out and told."""
    select: Conditions = {}
    """Conditions on columns of `lines.tsv` for training and held-out lines, such as `contrast: ">= 70"`."""
    lines: Annotated[int, Field(ge=1, le=1_000_000)] = 4000
    """Training lines."""
    held_out: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Lines that are measured and never trained on; they come from another seed."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Lines depend on this number and their index, and on nothing else."""
    height: Annotated[int, Field(ge=16, le=256, multiple_of=16)] = 32
    """Pixels."""
    width: Annotated[int, Field(ge=32, le=4096, multiple_of=16)] = 256
    """Pixels."""
    text_length: Annotated[int, Field(ge=1, le=200)] = 22
    """The longest text, in letters."""
    fonts: Annotated[tuple[str, ...], Field(min_length=1)] = FONTS
    """Handwriting families, each an installed package `fontpkg-NAME`, a font file, or a folder with font files."""
    workers: Annotated[int, Field(ge=0, le=64)] = 2
    """Processes that render; 0 renders in this process."""

    @field_validator("fonts")
    @classmethod
    def _fonts_are_names(cls, fonts: tuple[str, ...]) -> tuple[str, ...]:
        for name in fonts:
            if is_font_path(name):
                continue
            if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
                raise ValueError(
                    f"{name!r} is not the name of a font package; a file or folder is written with a slash"
                )
        return fonts

    @model_validator(mode="after")
    def _one_origin(self) -> DataConfig:
        if self.path is not None and self.sources:
            raise ValueError("path and sources exclude each other: a folder of lines is imported already")
        if len(set(self.sources)) != len(self.sources):
            raise ValueError("a source is named twice")
        if not self.sources and (self.charset is not None or self.select):
            raise ValueError("charset and select are for lines that come from sources")
        return self

    @model_validator(mode="after")
    def _text_can_be_read(self) -> DataConfig:
        # One CTC step is four columns wide, and double letters need a blank between them.
        if self.text_length * 2 > self.width // 4:
            raise ValueError(
                f"text_length {self.text_length} does not fit a width of {self.width}: at most {self.width // 8}"
            )
        return self
