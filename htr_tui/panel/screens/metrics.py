"""Metrics of a trial over its attempts, in the order in which they matter."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from htr_tui.panel.views import AttemptFiles

Epochs = list[tuple[int, Mapping[str, float]]]


def merge_attempts(attempts: Iterable[AttemptFiles]) -> Epochs:
    """Metrics by epoch, oldest attempt first: from the first epoch of a later attempt on, that one counts."""
    merged: dict[int, Mapping[str, float]] = {}
    for attempt in attempts:
        if attempt.epochs:
            first = attempt.epochs[0][0]
            merged = {epoch: values for epoch, values in merged.items() if epoch < first}
            merged.update(attempt.epochs)
    return [(epoch, merged[epoch]) for epoch in sorted(merged)]


def metric_names(epochs: Epochs, objectives: Sequence[str] = ()) -> list[str]:
    """Names of metrics: those in the objective first, in its order, then held-out ones, then the rest."""
    seen: dict[str, None] = {}
    for _, values in epochs:
        seen.update(dict.fromkeys(values))
    text = " ".join(objectives)
    places = {name: found.start() for name in seen if (found := _find_name(name, text)) is not None}
    return sorted(seen, key=lambda name: (places.get(name, math.inf), not name.startswith(("val/", "val_")), name))


def _find_name(name: str, text: str) -> re.Match[str] | None:
    return re.search(rf"(?<![\w/.]){re.escape(name)}(?![\w/.])", text)


def curve_of(epochs: Epochs, name: str) -> list[tuple[float, float]]:
    """Epoch and value of one metric."""
    return [(float(epoch), values[name]) for epoch, values in epochs if name in values]


def trend(values: Sequence[float], ascii: bool = False) -> str:
    """Where the last step went: up, down or level."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2 or finite[-1] == finite[-2]:
        return " "
    up, down = ("^", "v") if ascii else ("▲", "▼")
    return up if finite[-1] > finite[-2] else down
