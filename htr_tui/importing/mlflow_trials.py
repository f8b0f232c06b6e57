"""MLflow's runs as the trials of a study."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from htr_tui.errors import UsageError
from htr_tui.importing.foreign import Choice, EpochValues, ForeignStudy, ForeignTrial
from htr_tui.importing.mlflow_metric import Objective, choose_objective
from htr_tui.importing.mlflow_runs import PARENT, RunStore, StoredRun
from htr_tui.journal.records import TrialState
from htr_tui.study.safe_yaml import read_scalar

STATUS: dict[str, TrialState] = {
    "RUNNING": "running",
    "SCHEDULED": "queued",
    "FINISHED": "complete",
    "FAILED": "failed",
    "KILLED": "stopped",
}
TOLD: dict[str, TrialState] = {
    "pruned": "pruned", "trialstate.pruned": "pruned", "complete": "complete", "trialstate.complete": "complete",
    "fail": "failed", "failed": "failed", "trialstate.fail": "failed", "stopped": "stopped",
}  # fmt: skip
"""What Optuna's MLflowCallback, or our own mirror, says of a run in a tag: MLflow itself knows no pruning."""
OURS = "htr_tui."
MAX_VALUE = 500
MAX_REMARK = 400
REMARKS = 10
"""Tags of a run that are kept as remarks."""


def read_experiment(store: RunStore, name: str, choice: Choice) -> ForeignStudy:
    """One experiment by name."""
    runs = store.runs(name)
    if not runs and name not in {found.name for found in store.experiments()}:
        raise UsageError(f"no experiment {name!r} there")
    objective = choose_objective(runs, choice)
    runs, warnings = _without_parents(runs, objective)
    if objective.guess:
        warnings.append(objective.guess)
    elif objective.metric is None and runs:
        warnings.append("no run has any metric: there is nothing to compare the trials by")
    return ForeignStudy(
        name=name,
        directions=(objective.direction,),
        objectives=(objective.metric or "objective",),
        trials=[_trial(number, run, objective, choice.take) for number, run in enumerate(runs)],
        warnings=warnings,
    )


def _without_parents(runs: Sequence[StoredRun], objective: Objective) -> tuple[list[StoredRun], list[str]]:
    """The runs that are trials: a parent of others that has no value of its own only groups them."""
    children = Counter(run.tags[PARENT] for run in runs if PARENT in run.tags)
    kept: list[StoredRun] = []
    warnings: list[str] = []
    for run in runs:
        if children[run.run_id] and not any(point.metric == objective.metric for point in run.points):
            warnings.append(f"run {run.name or run.run_id} only groups {children[run.run_id]} runs and is no trial")
        else:
            kept.append(run)
    return kept, warnings


def _trial(number: int, run: StoredRun, objective: Objective, take: str) -> ForeignTrial:
    history = {p.step: p.value for p in run.points if p.metric == objective.metric}
    value = _value(list(history.values()), objective.direction, take)
    state = _state(run)
    started = _seconds(run.start_ms)
    seen = max((p.t_ms for p in run.points), default=None)
    return ForeignTrial(
        number=number,
        state=state,
        params={name: _param(text) for name, text in run.params.items()},
        label=run.name or None,
        started=started,
        ended=_seconds(run.end_ms) if state != "running" else None,
        last_seen=max((t for t in (started, _seconds(seen)) if t is not None), default=None),
        values=(value,) if value is not None and state in ("complete", "pruned") else (),
        reported={step: value for step, value in history.items() if step >= 0},
        metrics=_epochs(run),
        final={p.metric: p.value for p in run.points},
        category=run.tags.get("htr_tui.category") if state == "failed" else None,
        remarks=[
            f"{key} = {text}"[:MAX_REMARK]
            for key, text in run.tags.items()
            if not key.startswith(("mlflow.", OURS)) or key in ("mlflow.note.content", "mlflow.source.name")
        ][:REMARKS],
    )


def _state(run: StoredRun) -> TrialState:
    state = STATUS.get(run.status, "failed")
    if state == "running":
        return state
    told = run.tags.get("htr_tui.state") or run.tags.get("state") or run.tags.get("trial_state") or ""
    return TOLD.get(told.lower(), state)


def _value(values: list[float], direction: str, take: str) -> float | None:
    """The best (or last) value of a history; NaN and infinity only if nothing else was told."""
    numbers = [value for value in values if math.isfinite(value)]
    if not numbers or take == "last":
        return values[-1] if values else None
    return min(numbers) if direction == "minimize" else max(numbers)


def _epochs(run: StoredRun) -> list[EpochValues]:
    """Metrics by step; of several values at a step the latest counts."""
    epochs: dict[int, tuple[int, dict[str, float]]] = {}
    for point in run.points:
        if point.step >= 0:
            t_ms, values = epochs.get(point.step, (0, {}))
            epochs[point.step] = (max(t_ms, point.t_ms), values)
            values[point.metric] = point.value
    return [EpochValues(step, _seconds(t_ms) or 0.0, values) for step, (t_ms, values) in sorted(epochs.items())]


def _param(text: str) -> object:
    """MLflow keeps every parameter as text; what reads as a number or truth value becomes one again."""
    return read_scalar(text) if len(text) <= MAX_VALUE else text[: MAX_VALUE - 3] + "..."


def _seconds(t_ms: int | None) -> float | None:
    return t_ms / 1000 if t_ms is not None and t_ms > 0 else None
