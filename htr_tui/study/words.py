"""The words in braces of a command, an environment variable or a template, and what values become in them.

{NAME}            the value as text; a list as [64, 32]
{NAME:FORM}       json, yaml, shell (quoted for that reader), comma (64,32), words (one word an item)
{--OPTION}        the words `--OPTION value` for the parameter of that name; true: the option alone; false or a
                  parameter that the trial lacks: nothing; a list: the option and one word an item
{--OPTION NAME}   the same where the parameter has another name
{--OPTION=NAME}   the same as one word, `--OPTION=value`; a list: one such word an item
{{ and }}         the characters themselves
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import yaml

from htr_tui.study.safe_yaml import read_scalar

FORMS: Final = ("json", "yaml", "shell", "comma", "words")

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_OPTION = re.compile(r"(?P<option>(?P<dashes>-{1,2})(?P<stem>[A-Za-z0-9][^\s=]*))(?:(?P<joint>[ =])(?P<name>\S+))?")
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")
"""Characters that JSON leaves alone and a YAML reader takes for line breaks or refuses."""


class MissingValueError(KeyError):
    """A word in braces that has no value in this trial."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One word in braces."""

    name: str
    form: str | None = None
    option: str | None = None
    """The option that stands before the value, with its dashes."""
    is_joined: bool = False
    """`--option=value` as one word."""

    @property
    def is_words(self) -> bool:
        """May become none or several words, so it must be a word of its own."""
        return self.option is not None or self.form == "words" or self.name == "overrides"

    @property
    def label(self) -> str:
        """What is said of it in messages: `--lr`, `layers:words`, `lr`."""
        if self.option is not None:
            return self.option
        return self.name if self.form is None else f"{self.name}:{self.form}"


Piece = str | Placeholder


def parse(text: str) -> tuple[Piece, ...]:
    """Literal texts and placeholders in their order; ValueError where the braces do not match or mean nothing."""
    return tuple(piece for _, piece in parse_places(text))


def parse_places(text: str) -> Iterator[tuple[int, Piece]]:
    """Like `parse`, with the offset of each piece."""
    end = 0
    for match in _BRACES.finditer(text):
        if match.start() > end:
            yield end, text[end : match.start()]
        if match[0] in ("{", "}"):
            raise BraceError(match.start(), f"a single {match[0]!r}; write {match[0] * 2!r} for the character itself")
        yield match.start(), match[0][0] if match[1] is None else _placeholder(match[1], match.start())
        end = match.end()
    if end < len(text):
        yield end, text[end:]


class BraceError(ValueError):
    """Braces that do not match or mean nothing, and where."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


def _placeholder(inner: str, offset: int) -> Placeholder:
    if inner.startswith("-"):
        match = _OPTION.fullmatch(inner)
        if match is None:
            raise BraceError(
                offset, f"{{{inner}}} is no option; write {{--name}}, {{--name parameter}} or {{--name=parameter}}"
            )
        return Placeholder(match["name"] or match["stem"], option=match["option"], is_joined=match["joint"] == "=")
    name, colon, form = inner.partition(":")
    if colon and form not in FORMS:
        raise BraceError(offset, f"{{{inner}}}: unknown form {form!r}; there are {', '.join(FORMS)}")
    return Placeholder(name, form=form if colon else None)


def placeholders(text: str) -> list[Placeholder]:
    """The placeholders of a text; ValueError where the braces do not match."""
    return [piece for piece in parse(text) if isinstance(piece, Placeholder)]


def scalar_text(value: Any) -> str:
    """A value as a word for a trainer: true, 0.5, 1.0e-05 (a number in YAML 1.1, YAML 1.2, JSON and Python), [1, "a"]."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = repr(value)
        if -1e-4 < value < -1e-30:
            text = format(Decimal(text), "f")  # argparse takes -4.2e-05 for an option
        mantissa, mark, exponent = text.partition("e")
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent}" if mark else mantissa
    if isinstance(value, list | tuple):
        return f"[{', '.join(json_text(item) for item in value)}]"
    return str(value)


def json_text(value: Any) -> str:
    """Like `scalar_text`, but text is always quoted: JSON, which is YAML too."""
    return quoted(value) if isinstance(value, str) else scalar_text(value)


def quoted(text: str) -> str:
    """A text in double quotes, the same for JSON and for YAML."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def override_text(value: Any) -> str:
    """Like `scalar_text`, but a text that a YAML reader would take for something else is quoted."""
    text = scalar_text(value)
    return quoted(value) if isinstance(value, str) and not _is_plain(text) else text


def _is_plain(text: str) -> bool:
    if not isinstance(read_scalar(text), str):
        return False
    try:
        return bool(yaml.safe_load(text) == text)
    except (yaml.YAMLError, ValueError):
        return False


def item_words(value: Any) -> list[str]:
    """One word for each item of a list; one word for anything else."""
    return [scalar_text(item) for item in value] if isinstance(value, list | tuple) else [scalar_text(value)]


def value_text(value: Any, form: str | None) -> str:
    """A value in one of `FORMS`; plain text without one."""
    match form:
        case "json":
            return json_text(value)
        case "yaml":
            return override_text(value)
        case "shell":
            return shlex.join(item_words(value))
        case "comma":
            return ",".join(item_words(value))
    return scalar_text(value)


def render_text(text: str, values: Mapping[str, Any]) -> str:
    """`text` with its placeholders replaced; MissingValueError for one without a value."""
    return "".join(
        piece if isinstance(piece, str) else value_text(_value(piece.name, values), piece.form) for piece in parse(text)
    )


def render_words(token: str, values: Mapping[str, Any]) -> list[str]:
    """The words that one word of a command becomes: mostly one, none or several for an option or `:words`."""
    pieces = parse(token)
    only = pieces[0] if len(pieces) == 1 else None
    if not isinstance(only, Placeholder) or not only.is_words:
        return [render_text(token, values)]
    if only.option is None:
        return item_words(values[only.name]) if only.name in values else []
    return option_words(only.option, values.get(only.name), joined=only.is_joined)


def option_words(option: str, value: Any, *, joined: bool = False) -> list[str]:
    """A value as an option's words: true is the option alone; false, nothing and an empty list are no words."""
    if value is None or value is False or (isinstance(value, list | tuple) and not value):
        return []
    if value is True:
        return [option]
    if joined:
        return [f"{option}={word}" for word in item_words(value)]
    return [option, *item_words(value)]


def _value(name: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        raise MissingValueError(name)
    return values[name]
