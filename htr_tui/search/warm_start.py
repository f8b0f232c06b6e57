"""The best trials of another study as wishes for this one: chosen once, written down, then run first."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from htr_tui.errors import StorageError
from htr_tui.journal.fold import JournalReader
from htr_tui.search import database
from htr_tui.search.making import Wish
from htr_tui.search.snapshot import copy_database
from htr_tui.study.conditions import choosing_order, contradiction, implied
from htr_tui.study.parameters import CategoricalParameter, FixedParameter, Parameter, fitting, stored_form
from htr_tui.study.search_spec import SearchSpec
from htr_tui.study.warm_source import WarmSource


@dataclass(frozen=True, slots=True)
class Known:
    """A finished trial of the other study."""

    number: int
    params: dict[str, Any]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WarmPlan:
    """What is run first, and what of the other study could not be taken."""

    wishes: tuple[Wish, ...]
    notes: tuple[str, ...]


def plan_warm_start(search: SearchSpec, source: WarmSource, best: int) -> WarmPlan:
    """The `best` trials of the source, as far as this study's space has them; StorageError if it cannot be read."""
    if source.journal is not None:
        name, signs, known = source.name, *_of_journal(source.journal)
    else:
        assert source.url is not None
        name, signs, known = _of_storage(source.url, source.name)
    chosen = best_first(known, signs, best)
    if not chosen:
        return WarmPlan((), (f"warm start: {name} has no complete trial that keeps its constraints",))
    return _wishes(search, name, chosen)


# -- reading ---------------------------------------------------------------------------------------------------------


def _of_journal(path: Path) -> tuple[tuple[float, ...], list[Known]]:
    reader = JournalReader(path)
    try:
        reader.refresh()
    except OSError as error:
        raise StorageError(f"{path} cannot be read", str(error)) from error
    fold = reader.fold
    known = [
        Known(t.number, {**t.params, **(t.attempts[-1].set if t.attempts else {})}, t.values)
        for t in fold.trials.values()
        if t.state == "complete" and t.is_feasible
    ]
    return _signs(fold.facts.directions), known


def _of_storage(url: str, study: str) -> tuple[str, tuple[float, ...], list[Known]]:
    parsed = database.parse_url(url)
    path = database.sqlite_path(parsed)
    with tempfile.TemporaryDirectory(prefix="htr-tui-warm-") as folder:
        try:
            with database.quiet():
                if path is not None:
                    # Opening a database with Optuna may write to it, and it is somebody else's.
                    parsed = database.parse_url(f"sqlite:///{copy_database(path, Path(folder))}")
                return _read_storage(parsed.render_as_string(hide_password=False), study)
        except RuntimeError as error:  # Optuna's answer to a storage of another version
            hint = f"make a study of it with htr-tui import {database.parse_url(url)!r}, and name that in warm_start"
            raise StorageError("the warm start's storage is of another version of Optuna", "", hint) from error
        except database.TROUBLES as error:
            raise database.storage_error(error, "read the warm start", database.parse_url(url)) from error


def _read_storage(url: str, study: str) -> tuple[str, tuple[float, ...], list[Known]]:
    storage = optuna.storages.RDBStorage(url)
    try:
        names = [s.study_name for s in storage.get_all_studies()]
        if study not in names and (study or len(names) != 1):
            what = f"no study {study!r}" if study else "several studies" if names else "no study"
            raise ValueError(f"the storage has {what}; warm_start.name is one of: {', '.join(names) or 'none'}")
        loaded = optuna.load_study(study_name=study or names[0], storage=storage)
        trials = loaded.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        known = [
            Known(t.number, dict(t.params), tuple(t.values or ()))
            for t in trials
            if all(value <= 0 for value in t.constraints.values())
        ]
        return loaded.study_name, _signs([d.name.lower() for d in loaded.directions]), known
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _signs(directions: Iterable[str]) -> tuple[float, ...]:
    return tuple(-1.0 if direction == "minimize" else 1.0 for direction in directions)


# -- choosing --------------------------------------------------------------------------------------------------------


def best_first(known: Sequence[Known], signs: tuple[float, ...], count: int) -> list[Known]:
    """The best trials; of several objectives those that none dominates, then those that only these dominate, ..."""
    points = [
        (tuple(s * v for s, v in zip(signs, trial.values, strict=True)), trial)
        for trial in known
        if len(trial.values) == len(signs) and all(map(math.isfinite, trial.values))
    ]
    points.sort(key=lambda point: (tuple(-v for v in point[0]), point[1].number))
    if len(signs) == 1:
        return [trial for _, trial in points[:count]]
    chosen: list[Known] = []
    while points and len(chosen) < count:
        front: list[tuple[tuple[float, ...], Known]] = []
        rest: list[tuple[tuple[float, ...], Known]] = []
        for values, trial in points:  # whatever dominates a point stands before it
            dominated = any(f != values and all(a >= b for a, b in zip(f, values, strict=True)) for f, _ in front)
            (rest if dominated else front).append((values, trial))
        chosen += [trial for _, trial in front]
        points = rest
    return chosen[:count]


def _wishes(search: SearchSpec, source: str, chosen: Iterable[Known]) -> WarmPlan:
    wishes: list[Wish] = []
    left_out: dict[str, list[int]] = {}
    useless: list[int] = []
    for known in chosen:
        params, strangers = usable_parameters(search, known.params)
        for name in strangers:
            left_out.setdefault(name, []).append(known.number)
        varied = any(not isinstance(search.space[name], FixedParameter) for name in params)
        if not varied or any(params == wish.params for wish in wishes):
            useless.append(known.number)
        else:
            wishes.append(Wish(params, f"{source} #{known.number}", "warm_start"))
    notes = [
        f"warm start: {name} is not in this study's range in {_numbers(trials)} of {source}; left out"
        for name, trials in left_out.items()
    ]
    if useless:
        notes.append(f"warm start: {_numbers(useless)} of {source} would be the same as others here; left out")
    return WarmPlan(tuple(wishes), tuple(notes))


def usable_parameters(search: SearchSpec, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of a foreign trial's parameters this study can have, and the names of the others."""
    found: dict[str, Any] = {}
    strangers: list[str] = []
    for name, value in given.items():
        fitted = _fitting(search.space[name], value) if name in search.space else None
        if fitted is None:
            strangers.append(name)
        else:
            found[name] = fitted
    whole: dict[str, Any] = {}
    for name in (name for name in choosing_order(search.space) if name in found):
        longer = implied(search.space, {**whole, name: found[name]})
        if contradiction(search.space, longer) is None:  # else a condition does not hold here: it says nothing
            whole = longer
    return {name: whole[name] for name in search.space if name in whole}, strangers


def _fitting(parameter: Parameter, value: Any) -> Any:
    """Like `fitting`, also for a list that Optuna holds as its text."""
    found = fitting(parameter, value)
    if found is None and isinstance(parameter, CategoricalParameter):
        return next((choice for choice in parameter.choices if stored_form(choice) == stored_form(value)), None)
    return found


def _numbers(trials: list[int]) -> str:
    text = ", ".join(f"#{number}" for number in trials[:10])
    return f"trial{'s' if len(trials) > 1 else ''} {text}" + (", ..." if len(trials) > 10 else "")
