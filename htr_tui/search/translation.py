"""A trial of the journal as Optuna's trial: states, values, attributes."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from htr_tui.journal.records import TrialRecord
from htr_tui.search.distributions import compatible, fits
from htr_tui.study.parameters import stored_form

CONSTRAINTS = "constraints"
"""Where all versions of Optuna, its samplers and its dashboard look for a trial's constraints."""
MAX_STEP = 2**31 - 1
"""Databases store steps in 32 bits; an epoch beyond that is garbage from a trainer."""


def wanted_state(trial: TrialRecord, objectives: int) -> tuple[TrialState, tuple[float, ...] | None]:
    """The state that Optuna should have the trial in, and its values.

    A stopped trial waits: it is neither running for ever nor finished. A complete trial without a number for every
    objective is a failed one, since a sampler can learn nothing from NaN.
    """
    match trial.state:
        case "complete":
            if len(trial.values) == objectives and not any(map(math.isnan, trial.values)):
                return TrialState.COMPLETE, trial.values
            return TrialState.FAIL, None
        case "pruned":
            value = trial.reported.get(trial.epoch) if trial.epoch is not None else None
            if objectives == 1 and value is not None and not math.isnan(value):
                return TrialState.PRUNED, (value,)
            return TrialState.PRUNED, None
        case "failed":
            return TrialState.FAIL, None
        case "stopped":
            return TrialState.WAITING, None
    return TrialState.RUNNING, None


def wanted_attributes(trial: TrialRecord) -> dict[str, Any]:
    """User attributes that tell a reader of Optuna what its states cannot."""
    attributes: dict[str, Any] = {"attempts": len(trial.attempts)}
    if trial.category is not None:
        attributes["category"] = trial.category
    if trial.label is not None:
        attributes["label"] = trial.label
    if trial.by is not None:
        attributes["by"] = trial.by
    return attributes


def wanted_marks(trial: TrialRecord) -> dict[str, Any]:
    """System attributes from which samplers and other programs learn about constraints."""
    return {CONSTRAINTS: list(trial.constraints)} if trial.constraints else {}


def wanted_steps(trial: TrialRecord) -> dict[int, float]:
    """The objective by epoch, as far as a database can hold it.

    Epochs beyond the newest are of an earlier attempt that began anew: nothing to learn from.
    """
    newest = MAX_STEP if trial.epoch is None else min(trial.epoch, MAX_STEP)
    return {step: value for step, value in trial.reported.items() if 0 <= step <= newest}


def storable(params: dict[str, Any], distributions: dict[str, BaseDistribution]) -> dict[str, Any]:
    """Those parameters that Optuna can hold under the study's distributions, in its form."""
    stored = {n: stored_form(v) for n, v in params.items() if n in distributions}
    return {n: v for n, v in stored.items() if fits(distributions[n], v)}


def same(a: float, b: float) -> bool:
    """Equal as numbers; NaN equals NaN."""
    return a == b or (math.isnan(a) and math.isnan(b))


def is_other_trial(frozen: FrozenTrial, trial: TrialRecord, distributions: dict[str, BaseDistribution]) -> bool:
    """True where Optuna has other parameters under the trial's number, or has them in another space."""
    return any(
        name not in frozen.params
        or frozen.params[name] != value
        or not compatible(frozen.distributions[name], distributions[name])
        for name, value in storable(trial.params, distributions).items()
    )


def is_closed_wrongly(frozen: FrozenTrial, trial: TrialRecord, objectives: int) -> bool:
    """True where Optuna has the trial finished, and the journal does not or in another way."""
    if not frozen.state.is_finished():
        return False
    state, values = wanted_state(trial, objectives)
    return state != frozen.state or (state == TrialState.COMPLETE and list(values or ()) != list(frozen.values or ()))


def frozen_trial(
    trial: TrialRecord,
    old: FrozenTrial | None,
    objectives: int,
    distributions: dict[str, BaseDistribution],
    marks: dict[str, Any],
) -> FrozenTrial:
    """The journal's trial as a new one for Optuna; what others noted at `old`, the same trial before, is kept.

    `marks` are the sampler's and pruner's own notes, for a trial of which there is no old one.
    """
    state, values = wanted_state(trial, objectives)
    params = storable(trial.params, distributions)
    kept = old.user_attrs if old is not None else {}
    ours = {k: v for k, v in kept.items() if k not in ("category", "attempts", "label", "by")} | wanted_attributes(
        trial
    )
    frozen = create_trial(
        state=state,
        values=list(values) if values is not None else None,
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs=ours,
        system_attrs={**(old.system_attrs if old is not None else marks), **wanted_marks(trial)},
        intermediate_values=wanted_steps(trial),
    )
    _set_times(frozen, trial)
    return frozen


def _set_times(frozen: FrozenTrial, trial: TrialRecord) -> None:
    started = trial.attempts[0].started if trial.attempts else trial.created
    if frozen.datetime_start is not None:
        frozen.datetime_start = _local(started) or frozen.datetime_start
    if frozen.datetime_complete is not None:
        frozen.datetime_complete = _local(trial.ended) or frozen.datetime_complete


def _local(seconds: float | None) -> datetime | None:
    """Optuna keeps local times without a zone; None for a time that no calendar has."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds)
    except (ValueError, OverflowError, OSError):
        return None


def lost_trial() -> FrozenTrial:
    """Stands for a number of which the journal knows nothing (a damaged line)."""
    return create_trial(state=TrialState.FAIL, user_attrs={"category": "lost"})
