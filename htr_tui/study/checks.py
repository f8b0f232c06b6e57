"""What no single key can know: placeholders against parameters, the objective against metrics, the machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from htr_tui.errors import ConfigProblem
from htr_tui.study.command import resolve_uri
from htr_tui.study.forms import nearest, shown
from htr_tui.study.grid import trial_count
from htr_tui.study.metrics_checks import check_metrics, metrics_warnings
from htr_tui.study.objective_spec import Objective
from htr_tui.study.parameters import CategoricalParameter, FixedParameter
from htr_tui.study.resources_checks import resources_warnings
from htr_tui.study.safe_yaml import Document, read_scalar
from htr_tui.study.search_checks import check_goal, search_environment, search_warnings
from htr_tui.study.search_spec import SearchSpec
from htr_tui.study.spec import StudySpec
from htr_tui.study.trainer_files import check_trainer_files, trainer_warnings
from htr_tui.study.trainer_spec import TrainerSpec

KNOBS = ("batch", "accumulation", "use_cudnn", "learning_rate", "workers")
"""Knobs that the rules shipped with triage turn."""

_STORAGE = re.compile(r"(sqlite|postgresql|mysql)(\+\w+)?://.*")


def check_objective(
    objectives: tuple[Objective, ...], trainer: TrainerSpec | None, search: SearchSpec | None, document: Document
) -> Iterator[ConfigProblem]:
    """Metric names must be reported; what several objectives do not go with."""
    is_list = isinstance(document.value, dict) and isinstance(document.value.get("objective"), list)
    reports = trainer.reports if trainer else None
    for index, item in enumerate(objectives):
        path = ("objective", *((index,) if is_list else ()), item.direction)
        if not item.expression.names:
            yield document.problem(path, f"{item.text!r} names no metric", allowed="an expression over metric names")
        for name in item.expression.names if reports is not None else ():
            if name not in (reports or ()):
                yield document.problem(
                    path,
                    f"the trainer reports no metric {name!r}",
                    allowed=", ".join(reports or ()),
                    suggestion=nearest(name, reports or ()),
                )
    if search is not None:
        yield from check_goal(search, len(objectives), reports, document)


def _check_abort(spec: StudySpec, document: Document) -> Iterator[ConfigProblem]:
    """A rule over a metric that is never reported would never strike."""
    reports = spec.trainer.reports
    is_list = isinstance(document.value, dict) and isinstance(document.value.get("abort"), list)
    for index, rule in enumerate(spec.abort if reports is not None else ()):
        for name in rule.condition.names:
            if name not in (reports or ()):
                yield document.problem(
                    ("abort", *((index,) if is_list else ())),
                    f"the trainer reports no metric {name!r}",
                    allowed=", ".join(reports or ()),
                    suggestion=nearest(name, reports or ()),
                )


def check_places(spec: StudySpec, document: Document) -> Iterator[ConfigProblem]:
    """The storage must be a database that outlives the process; a study must end."""
    yield from _check_abort(spec, document)
    if not _STORAGE.fullmatch(spec.storage):
        yield document.problem(
            ("storage",),
            f"found {shown(spec.storage)}",
            allowed="sqlite:///path, postgresql+psycopg://..., mysql+pymysql://...",
        )
    elif re.fullmatch(r"sqlite(\+\w+)?://(/?(:memory:)?(\?.*)?)?", spec.storage):
        yield document.problem(("storage",), "a database in memory dies with the process", allowed="sqlite:///path")
    if spec.tracking is not None and not re.fullmatch(r"[a-z][a-z0-9+.-]*:.*|databricks", spec.tracking.uri):
        yield document.problem(
            ("tracking", "uri"),
            f"found {shown(spec.tracking.uri)}",
            allowed="sqlite:///path, postgresql://..., http(s)://server, file:folder",
        )
    if spec.budget.trials is None and spec.budget.hours is None and trial_count(spec.search) is None:
        yield document.problem(("budget",), "the study would never end", allowed="budget: {trials: 50} or {hours: 48}")
    yield from check_metrics(spec, document)


def warnings(spec: StudySpec, document: Document) -> Iterator[ConfigProblem]:
    """What may be meant but is probably not."""
    yield from search_warnings(spec, document)
    yield from metrics_warnings(spec, document)
    yield from resources_warnings(spec, document)
    for name in spec.trainer.knobs:
        if name not in KNOBS and (guess := nearest(name, KNOBS)):
            yield document.problem(
                ("trainer", "knobs", name), f"no shipped rule turns {name!r}", allowed=", ".join(KNOBS),
                suggestion=guess, of_key=True,
            )  # fmt: skip
    for name, parameter in spec.search.space.items():
        values = _texts(parameter)
        for text, meant in ((v, _meant(v)) for v in values):
            if meant:
                yield document.problem(
                    ("search", "space", name), f"{text!r} is read as text", suggestion=f"{meant}, or quotes"
                )


def _texts(parameter: object) -> list[str]:
    if isinstance(parameter, CategoricalParameter):
        return [v for v in parameter.choices if isinstance(v, str)]
    if isinstance(parameter, FixedParameter) and isinstance(parameter.value, str):
        return [parameter.value]
    return []


def _meant(text: str) -> str:
    """What a text that looks like another value was probably meant to be."""
    word = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(text.lower(), "")
    if not word and re.fullmatch(r"[-+]?0+[0-9]+(\.[0-9]*)?", text):
        word = str(read_scalar(text.lstrip("+-0") or "0"))
    return word


def check_environment(spec: StudySpec, base: Path, document: Document | None = None) -> list[ConfigProblem]:
    """What this machine lacks for the study, launched in the folder `base`: errors, found without starting anything."""
    document = document or Document("study.yaml")
    problems = list(check_trainer_files(spec.trainer, spec.search, base, document))
    for key, uri in (("storage", spec.storage), ("tracking", spec.tracking.uri if spec.tracking else "")):
        if trouble := _unwritable(resolve_uri(uri, base)):
            problems.append(document.problem((key,), trouble, allowed="a folder that can be written"))
    problems += search_environment(spec, base, document)
    return problems


def _unwritable(uri: str) -> str:
    """Why a local database cannot be made or written; an empty text if it can."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    if match is None or match[1].startswith((":memory:", "file:")):
        return ""
    path = Path(match[1])
    if path.is_dir():
        return f"{path} is a folder"
    folder = next((p for p in path.parents if p.exists()), path)
    if not folder.is_dir():
        return f"{folder} is no folder"
    blocked = next((p for p in (path, folder) if p.exists() and not os.access(p, os.W_OK)), None)
    return f"{blocked} cannot be written" if blocked else ""


def environment_warnings(spec: StudySpec, base: Path, document: Document | None = None) -> list[ConfigProblem]:
    """Files that the command names and that are not there, parameters that the trainer never gets."""
    return list(trainer_warnings(spec.trainer, spec.search, base, document or Document("study.yaml")))
