"""The trainer section against the files of this machine: its program, its config template, the files it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from htr_tui.errors import ConfigProblem
from htr_tui.study.command import DEFAULT_OVERRIDES, find_executable
from htr_tui.study.forms import nearest
from htr_tui.study.rendering import EVERYTHING, reaches, unreached
from htr_tui.study.safe_yaml import Document
from htr_tui.study.safe_yaml import Path as Place
from htr_tui.study.search_spec import SearchSpec
from htr_tui.study.template_trees import TemplateError, read_tree
from htr_tui.study.trainer_checks import LITERAL, lacking_in
from htr_tui.study.trainer_spec import ConfigFile, TrainerSpec
from htr_tui.study.words import BraceError, parse_places, placeholders

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
                yield problem(offset, f"{{{piece.label}}} is words of a command", "{name:shell} or {name:json}")
            elif piece.name not in known:
                allowed = f"{', '.join(known)}; {{{{ and }}}} for the characters"
                yield problem(offset, f"unknown placeholder {{{piece.name}}}", allowed, nearest(piece.name, known))
            elif lacking := lacking_in(piece.name, search):
                yield problem(offset, f"{{{piece.name}}} has no value {lacking}", "a parameter of every trial")
    except BraceError as error:
        yield problem(error.offset, str(error), LITERAL)


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
