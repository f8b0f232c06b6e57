"""Comparisons of expressions over metrics: `val/psnr < 8`, `peak_gpu_bytes / 1e9 <= 11`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Final

from htr_tui.study.expression import Expression

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {"<=": le, ">=": ge, "<": lt, ">": gt}
_SPLIT = re.compile(r"(?:`[^`]*`|[^`<>=])+|[<>]=?|=+")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two expressions and how they are compared."""

    left: Expression
    operator: str
    right: Expression

    @classmethod
    def parse(cls, text: str) -> Comparison:
        """The comparison that a text says; ValueError in words for people."""
        parts = _SPLIT.findall(text)
        if len(parts) != 3 or parts[1] not in _OPERATORS or "".join(parts) != text:
            raise ValueError("needs one of < <= > >= between two expressions")
        return cls(Expression.parse(parts[0].strip()), parts[1], Expression.parse(parts[2].strip()))

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics it is about."""
        return tuple(dict.fromkeys((*self.left.names, *self.right.names)))

    def holds(self, metrics: Mapping[str, float]) -> bool | None:
        """Whether it is true; None while a metric is missing. NaN is neither smaller nor larger than anything."""
        left, right = self.left.evaluate(metrics), self.right.evaluate(metrics)
        return None if left is None or right is None else _OPERATORS[self.operator](left, right)

    def excess(self, metrics: Mapping[str, float]) -> float | None:
        """By how much it is missed: at most 0 where it holds; None while a metric is missing."""
        left, right = self.left.evaluate(metrics), self.right.evaluate(metrics)
        if left is None or right is None:
            return None
        return left - right if self.operator in ("<", "<=") else right - left
