"""Words in braces of the trainer section against the parameters of the search."""

from __future__ import annotations

from collections.abc import Iterator

from htr_tui.errors import ConfigProblem
from htr_tui.study.command import OPTIONS
from htr_tui.study.forms import nearest, shown
from htr_tui.study.metrics_checks import metrics_path
from htr_tui.study.safe_yaml import Document
from htr_tui.study.safe_yaml import Path as Place
from htr_tui.study.search_spec import SearchSpec
from htr_tui.study.trainer_spec import TrainerSpec
from htr_tui.study.words import Placeholder, placeholders

LITERAL = "{name}, or {{ and }} for the characters"


def check_trainer(trainer: TrainerSpec, search: SearchSpec | None, document: Document) -> Iterator[ConfigProblem]:
    """Words in braces must be known, and whole where they stand for many."""
    for index, token in enumerate(trainer.command):
        path: Place = ("trainer", "command", index)
        if not token:
            yield document.problem(path, "an empty word", allowed="text")
        yield from _check_words(token, path, trainer, search, document, is_word=True)
    for name, text in trainer.env.items():
        yield from _check_words(text, ("trainer", "env", name), trainer, search, document, is_optional=True)
    if trainer.cwd is not None:
        yield from _check_words(trainer.cwd, ("trainer", "cwd"), trainer, search, document)
    if (found := metrics_path(trainer, document)) is not None:
        yield from _check_words(*found, trainer, search, document)
    yield from _check_overrides(trainer, document)
    if trainer.config is not None and search is not None and "config" in search.parameters:
        yield document.problem(
            ("trainer", "config"),
            "'config' is the name of a parameter, too",
            allowed="another name for the parameter: {config} is the rendered file",
            of_key=True,
        )


def _check_words(
    text: str,
    path: Place,
    trainer: TrainerSpec,
    search: SearchSpec | None,
    document: Document,
    *,
    is_word: bool = False,
    is_optional: bool = False,
) -> Iterator[ConfigProblem]:
    """`is_word`: one of the command's; `is_optional`: left out by itself where a trial lacks the parameter."""
    try:
        found = placeholders(text)
    except ValueError as error:
        yield document.problem(path, f"{shown(text)}: {error}", allowed=LITERAL)
        return
    for placeholder in found:
        if placeholder.is_words and not (is_word and text == _written(placeholder, text)):
            what = "is several words"
            where = "a word of its own" if is_word else "{name}: a single value; lists as {name:comma} or {name:json}"
            yield document.problem(path, f"{shown(text)}: {{{placeholder.label}}} {what}", allowed=where)
        elif search is not None:
            is_needed = not placeholder.is_words and not is_optional
            yield from _check_name(placeholder.name, path, trainer, search, document, is_needed=is_needed)


def _written(placeholder: Placeholder, text: str) -> str:
    """`text`, if the placeholder is all of it."""
    return text if text.startswith("{" + placeholder.label) and text.count("{") == 1 and text.endswith("}") else ""


def _check_name(
    name: str, path: Place, trainer: TrainerSpec, search: SearchSpec, document: Document, *, is_needed: bool
) -> Iterator[ConfigProblem]:
    fixed, parameters = trainer.placeholders, search.parameters
    if name in fixed:
        return
    if name not in parameters:
        known = (*fixed, *parameters)
        yield document.problem(
            path,
            f"unknown placeholder {{{name}}}",
            allowed=", ".join(known) + "; {{ and }} for the characters",
            suggestion=nearest(name, known),
        )
    elif is_needed and (lacking := lacking_in(name, search)):
        yield document.problem(
            path, f"{{{name}}} has no value {lacking}",
            allowed=f"a parameter of every trial, or {{--{name}}}, which is nothing without a value",
        )  # fmt: skip


def lacking_in(name: str, search: SearchSpec) -> str:
    """In which trials a parameter has no value; an empty text if in none."""
    missing = [i.name for i in search.experiments if name not in i.params and name not in search.repeats_of(i)]
    if missing:
        return f"in experiment {missing[0]!r}"
    parameter = search.space.get(name)
    return "in trials that its `when` leaves out" if parameter is not None and parameter.when else ""


def _check_overrides(trainer: TrainerSpec, document: Document) -> Iterator[ConfigProblem]:
    """The form of overrides has words with {name} and {value}."""
    pattern, path = trainer.overrides, ("trainer", "overrides")
    if pattern == OPTIONS:
        return
    allowed = "options, or words with {name} and {value}, as --{name}={value} or {name}={value:yaml}"
    try:
        found = [p for word in pattern.split() for p in placeholders(word)]
    except ValueError as error:
        yield document.problem(path, f"{shown(pattern)}: {error}", allowed=allowed)
        return
    uses = {(p.name, p.option, p.form if p.name == "name" else None) for p in found}
    if uses != {("name", None, None), ("value", None, None)}:
        yield document.problem(
            path, f"found {shown(pattern)}", allowed=allowed, suggestion=nearest(pattern, (OPTIONS,))
        )
        return
    for word in pattern.split():
        if "{value:words}" in word and word != "{value:words}":
            yield document.problem(
                path, f"{shown(word)}: {{value:words}} is several words", allowed="a word of its own"
            )
