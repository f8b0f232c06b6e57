"""Section `unpaired`: real degraded lines of which no clean picture exists."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from htr_gan.config.condition import Conditions
from htr_gan.config.section import Section


class UnpairedConfig(Section):
    """Degraded lines with a transcription that train beside the pairs: `loss.unpaired_ctc` and `loss.unpaired_pixel`."""

    sources: tuple[Path, ...] = ()
    """As in `data.sources`; their training lines are trained on, their held-out ones are read after each epoch."""
    select: Conditions = {}
    """As in `data.select`, for these sources."""
    on_bad: Literal["refuse", "skip"] = "refuse"
    """What happens to lines that cannot be trained on: nothing starts, or they are left out and told."""

    @model_validator(mode="after")
    def _selects_from_something(self) -> UnpairedConfig:
        if self.select and not self.sources:
            raise ValueError("select is for lines that come from sources")
        return self
