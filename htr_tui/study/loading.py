"""From a study file to its model, or to all of its mistakes at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from htr_tui.errors import ConfigError, ConfigProblem
from htr_tui.study import checks, trainer_checks
from htr_tui.study.forms import shown
from htr_tui.study.objective_spec import Objectives
from htr_tui.study.problems import describe
from htr_tui.study.safe_yaml import MAX_BYTES, Document, read_yaml
from htr_tui.study.search_checks import check_search
from htr_tui.study.search_spec import SearchSpec
from htr_tui.study.spec import StudySpec
from htr_tui.study.trainer_spec import TrainerSpec

check_environment = checks.check_environment

_SECTIONS: dict[str, TypeAdapter[Any]] = {
    "trainer": TypeAdapter(TrainerSpec),
    "search": TypeAdapter(SearchSpec),
    "objective": TypeAdapter(Objectives),
}
"""What the checks between sections need, each validated for itself when the file as a whole is wrong."""


@dataclass(frozen=True, slots=True)
class LoadedStudy:
    """A study file that is right in itself, with what is needed to speak about its text."""

    spec: StudySpec
    text: str
    document: Document
    warnings: list[ConfigProblem]

    @property
    def sha256(self) -> str:
        """Fingerprint of the text, to notice a file that was changed since its launch."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()


def load_study(path: Path) -> StudySpec:
    """The study in a file; ConfigError with all of its mistakes."""
    return read_study(path).spec


def load_study_text(text: str, file: str) -> StudySpec:
    """The study in a text that is called `file` in messages; ConfigError with all of its mistakes."""
    return read_study_text(text, file).spec


def read_study(path: Path) -> LoadedStudy:
    """Like `load_study`, with text, warnings and places."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([ConfigProblem(str(path), None, None, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([ConfigProblem(str(path), line, None, "", "is not UTF-8 text", "text in UTF-8")]) from None
    return read_study_text(text, str(path))


def read_study_text(text: str, file: str) -> LoadedStudy:
    """Like `load_study_text`, with text, warnings and places."""
    document = read_yaml(text, file)
    if not isinstance(document.value, dict):
        what = "the file is empty" if document.value is None else f"found {shown(document.value)}"
        raise ConfigError([document.problem((), what, allowed="a mapping: study, trainer, search, objective, ...")])
    problems = list(document.problems)
    spec: StudySpec | None = None
    try:
        spec = StudySpec.model_validate(document.value)
    except ValidationError as error:
        problems += describe(error, document)
    problems += _cross_checks(document, spec)
    if problems or spec is None:
        raise ConfigError(sorted(problems, key=lambda p: (p.line or 0, p.column or 0)))
    return LoadedStudy(spec, text, document, list(checks.warnings(spec, document)))


def _cross_checks(document: Document, spec: StudySpec | None) -> Iterator[ConfigProblem]:
    """Checks between sections, as far as the sections are right in themselves."""
    trainer, search, objective = (_section(name, document.value) for name in _SECTIONS)
    if trainer is not None:
        yield from trainer_checks.check_trainer(trainer, search, document)
    if search is not None:
        yield from check_search(search, document)
    if objective is not None:
        yield from checks.check_objective(objective, trainer, search, document)
    if spec is not None:
        yield from checks.check_places(spec, document)


def _section(name: str, raw: dict[str, Any]) -> Any:
    try:
        return _SECTIONS[name].validate_python(raw.get(name))
    except ValidationError:
        return None
