"""Which metric of an MLflow experiment is its objective: MLflow itself does not say."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from htr_tui.errors import UsageError
from htr_tui.importing.foreign import Choice
from htr_tui.importing.mlflow_runs import StoredRun

USUAL = ("objective", "objective_value", "value")
"""Names under which tuners keep what they optimise; `value` is Optuna's MLflowCallback."""
MINIMIZED = re.compile(
    r"(^|[^a-z])(loss|error|err|cer|wer|mae|mse|rmse|mape|perplexity|ppl|fid|nll|latency|distance|divergence)([^a-z]|$)"
)
HELD_OUT = re.compile(r"(^|[^a-z])(val|valid|validation|dev|eval|test)([^a-z]|$)")
NO_OBJECTIVE = re.compile(r"^system/|(^|[^a-z])(epoch|step|lr|learning_rate|time|seconds|duration)([^a-z]|$)")


class Objective(NamedTuple):
    """The metric that counts."""

    metric: str | None
    """None where no run has any."""
    direction: str
    guess: str | None = None
    """How it was guessed, for the user; None if he or a tag said it."""


def choose_objective(runs: Sequence[StoredRun], choice: Choice) -> Objective:
    """What the user chose, or the likeliest metric; UsageError where no run has the metric."""
    counts = Counter(name for run in runs for name in {point.metric for point in run.points})
    metric = choice.metric if choice.metric is not None else _likeliest(counts)
    if metric is None:
        return Objective(None, choice.direction or "maximize")
    if metric not in counts:
        near = difflib.get_close_matches(metric, counts, n=1)
        listed = ", ".join(name for name, _ in counts.most_common(30)) or "none"
        raise UsageError(
            f"no run has a metric {metric!r}", f"metrics there: {listed}", f"did you mean {near[0]}?" if near else ""
        )
    told = {run.tags.get("direction", "").lower() for run in runs} & {"maximize", "minimize"}
    direction = choice.direction or (told.pop() if len(told) == 1 else None)
    is_guess = choice.metric is None or direction is None
    direction = direction or ("minimize" if MINIMIZED.search(metric.lower()) else "maximize")
    return Objective(metric, direction, _words(metric, direction, choice) if is_guess else None)


def _words(metric: str, direction: str, choice: Choice) -> str:
    if choice.metric is None:
        return (
            f"MLflow does not say what the objective is; taken is to {direction} {metric}"
            " (choose with --metric NAME and --maximize or --minimize)"
        )
    return f"taken is to {direction} {metric} (choose with --maximize or --minimize)"


def _likeliest(counts: Counter[str]) -> str | None:
    """The usual names first, then held-out data before training data, then what most runs have, then the name."""
    for name in USUAL:
        if name in counts:
            return name
    wanted = [name for name in counts if not NO_OBJECTIVE.search(name.lower())] or list(counts)
    return min(wanted, key=lambda n: (HELD_OUT.search(n.lower()) is None, -counts[n], n), default=None)
