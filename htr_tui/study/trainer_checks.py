"""What no single key of the trainer section can know: placeholders against parameters, files against this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from htr_tui.errors import ConfigProblem
from htr_tui.study.command import DEFAULT_OVERRIDES, OPTIONS, find_executable
from htr_tui.study.forms import nearest, shown
from htr_tui.study.metrics_checks import metrics_path
from htr_tui.study.rendering import EVERYTHING, reaches, unreached
from htr_tui.study.safe_yaml import Document
from htr_tui.study.safe_yaml import Path as Place
from htr_tui.study.search_spec import SearchSpec
from htr_tui.study.template_trees import TemplateError, read_tree
from htr_tui.study.trainer_spec import ConfigFile, TrainerSpec
from htr_tui.study.words import BraceError, Placeholder, parse_places, placeholders

MAX_TEMPLATE: Final = 1 << 20
"""Bytes; a longer template is a mistake (a data file given by accident)."""

SCRIPTS: Final = (
    ".py",
    ".sh",
    ".yaml",
    ".yml",
    ".json",
    ".toml",
    ".ini",
    ".cfg",
    ".conf",
    ".jl",
    ".r",
    ".R",
    ".m",
    ".lua",
)
"""A word of the command that ends like this names a file."""

_LITERAL = "{name}, or {{ and }} for the characters"


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
        yield document.problem(path, f"{shown(text)}: {error}", allowed=_LITERAL)
        return
    for placeholder in found:
        if placeholder.is_words and not (is_word and text == _written(placeholder, text)):
            what = "is several words"
            where = "a word of its own" if is_word else "{name}: a single value; lists as {name:comma} or {name:json}"
            yield document.problem(path, f"{shown(text)}: {{{_inner(placeholder)}}} {what}", allowed=where)
        elif search is not None:
            is_needed = not placeholder.is_words and not is_optional
            yield from _check_name(placeholder.name, path, trainer, search, document, is_needed=is_needed)


def _inner(placeholder: Placeholder) -> str:
    if placeholder.option is not None:
        return placeholder.option
    return placeholder.name if placeholder.form is None else f"{placeholder.name}:{placeholder.form}"


def _written(placeholder: Placeholder, text: str) -> str:
    """`text`, if the placeholder is all of it."""
    return text if text.startswith("{" + _inner(placeholder)) and text.count("{") == 1 and text.endswith("}") else ""


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
    elif is_needed and (lacking := _lacking(name, search)):
        yield document.problem(
            path, f"{{{name}}} has no value {lacking}",
            allowed=f"a parameter of every trial, or {{--{name}}}, which is nothing without a value",
        )  # fmt: skip


def _lacking(name: str, search: SearchSpec) -> str:
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


# -- with the files of this machine ----------------------------------------------------------------------------------


def check_trainer_files(
    trainer: TrainerSpec, search: SearchSpec, base: Path, document: Document
) -> Iterator[ConfigProblem]:
    """The program must be there, and the template must be what its form says and have the study's parameters."""
    name = trainer.command[0]
    path = name.replace("{launch_dir}", str(base))
    if "{" not in path and find_executable(path, base, trainer.env) is None:
        yield document.problem(
            ("trainer", "command", 0),
            f"there is no program {name!r}",
            allowed=f"a program on PATH, beside this Python, or a path from {base}",
        )
    if trainer.config is not None:
        yield from _check_template(trainer, trainer.config, search, base, document)


