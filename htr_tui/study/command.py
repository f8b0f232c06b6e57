"""From a study's command to the words of one attempt, and from relative places to absolute ones."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from htr_tui.errors import UsageError
from htr_tui.study.words import MissingValueError, option_words, render_text, render_words

DEFAULT_OVERRIDES: Final = "--set {name}={value:yaml}"
OPTIONS: Final = "options"
"""The `overrides` of a trainer that takes every parameter as an option: `--lr 0.1 --amp --layers 64 32`."""

_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)([^?]*)(\?.*)?")


@dataclass(frozen=True, slots=True)
class CommandContext:
    """What the words in braces stand for in one attempt."""

    study: str
    trial: int
    attempt: int
    attempt_dir: Path
    params_file: Path
    overrides_file: Path
    launch_dir: Path
    """Folder where the study was launched: relative paths of the study file start there."""
    resume_dir: Path | None = None
    """Folder of the attempt to go on from; empty text at a fresh start."""
    config_file: Path | None = None
    """The rendered config file, where the study has one."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """The trial's parameters with those that fixes changed: all values in force."""
    python: str = sys.executable

    def values(self) -> dict[str, Any]:
        """Every word in braces with its value: the parameters in force, then the fixed words, which win."""
        return {
            **self.overrides,
            "study": self.study,
            "trial": self.trial,
            "attempt": self.attempt,
            "attempt_dir": str(self.attempt_dir),
            "params_file": str(self.params_file),
            "overrides_file": str(self.overrides_file),
            "resume_dir": str(self.resume_dir or ""),
            "launch_dir": str(self.launch_dir),
            "python": self.python,
            **({} if self.config_file is None else {"config": str(self.config_file)}),
        }


def render_command(command: tuple[str, ...], context: CommandContext, overrides: str = DEFAULT_OVERRIDES) -> list[str]:
    """The argument vector of an attempt: braces replaced, `{overrides}` in the form that the trainer takes."""
    values, words = context.values(), list[str]()
    for token in command:
        if token == "{overrides}":
            words += override_words(overrides, context.overrides)
        else:
            words += _rendered(token, values, context)
    return words


def override_words(pattern: str, params: Mapping[str, Any]) -> list[str]:
    """Every parameter in the form of `pattern`: its words, with {name} and {value} replaced, or `options`."""
    if pattern == OPTIONS:
        return [word for name, value in params.items() for word in option_words(f"--{name}", value)]
    return [
        word
        for name, value in params.items()
        for part in pattern.split()
        for word in render_words(part, {"name": name, "value": value})
    ]


def _rendered(token: str, values: Mapping[str, Any], context: CommandContext) -> list[str]:
    try:
        return render_words(token, values)
    except MissingValueError as error:
        raise UsageError(
            f"the command uses {{{error.name}}}, which trial {context.trial} does not have",
            hint=f"known here: {', '.join(values)}",
        ) from None


def render_environment(env: Mapping[str, str], context: CommandContext) -> dict[str, str]:
    """The trainer's variables, braces replaced; one that names a parameter which the trial lacks is left out."""
    values, rendered = context.values(), dict[str, str]()
    for name, text in env.items():
        try:
            rendered[name] = render_text(text, values)
        except MissingValueError:
            continue
    return rendered


def find_executable(name: str, base: Path, env: Mapping[str, str] | None = None) -> str | None:
    """Path of the program that `name` means for a trainer started in `base`; None if there is none.

    Programs beside this Python are found too, so that `htr-gan` needs no activated environment.
    """
    if not name or "\0" in name:
        return None
    if "/" in name:
        path = base / name
        return str(path.absolute()) if path.is_file() and os.access(path, os.X_OK) else None
    search = (env or {}).get("PATH") or os.environ.get("PATH")
    return shutil.which(name, path=search) or shutil.which(name, path=str(Path(sys.executable).parent))


def resolve_uri(uri: str, base: Path) -> str:
    """`uri` with a relative sqlite or `file:` path made absolute below `base`; anything else unchanged."""
    if match := _SQLITE.fullmatch(uri):
        scheme, path, query = match[1], match[2], match[3] or ""
        if not path or path.startswith((":memory:", "/", "file:")):
            return uri
        return f"{scheme}{base.absolute() / path}{query}"
    if uri.startswith("file:") and not uri.startswith("file:/"):
        return f"file://{(base / uri.removeprefix('file:')).absolute()}"
    return uri
