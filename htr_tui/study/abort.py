"""Rules that end a hopeless attempt early: `val/psnr < 8 at epoch 3`, `loss/total is nan`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from htr_tui.study import forms
from htr_tui.study.comparison import Comparison
from htr_tui.study.expression import Expression

_WHEN = re.compile(r"(?P<what>.*?)(?:\s+(?P<word>at|from)\s+epoch\s+(?P<epoch>[0-9]{1,9}))?\s*", re.DOTALL)
_IS_NAN = re.compile(r"(?P<what>.+?)\s+is\s+nan", re.DOTALL)
MAX_TEXT = 1000
"""Characters of a rule; the patterns above need the square of them in steps."""
ALLOWED = '"EXPRESSION < NUMBER at epoch N" (also <= > >=; "from epoch N"; every epoch without it), "EXPRESSION is nan"'


@dataclass(frozen=True, slots=True)
class AbortRule:
    """One rule; the same text always means the same."""

    text: str
    condition: Comparison | Expression
    """An expression alone asks whether it is NaN."""
    when: Literal["at", "from"] = "from"
    epoch: int = 0

    @classmethod
    def parse(cls, text: str) -> AbortRule:
        """The rule that a text says; ValueError in words for people."""
        if len(text) > MAX_TEXT:
            raise ValueError(f"longer than {MAX_TEXT} characters")
        match = _WHEN.fullmatch(text)
        assert match is not None
        nan = _IS_NAN.fullmatch(match["what"])
        condition = Expression.parse(nan["what"]) if nan else Comparison.parse(match["what"])
        if not condition.names:
            raise ValueError("names no metric")
        when: Literal["at", "from"] = "at" if match["word"] == "at" else "from"
        return cls(text, condition, when, int(match["epoch"] or 0))

    def strikes(self, epoch: int, metrics: Mapping[str, float], before: int | None) -> bool:
        """Whether the metrics of an epoch end the attempt; `before` is the epoch reported before it.

        "at epoch 3" is decided at epoch 3, or, where a trainer reports it not, at the next one that it does.
        """
        if epoch < self.epoch or (self.when == "at" and before is not None and before >= self.epoch):
            return False
        if isinstance(self.condition, Expression):
            value = self.condition.evaluate(metrics)
            return value is not None and math.isnan(value)
        return self.condition.holds(metrics) is True

    def explain(self, epoch: int, metrics: Mapping[str, float]) -> str:
        """Which rule struck, and on what, for people."""
        found = ", ".join(f"{name} was {metrics[name]:.4g}" for name in self.condition.names if name in metrics)
        return f'the rule "{self.text}" struck in epoch {epoch}: {found}'


def _rules(value: Any) -> Any:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise forms.form_error(f"found {forms.shown(value)}", allowed=ALLOWED + ", or a list of them")
    rules = []
    for index, text in enumerate(listed):
        path = () if isinstance(value, str) else (index,)
        if isinstance(text, AbortRule):
            rules.append(text)
            continue
        if not isinstance(text, str):
            raise forms.form_error(f"found {forms.shown(text)}", allowed=ALLOWED, path=path)
        try:
            rules.append(AbortRule.parse(text))
        except ValueError as error:
            raise forms.form_error(f"{text!r}: {error}", allowed=ALLOWED, path=path) from None
    return tuple(rules)


AbortRules = Annotated[tuple[AbortRule, ...], BeforeValidator(_rules)]