def read_template(config: ConfigFile, base: Path) -> str:
    """The text of the template; TemplateError if it cannot be read."""
    try:
        with open(base / config.template, "rb") as file:
            data = file.read(MAX_TEMPLATE + 1)
    except OSError as error:
        raise TemplateError(f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_TEMPLATE:
        raise TemplateError(f"larger than {MAX_TEMPLATE >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TemplateError("is not UTF-8 text", data.count(b"\n", 0, error.start) + 1) from None


def _check_template(
    trainer: TrainerSpec, config: ConfigFile, search: SearchSpec, base: Path, document: Document
) -> Iterator[ConfigProblem]:
    place: Place = ("trainer", "config", "template")
    try:
        text = read_template(config, base)
        if config.kind == "text":
            yield from _check_text(text, trainer, search, base / config.template)
            return
        tree = read_tree(config.kind, text)
    except TemplateError as error:
        if error.line is None:
            yield document.problem(place, f"{config.template}: {error}", allowed=f"a file, seen from {base}")
        else:
            yield ConfigProblem(str(base / config.template), error.line, None, "", str(error), config.kind)
        return
    for name in search.parameters:
        found = tree.find(name)
        at: Place = ("search", "space", name) if name in search.space else ("search", "experiments")
        if found == "section":
            if not reaches(trainer, name):
                yield document.problem(
                    at, f"{name!r} is a section of {config.template}", allowed="the name of a value", of_key=True
                )
        elif found is None and not config.add_keys and not reaches(trainer, name):
            known = tree.names()
            yield document.problem(
                at,
                f"{config.template} has no key {name!r}, and the command does not name it either",
                allowed=f"{_some(known)}; or trainer.config.add_keys: true",
                suggestion=nearest(name, known),
                of_key=True,
            )


def _check_text(text: str, trainer: TrainerSpec, search: SearchSpec, file: Path) -> Iterator[ConfigProblem]:
    """Every word in braces of a text template, with its line."""

    def problem(offset: int, message: str, allowed: str, suggestion: str = "") -> ConfigProblem:
        line = text.count("\n", 0, offset) + 1
        return ConfigProblem(str(file), line, offset - text.rfind("\n", 0, offset), "", message, allowed, suggestion)

    known = tuple(n for n in trainer.placeholders if n not in ("overrides", "config")) + search.parameters
    try:
        for offset, piece in parse_places(text):
            if isinstance(piece, str):
                continue
            if piece.is_words:
                yield problem(offset, f"{{{_inner(piece)}}} is words of a command", "{name:shell} or {name:json}")
            elif piece.name not in known:
                allowed = f"{', '.join(known)}; {{{{ and }}}} for the characters"
                yield problem(offset, f"unknown placeholder {{{piece.name}}}", allowed, nearest(piece.name, known))
            elif lacking := _lacking(piece.name, search):
                yield problem(offset, f"{{{piece.name}}} has no value {lacking}", "a parameter of every trial")
    except BraceError as error:
        yield problem(error.offset, str(error), _LITERAL)


def trainer_warnings(
    trainer: TrainerSpec, search: SearchSpec, base: Path, document: Document
) -> Iterator[ConfigProblem]:
    """Files that the command names and that are not there; parameters that never reach the trainer."""
    for index, token in enumerate(trainer.command):
        path = _file_of(token)
        if path is None:
            continue
        where: Place = ("trainer", "command", index)
        if not (base / path).exists():
            yield document.problem(where, f"there is no file {path!r} in {base}")
        elif trainer.cwd is not None and "{launch_dir}" not in token and not Path(path).is_absolute():
            yield document.problem(
                where, f"{token!r} is looked for in the folder where the trainer starts, {trainer.cwd}",
                suggestion=token.replace(path, f"{{launch_dir}}/{path}"),
            )  # fmt: skip
    if trainer.config is not None:
        used = {p.name for text in (*trainer.command, *trainer.env.values()) for p in placeholders(text)}
        if "config" not in used and "attempt_dir" not in used and trainer.cwd is None:
            yield document.problem(
                ("trainer", "config"), "neither command nor env has {config}: the trainer will not find the file",
                of_key=True,
            )  # fmt: skip
    if trainer.overrides != DEFAULT_OVERRIDES and "{overrides}" not in trainer.command:
        yield document.problem(
            ("trainer", "overrides"), "the command has no {overrides}: this changes nothing", of_key=True
        )
    try:
        template = read_template(trainer.config, base) if trainer.config is not None else None
        names = unreached(trainer, search.parameters, template)
    except ValueError:
        return  # the template is an error of its own
    for name in names:
        at: Place = ("search", "space", name) if name in search.space else ("search", "experiments")
        words = f"{{{name}}}, {{--{name}}} or {{{EVERYTHING[0]}}} in its command, env or config template"
        yield document.problem(at, f"{name!r} does not reach the trainer", allowed=words, of_key=True)


def named_files(trainer: TrainerSpec, base: Path) -> dict[str, Path]:
    """The files that the command names, by what is written there. (A file that a variable names may be a secret.)"""
    words = [path for text in trainer.command if (path := _file_of(text)) is not None]
    return {path: base / path for path in words if (base / path).is_file()}


def _file_of(token: str) -> str | None:
    """The path that a word of the command names: `x.py`, `{launch_dir}/x.py`, `--config=x.yaml`."""
    path = token.removeprefix("{launch_dir}/")
    if path.startswith("-"):
        path = path.partition("=")[2].removeprefix("{launch_dir}/")
    return path if path.endswith(SCRIPTS) and not any(c in path for c in "{}=\n") else None


def _some(names: Iterable[str], count: int = 20) -> str:
    listed = list(names)
    return ", ".join(listed[:count]) + (", ..." if len(listed) > count else "")
