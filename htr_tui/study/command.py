"""From a study's command to the words of one attempt, and from relative places to absolute ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from htr_tui.errors import UsageError
from htr_tui.study.safe_yaml import read_scalar

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
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
    resume_dir: Path | None = None
    """Folder of the attempt to go on from; empty text at a fresh start."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """The trial's parameters with those that fixes changed: all values in force."""
    python: str = sys.executable


def scalar_text(value: Any) -> str:
    """A value as a word for a trainer: true, 0.5, 1.0e-05 (a number in YAML 1.1, YAML 1.2, JSON and Python), text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        mantissa, mark, exponent = repr(value).partition("e")
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent}" if mark else mantissa
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def override_text(value: Any) -> str:
    """Like `scalar_text`, but a text that a YAML reader would take for something else is quoted."""
    text = scalar_text(value)
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) and not _is_plain(text) else text


def _is_plain(text: str) -> bool:
    if not isinstance(read_scalar(text), str):
        return False
    try:
        return bool(yaml.safe_load(text) == text)
    except (yaml.YAMLError, ValueError):
        return False


def placeholders(token: str) -> list[str]:
    """The words in braces of one word of a command; ValueError where the braces do not match."""
    names = []
    for match in _BRACES.finditer(token):
        if match[0] in ("{", "}"):
            raise ValueError(f"a single {match[0]!r}; write {match[0] * 2!r} for the character itself")
        if match[1] is not None:
            names.append(match[1])
    return names


def render_command(command: tuple[str, ...], context: CommandContext) -> list[str]:
    """The argument vector of an attempt: braces replaced, `{overrides}` as `--set key=value` pairs."""
    words: list[str] = []
    for token in command:
        if token == "{overrides}":
            for key, value in context.overrides.items():
                words += ["--set", f"{key}={override_text(value)}"]
        else:
            words.append(_render(token, context))
    return words


def _render(token: str, context: CommandContext) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        return _word(match[1], context)

    placeholders(token)
    return _BRACES.sub(replace, token)


def _word(name: str, context: CommandContext) -> str:
    known: dict[str, Any] = {
        "study": context.study,
        "trial": context.trial,
        "attempt": context.attempt,
        "attempt_dir": context.attempt_dir,
        "params_file": context.params_file,
        "overrides_file": context.overrides_file,
        "resume_dir": context.resume_dir or "",
        "python": context.python,
    }
    if name in known:
        return str(known[name])
    if name in context.overrides:
        return scalar_text(context.overrides[name])
    raise UsageError(
        f"the command uses {{{name}}}, which trial {context.trial} does not have",
        hint=f"known here: {', '.join([*known, *context.overrides])}",
    )


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
