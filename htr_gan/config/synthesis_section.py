"""The keys of section `data` that say how lines are changed before they are learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from htr_gan.config.effects_section import EffectsConfig
from htr_gan.config.section import Section


class SynthesisConfig(Section):
    """Augmentation of the lines of a recogniser, and synthesis of degraded ones."""

    augment: Literal["none", "light", "strong"] = "none"
    """Small changes of geometry, contrast and grain to each training line, others in every pass; task recognizer only."""
    degrade: Literal["once", "every_pass"] = "once"
    """Whether a GAN's training lines are degraded once, or anew each time all lines were seen; held-out ones never change."""
    recipe: Literal["classic", "historic"] = "classic"
    """Damage as in our first release (noisy, stained, bright), or as in faded archive scans (grey, pale, smooth)."""
    strength: Annotated[float, Field(ge=0, le=2)] = 0.7
    """How badly lines are degraded: multiplies bleed-through, stains, blur and noise."""
    effects: EffectsConfig = EffectsConfig()
    """How strong each kind of damage is, relative to the recipe."""
    paper: Path | None = None
    """Folder with PNG strips of real paper without writing, which take the place of rendered paper."""
    augraphy: bool = False
    """Also apply some augmentations of the package augraphy (an optional extra) to degraded lines; slow."""
    texts: Path | None = None
    """Texts of rendered lines: a text file, or `words.tsv` with columns word and count; empty: common English words."""
    flatten: bool | None = None
    """Bring imported clean lines onto white paper; empty: where they become the clean side of a GAN, not for a recogniser."""
