"""Optuna's studies and trials in our words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from htr_tui.errors import UsageError
from htr_tui.importing.foreign import EpochValues, ForeignStudy, ForeignTrial, Listed
from htr_tui.importing.optuna_storage import Opened, heartbeats
from htr_tui.journal import records

STATES: dict[TrialState, records.TrialState] = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "queued",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
METRIC_NAMES = "study:metric_names"
MAX_VALUE = 500
"""Characters of a parameter's text that are kept."""
MAX_REMARK = 400


def list_studies(opened: Opened) -> list[Listed]:
    """Every study of the storage."""
    return [
        Listed(study.study_name, opened.storage.get_n_trials(study._study_id))
        for study in opened.storage.get_all_studies()
    ]


def read_study(opened: Opened, name: str) -> ForeignStudy:
    """One study by name."""
    storage = opened.storage
    study = next((s for s in storage.get_all_studies() if s.study_name == name), None)
    if study is None:
        raise UsageError(f"no study {name!r} there")
    frozen = storage.get_all_trials(study._study_id, deepcopy=False)
    names = _objectives(study)
    running = [t._trial_id for t in frozen if t.state == TrialState.RUNNING]
    beats = heartbeats(storage, running)
    trials = [_trial(t, names[0], beats.get(t._trial_id)) for t in frozen]
    constraints = max((_constraint_names(t) for t in frozen), key=len, default=())
    return ForeignStudy(
        name=name,
        directions=tuple("minimize" if d == StudyDirection.MINIMIZE else "maximize" for d in study.directions),
        objectives=names,
        trials=trials,
        constraints=constraints,
        space=study_space(t.distributions for t in frozen),
        warnings=list(opened.warnings),
        remarks=_remarks(study.user_attrs),
    )


def _objectives(study: optuna.study._frozen.FrozenStudy) -> tuple[str, ...]:
    count = len(study.directions)
    names = study.system_attrs.get(METRIC_NAMES)
    if isinstance(names, list) and len(names) == count:
        return tuple(str(name) for name in names)
    return ("objective",) if count == 1 else tuple(f"objective {i + 1}" for i in range(count))


def _trial(frozen: FrozenTrial, objective: str, beat: float | None) -> ForeignTrial:
    started, ended = _seconds(frozen.datetime_start), _seconds(frozen.datetime_complete)
    reported = {int(step): float(value) for step, value in frozen.intermediate_values.items()}
    constraints = _constraints(frozen)
    label, category = frozen.user_attrs.get("label"), frozen.user_attrs.get("category")
    reason = frozen.system_attrs.get("fail_reason")  # releases before 3.0
    is_failed = frozen.state == TrialState.FAIL
    return ForeignTrial(
        number=frozen.number,
        state=STATES[frozen.state],
        params={str(name): plain(value) for name, value in frozen.params.items()},
        label=label if isinstance(label, str) else None,
        started=started,
        ended=ended,
        last_seen=max((t for t in (started, beat) if t is not None), default=None),
        values=tuple(float(value) for value in frozen.values or () if value is not None),
        reported=reported,
        metrics=[EpochValues(step, 0.0, {objective: value}) for step, value in sorted(reported.items()) if step >= 0],
        constraints=constraints,
        category=category if is_failed and isinstance(category, str) else None,
        title=str(reason)[:MAX_REMARK] if is_failed and reason else None,
        remarks=_remarks({k: v for k, v in frozen.user_attrs.items() if k not in ("label", "category", "attempts")}),
    )


def _constraint_names(frozen: FrozenTrial) -> tuple[str, ...]:
    listed = frozen.system_attrs.get("constraints")
    count = len(listed) if isinstance(listed, list | tuple) else 0
    named = [key.partition(":")[2] for key in frozen.system_attrs if key.startswith("constraints:")]
    return (*(f"constraint {i + 1}" for i in range(count)), *(named if not count else ()))


def _constraints(frozen: FrozenTrial) -> tuple[float, ...]:
    """Old releases keep a list, new ones a value each."""
    listed = frozen.system_attrs.get("constraints")
    if not isinstance(listed, list | tuple):
        listed = [value for key, value in frozen.system_attrs.items() if key.startswith("constraints:")]
    return tuple(float(value) for value in listed if isinstance(value, int | float) and not math.isnan(value))


def _remarks(attributes: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} = {value if isinstance(value, str) else _json(value)}"[:MAX_REMARK] for key, value in attributes.items()
    ]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def plain(value: Any) -> Any:
    """A parameter's value as JSON can hold it: numbers, truth values, short texts."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else _json(value)
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 3] + "..."


def study_space(spaces: Iterable[Mapping[str, BaseDistribution]]) -> dict[str, Any]:
    """Every parameter with the range it was drawn from, as a study file writes it; ranges that changed are united."""
    united: dict[str, Any] = {}
    seen: dict[str, BaseDistribution] = {}
    for distributions in spaces:
        for name, distribution in distributions.items():
            if seen.get(name) == distribution:
                continue
            seen[name] = distribution
            form = _form(distribution)
            united[name] = form if name not in united else _unite(united[name], form)
    return united


def _form(distribution: BaseDistribution) -> dict[str, Any]:
    if isinstance(distribution, CategoricalDistribution):
        return {"categorical": [plain(choice) for choice in distribution.choices]}
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        return {}
    form: dict[str, Any] = {
        "int" if isinstance(distribution, IntDistribution) else "float": [distribution.low, distribution.high]
    }
    if distribution.log:
        form["log"] = True
    if distribution.step is not None and (isinstance(distribution, FloatDistribution) or distribution.step != 1):
        form["step"] = distribution.step
    return form


def _unite(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    for kind in ("float", "int"):
        if kind in old and kind in new:
            (a, b), (c, d) = old[kind], new[kind]
            return {**old, kind: [min(a, c), max(b, d)]}
    if "categorical" in old and "categorical" in new:
        return {"categorical": [*old["categorical"], *(c for c in new["categorical"] if c not in old["categorical"])]}
    return new


def _seconds(moment: datetime | None) -> float | None:
    """Optuna keeps local times without a zone."""
    if moment is None:
        return None
    try:
        return moment.timestamp()
    except (ValueError, OverflowError, OSError):
        return None
