"""The budget section of the study file: how much, how long, and at which time of day."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from htr_tui.study import forms
from htr_tui.study.parameters import Count, Positive, Section

_WINDOW = re.compile(r"\s*([01]?[0-9]|2[0-3]):([0-5][0-9])\s*-\s*([01]?[0-9]|2[0-4]):([0-5][0-9])\s*")


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """A time of day in which trials may start, in minutes since midnight of the machine's local time."""

    text: str
    opens: int
    closes: int

    def is_open(self, now: float) -> bool:
        """Whether the Unix time `now` lies in it; one that ends before it begins goes over midnight."""
        local = time.localtime(now)
        minute = local.tm_hour * 60 + local.tm_min
        if self.opens < self.closes:
            return self.opens <= minute < self.closes
        return minute >= self.opens or minute < self.closes

    @property
    def opening(self) -> str:
        """Like 20:00."""
        return f"{self.opens // 60:02d}:{self.opens % 60:02d}"


def _window(value: Any) -> Any:
    if value is None or isinstance(value, DailyWindow):
        return value
    allowed = '"20:00-07:00": hours and minutes of the day, local time'
    match = _WINDOW.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise forms.form_error(f"found {forms.shown(value)}", allowed=allowed)
    opens, closes = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if closes > 24 * 60 or opens == closes % (24 * 60):
        raise forms.form_error(f"{value!r} is no part of a day", allowed=allowed)
    return DailyWindow(value.strip(), opens, closes)


class BudgetSpec(Section):
    """When a study is finished, and when it works."""

    trials: Count | None = None
    """How many trials; a grid or a list of experiments is finished earlier."""
    hours: Positive | None = None
    """Hours after which no new trial starts; time in which the study is paused or outside `only` does not count."""
    only: Annotated[DailyWindow | None, BeforeValidator(_window)] = None
    """The time of day in which trials may start, as "20:00-07:00" in the machine's local time."""
    at_close: Literal["finish", "stop"] = "finish"
    """What running trials do when that time is over: `finish`, or `stop` with a checkpoint and go on at the next opening."""
