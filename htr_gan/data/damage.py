"""What is done to a line to make it look old, as plain values: the recipe, the strength, the effects, the paper."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from htr_gan.config.effects_section import EffectsConfig
from htr_gan.config.synthesis_section import SynthesisConfig
from htr_gan.data.augraphy_page import augraphy_version, check_augraphy
from htr_gan.data.paper import strips_fingerprint

REVISION = 1
"""Raised when damage other than the first release's changes its bytes, so that caches of it are made again."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The ranges that each line draws from; shares of light unless said otherwise."""

    fade: Range
    """Ink that is left, from place to place."""
    bleed: Range
    """Darkness of the other side's writing, relative to this side's."""
    stain: Range
    blur: Range
    """Standard deviation in pixels, for lines of `blur_height`."""
    blur_height: int | None
    """None: the same blur for lines of all heights."""
    paper: Range
    """Light of the paper from place to place."""
    tone: Range
    """Light of the paper all over."""
    mottling: float
    """Standard deviation of the paper's own texture."""
    grain: Range
    specks: float
    """Share of dead pixels."""
    contrast: Range
    """Darkest ink below the paper, where ink is pale."""


RECIPES = {
    "classic": Recipe(
        fade=(0.15, 1.0),
        bleed=(0.2, 0.5),
        stain=(0.15, 0.45),
        blur=(0.3, 1.1),
        blur_height=None,
        paper=(0.7, 1.0),
        tone=(1.0, 1.0),
        mottling=0.0,
        grain=(0.03, 0.10),
        specks=0.004,
        contrast=(0.10, 0.45),
    ),
    "historic": Recipe(
        fade=(0.6, 1.0),
        bleed=(0.0, 0.3),
        stain=(0.0, 0.08),
        blur=(0.3, 1.0),
        blur_height=48,
        paper=(0.95, 1.0),
        tone=(0.5, 0.92),
        mottling=0.006,
        grain=(0.002, 0.010),
        specks=0.00002,
        contrast=(0.18, 0.75),
    ),
}


@dataclass(frozen=True, slots=True)
class Damage:
    """Everything that degrading depends on besides the line and its random numbers."""

    recipe: str = "classic"
    strength: float = 0.7
    fade: float = 1.0
    bleed: float = 1.0
    stains: float = 1.0
    blur: float = 1.0
    noise: float = 1.0
    paper: float = 1.0
    pale: float = 0.0
    shadow: float = 0.0
    neighbours: float = 0.0
    blocks: float = 0.0
    strips: str | None = None
    """Folder with strips of real paper."""
    augraphy: bool = False
    """Whether the optional package adds its own."""

    def record(self) -> dict[str, Any]:
        """As JSON for fingerprints; strips count by their contents. Empty for the damage of the first release."""
        if self == Damage(strength=self.strength):
            return {}
        strips = None if self.strips is None else strips_fingerprint(self.strips)
        own = {name: value for name, value in asdict(self).items() if name != "augraphy"}
        package = {"augraphy": augraphy_version()} if self.augraphy else {}
        return {**own, "strips": strips, "revision": REVISION, **package}


def damage_of(data: SynthesisConfig) -> Damage:
    """The damage that a configuration asks for; effects left open are the recipe's."""
    own = 1.0 if data.recipe == "historic" else 0.0
    amounts = {name: getattr(data.effects, name) for name in EffectsConfig.model_fields}
    filled = {name: own if amount is None else float(amount) for name, amount in amounts.items()}
    if data.augraphy:
        check_augraphy()  # said here, before anything is made
    strips = None if data.paper is None else str(data.paper)
    return Damage(data.recipe, data.strength, **filled, strips=strips, augraphy=data.augraphy)
