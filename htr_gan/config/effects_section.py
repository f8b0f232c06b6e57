"""Section `data.effects`: how strong each kind of damage is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from htr_gan.config.section import Section

Amount = Annotated[float, Field(ge=0, le=3, allow_inf_nan=False)]


class EffectsConfig(Section):
    """Multipliers of what the recipe does: 0 leaves an effect out, 1 is the recipe's own amount, 2 twice as much."""

    fade: Amount = 1.0
    """Ink that went pale in places."""
    bleed: Amount = 1.0
    """Mirrored writing of the other side."""
    stains: Amount = 1.0
    """Soft dark spots."""
    blur: Amount = 1.0
    """Soft focus."""
    noise: Amount = 1.0
    """Grain of the sensor and dead pixels."""
    paper: Amount = 1.0
    """Grey, uneven and grainy paper; of real strips, how far their tone and texture differ from white."""
    pale: Amount | None = None
    """Ink of low contrast all over; empty: 1 in the recipe historic, 0 in classic, as for all below."""
    shadow: Amount | None = None
    """Light that falls off to one side, and the shadow of the fold."""
    neighbours: Amount | None = None
    """Strokes of the lines above and below at the upper and lower edge."""
    blocks: Amount | None = None
    """Blocks and ringing of a JPEG file, on a third of the lines."""
