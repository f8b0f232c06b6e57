"""The keys of section `data` that say how lines are changed before they are learned from."""

from __future__ import annotations

from typing import Literal

from htr_gan.config.section import Section


class SynthesisConfig(Section):
    """Augmentation of the lines of a recogniser, and synthesis of degraded ones."""

    augment: Literal["none", "light", "strong"] = "none"
    """Small changes of geometry, contrast and grain to each training line, others in every pass; task recognizer only."""
