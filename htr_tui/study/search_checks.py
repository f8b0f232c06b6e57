"""What no single key of the search can know: conditions, grids, repeats, constraints, packages that must be there."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from htr_tui.errors import ConfigProblem
from htr_tui.study import conditions
from htr_tui.study.constraints import MEASURED, parse_constraint
from htr_tui.study.forms import nearest, shown
from htr_tui.study.grid import MAX_POINTS, Grid, GridError, experiment_trials, trial_count
from htr_tui.study.parameters import CategoricalParameter, FixedParameter, FloatParameter, fitting, range_text
from htr_tui.study.pruner_spec import NoPruner, PatientPruner, Pruner, WilcoxonPruner
from htr_tui.study.safe_yaml import Document
from htr_tui.study.sampler_spec import (
    CmaesSampler,
    GpSampler,
    GridSampler,
    Nsga2Sampler,
    QmcSampler,
    TpeSampler,
)
from htr_tui.study.search_spec import Experiment, SearchSpec
from htr_tui.study.spec import StudySpec
from htr_tui.study.trainer_spec import PLACEHOLDERS
from htr_tui.study.warm_source import locate

Problems = Iterator[ConfigProblem]
_PACKAGES: Final[dict[type, tuple[tuple[str, ...], str]]] = {
    GpSampler: (("torch", "scipy"), "pip install 'htr-tui[gp]'"),
    QmcSampler: (("scipy",), "pip install scipy"),
    CmaesSampler: (("cmaes",), "pip install cmaes"),
    WilcoxonPruner: (("scipy",), "pip install scipy"),
}


def check_search(search: SearchSpec, document: Document) -> Problems:
    """Either a space or experiments; names that mean one thing; conditions and grids that can be followed."""
    given = document.value.get("search") if isinstance(document.value, dict) else None
    given = given if isinstance(given, dict) else {}
    if search.experiments:
        for key in ("space", "sampler", "warm_start"):
            if key in given:
                yield document.problem(
                    ("search", key), "cannot go with experiments", allowed="experiments alone", of_key=True
                )
        yield from _check_experiments(search, document)
    else:
        if not search.space:
            yield document.problem(("search", "space"), "is missing", allowed="space: {...}, or experiments: [...]")
        if "repeats" in given:
            yield document.problem(("search", "repeats"), "goes with experiments", of_key=True)
    for name in search.space:
        yield from _check_name(name, ("search", "space", name), document)
    yield from _check_conditions(search, document)
    if search.experiments:
        return
    if isinstance(search.sampler, GridSampler):
        if search.warm_start is not None:
            yield document.problem(("search", "warm_start"), "cannot go with a grid", of_key=True)
        yield from _check_grid(search, search.sampler, document)
    if isinstance(search.sampler, CmaesSampler) and not cmaes_parameters(search):
        yield document.problem(
            ("search", "sampler"),
            "cmaes moves numbers only, and none is in every trial",
            allowed="a parameter of float or int without when; tpe learns from any",
        )


def cmaes_parameters(search: SearchSpec) -> tuple[str, ...]:
    """What cmaes moves: ranges of numbers that every trial has."""
    return tuple(
        name
        for name, parameter in search.space.items()
        if not isinstance(parameter, CategoricalParameter | FixedParameter) and not parameter.when
    )


def _check_name(name: str, path: tuple[str | int, ...], document: Document) -> Problems:
    if name in PLACEHOLDERS:
        yield document.problem(path, f"{name!r} is a placeholder's name", allowed="another name", of_key=True)


def _check_experiments(search: SearchSpec, document: Document) -> Problems:
    seen: set[str] = set()
    for index, item in enumerate(search.experiments):
        path = ("search", "experiments", index)
        if item.name in seen:
            yield document.problem(
                (*path, "name"), f"{item.name!r} is the name of two experiments", allowed="each once"
            )
        seen.add(item.name)
        for name in item.params:
            yield from _check_name(name, (*path, "params", name), document)
        if item.repeats:
            yield from _check_repeats(item.repeats, (*path, "repeats"), (item,), document)
    if search.repeats:
        using = tuple(item for item in search.experiments if item.repeats is None)
        yield from _check_repeats(search.repeats, ("search", "repeats"), using, document)
    total = trial_count(search) or 0
    if total > MAX_POINTS:
        yield document.problem(("search", "repeats"), f"{total} trials", allowed=f"at most {MAX_POINTS}")
    elif any(search.repeats_of(item) for item in search.experiments) and len(seen) == len(search.experiments):
        labels = [label for label, _ in experiment_trials(search)]
        double = next((label for label, times in Counter(labels).items() if times > 1), None)
        if double is not None and double in seen:
            yield document.problem(
                ("search", "experiments"), f"two trials would have one name, {double!r}", allowed="other names"
            )


def _check_repeats(
    repeats: dict[str, tuple[Any, ...]], path: tuple[str | int, ...], items: tuple[Experiment, ...], document: Document
) -> Problems:
    for name, values in repeats.items():
        yield from _check_name(name, (*path, name), document)
        for index, value in enumerate(values):
            if value in values[:index]:
                yield document.problem(
                    (*path, name, index), f"{shown(value)} is given twice", allowed="each value once"
                )
        owner = next((item.name for item in items if name in item.params), None)
        if owner is not None:
            yield document.problem(
                (*path, name), f"{name!r} has a value in experiment {owner!r}", allowed="one of both", of_key=True
            )


def _check_conditions(search: SearchSpec, document: Document) -> Problems:
    for name, parameter in search.space.items():
        for parent, wanted in parameter.when.items():
            path = ("search", "space", name, "when", parent)
            if parent not in search.space:
                yield document.problem(
                    path,
                    f"{parent!r} is no parameter of the space",
                    allowed=", ".join(n for n in search.space if n != name),
                    suggestion=nearest(parent, search.space),
                    of_key=True,
                )
                continue
            other = search.space[parent]
            if isinstance(other, FloatParameter) and other.step is None:
                yield document.problem(
                    path, f"{parent} is a range of real numbers", allowed="a parameter with listed or whole values"
                )
                continue
            for value in wanted:
                if fitting(other, value) is None:
                    yield document.problem(path, f"{parent} is never {shown(value)}", allowed=range_text(other))
    if names := conditions.circle(search.space):
        text = " needs ".join((*names, names[0]))
        yield document.problem(("search", "space", names[0], "when"), f"a circle: {text}", of_key=True)


def _check_grid(search: SearchSpec, sampler: GridSampler, document: Document) -> Problems:
    path = ("search", "sampler", "grid")
    for name in sampler.values:
        if name not in search.space:
            yield document.problem(
                (*path, "values", name),
                f"{name!r} is no parameter of the space",
                allowed=", ".join(search.space),
                suggestion=nearest(name, search.space),
                of_key=True,
            )
    try:
        Grid(search)
    except GridError as error:
        inner = ("values", error.parameter) if error.parameter in sampler.values else ()
        yield document.problem((*path, *inner), str(error), allowed=error.allowed)


def check_goal(search: SearchSpec, objectives: int, reports: tuple[str, ...] | None, document: Document) -> Problems:
    """Several objectives cannot be pruned nor given to every sampler; constraints name what there is."""
    if objectives > 1 and not isinstance(search.pruner, NoPruner):
        yield document.problem(("search", "pruner"), "cannot prune several objectives", allowed="none")
    if objectives > 1 and isinstance(search.sampler, CmaesSampler) and not search.experiments:
        yield document.problem(
            ("search", "sampler"), "cmaes knows one objective only", allowed="nsga2, tpe, gp, random, grid, qmc"
        )
    is_list = isinstance(document.value, dict) and isinstance(document.value["search"].get("constraints"), list)
    for index, text in enumerate(search.constraints if reports is not None else ()):
        known = (*(reports or ()), *MEASURED)
        for name in (name for name in parse_constraint(text).names if name not in known):
            yield document.problem(
                ("search", "constraints", *((index,) if is_list else ())),
                f"the trainer reports no metric {name!r}",
                allowed=", ".join(known),
                suggestion=nearest(name, known),
            )


def search_warnings(spec: StudySpec, document: Document) -> Problems:
    """What may be meant but is probably not."""
    search = spec.search
    size = trial_count(search)
    planned = spec.budget.trials
    if size is not None and planned is not None and planned > size:
        what = "experiments" if search.experiments else "points of the grid"
        yield document.problem(
            ("budget", "trials"), f"{planned} trials, but there are {size} {what}; it ends after {size}"
        )
    total = min((n for n in (size, planned) if n is not None), default=None)
    if total is not None:
        yield from _warn_of_startup(search, total, document)
    if isinstance(search.sampler, CmaesSampler | QmcSampler) and not search.experiments:
        yield from _warn_of_random(search, document)


def _warn_of_random(search: SearchSpec, document: Document) -> Problems:
    """What two samplers leave to chance, and what one of them cannot learn."""
    is_cmaes = isinstance(search.sampler, CmaesSampler)
    moved = cmaes_parameters(search) if is_cmaes else [n for n, p in search.space.items() if not p.when]
    others = [n for n, p in search.space.items() if n not in moved and not isinstance(p, FixedParameter)]
    if others:
        why = "categorical, or with a when" if is_cmaes else "with a when"
        name = search.sampler.kind
        yield document.problem(("search", "sampler"), f"{name} draws {', '.join(others)} at random: {why}")
    if is_cmaes and search.constraints:
        yield document.problem(("search", "constraints"), "cmaes does not learn from constraints")


def _warn_of_startup(search: SearchSpec, total: int, document: Document) -> Problems:
    """Samplers and pruners that would only begin to work after the study's end."""
    first = None
    match search.sampler:
        case TpeSampler(n_startup_trials=count) | GpSampler(n_startup_trials=count):
            is_meant = (
                "n_startup_trials" in search.sampler.model_fields_set
            )  # small studies live well with random draws
            first = f"{count} random trials come first" if is_meant and count >= total else None
        case Nsga2Sampler(population_size=count):
            first = f"the first generation has {count}" if count >= total else None
        case CmaesSampler(n_startup_trials=count, population_size=population):
            first = f"the first generation has {population}" if count + (population or 0) >= total else None
    if first is not None and not search.experiments:
        yield document.problem(
            ("search", "sampler"),
            f"never learns: {total} trials, and {first}",
            allowed="more trials, or a smaller number",
        )
    startup = getattr(_innermost(search.pruner), "n_startup_trials", None)
    if startup is not None and startup >= total:
        yield document.problem(("search", "pruner"), f"never prunes: {startup} trials come first")


def _innermost(pruner: Pruner) -> Pruner:
    return pruner.pruner if isinstance(pruner, PatientPruner) else pruner


def search_environment(spec: StudySpec, base: Path, document: Document) -> Problems:
    """Packages that the sampler or pruner needs and that are not here; a source of a warm start that is not there."""
    search = spec.search
    parts: list[tuple[str, Any]] = [("pruner", _innermost(search.pruner))]
    if not search.experiments:
        parts.append(("sampler", search.sampler))
    for key, part in parts:
        names, remedy = _PACKAGES.get(type(part), ((), ""))
        missing = [name for name in names if not _is_installed(name)]
        if missing:
            yield document.problem(
                ("search", key), f"{part.kind} needs {' and '.join(missing)}, not installed here", allowed=remedy
            )
    if search.warm_start is not None:
        try:
            locate(search.warm_start, base, spec.study)
        except ValueError as error:
            yield document.problem(("search", "warm_start"), str(error), allowed="a study's name, folder or URL")


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
