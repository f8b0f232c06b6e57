"""What the models refuse, said for people: place in the file, what was found, what is allowed, the nearest key."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from htr_tui.errors import ConfigProblem
from htr_tui.study.forms import nearest, shown
from htr_tui.study.parameters import Section
from htr_tui.study.safe_yaml import Document, Path
from htr_tui.study.spec import SECTIONS, section_keys

_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "tuple_type": "a list",
    "list_type": "a list",
}
_PATTERNS = {
    "study": "letters, digits, dot, dash and underscore, beginning with a letter or digit, at most 100",
    "env": "letters, digits and underscore",
    "space": "letters, digits and . _ - /, beginning with a letter",
    "params": "letters, digits and . _ - /, beginning with a letter",
    "when": "letters, digits and . _ - /, beginning with a letter",
    "repeats": "letters, digits and . _ - /, beginning with a letter",
    "knobs": "a knob in lower case and a parameter's name, as batch: train.batch",
}


def describe(error: ValidationError, document: Document, prefix: Path = ()) -> list[ConfigProblem]:
    """Every mistake of a refused document, in the order of the file, one for each place."""
    found: dict[Path, tuple[bool, ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        path, of_key = source_path((*prefix, *details["loc"], *_inner_path(details)), document.value)
        if details["type"] == "missing":
            path = (*path, str(details["loc"][-1]))
        found.setdefault(path, (of_key, details))
    problems = [
        _problem(path, of_key, details, document)
        for path, (of_key, details) in found.items()
        if not (details["type"] == "too_short" and _has_deeper(path, found, document))
    ]
    return sorted(problems, key=lambda p: (p.line or 0, p.column or 0))


def _has_deeper(path: Path, found: dict[Path, Any], document: Document) -> bool:
    """True where a list seems empty only because its items are wrong themselves."""
    return bool(_value_at(path, document.value)) and any(p != path and p[: len(path)] == path for p in found)


def _inner_path(details: ErrorDetails) -> Path:
    return tuple(details.get("ctx", {}).get("path", ())) if details["type"] == "form" else ()


def source_path(loc: Path, value: Any) -> tuple[Path, bool]:
    """Where a pydantic location is in the file, and whether the key is meant.

    Parts that are in no file (tags of unions, the index of an objective that stands alone) are left out.
    """
    path: Path = ()
    for part in loc:
        if part == "[key]":
            return path, True
        if _has(value, part):
            path, value = (*path, part), value[part]
    return path, False


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)


def _value_at(path: Path, value: Any) -> Any:
    for part in path:
        if not _has(value, part):
            return None
        value = value[part]
    return value


def _problem(path: Path, of_key: bool, details: ErrorDetails, document: Document) -> ConfigProblem:
    kind, context = details["type"], details.get("ctx", {})
    value = _value_at(path, document.value)
    if kind == "form":
        return document.problem(
            path, context["text"], allowed=context["allowed"], suggestion=context["suggestion"], of_key=True
        )
    if kind == "missing":
        return document.problem(path, "is missing", allowed=_meaning(path) or _meaning(details["loc"]))
    if kind == "extra_forbidden":
        return _unknown_key(path, details, document)
    if kind == "string_pattern_mismatch":
        name = next((str(p) for p in reversed(path[:-1] or path) if p in _PATTERNS), "")
        found = shown(path[-1]) if of_key else shown(value)
        return document.problem(
            path, f"found {found}", allowed=_PATTERNS.get(name, "printable characters"), of_key=of_key
        )
    if kind in _KINDS:
        quote = " (put it in quotes)" if kind == "string_type" and isinstance(value, bool | int | float) else ""
        return document.problem(
            path,
            f"found {shown(value)}",
            allowed=_KINDS[kind] + quote,
            suggestion=_fix(value) if kind == "bool_type" else "",
        )
    return document.problem(path, f"found {shown(value)}", allowed=_bounds(details), of_key=of_key)


def _fix(value: Any) -> str:
    """The value that YAML 1.1 habits meant."""
    if isinstance(value, str):
        return {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(value.lower(), "")
    return ""


def _bounds(details: ErrorDetails) -> str:
    """Limits of a number or list, in words."""
    context = details.get("ctx", {})
    match details["type"]:
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case "greater_than":
            return f"more than {context['gt']}"
        case "less_than_equal":
            return f"{context['le']} or less"
        case "less_than":
            return f"less than {context['lt']}"
        case "literal_error":
            return str(context["expected"]).replace("'", "")
        case "too_short" | "string_too_short":
            return f"at least {context['min_length']}"
        case "too_long" | "string_too_long":
            return f"at most {context['max_length']}"
    return details["msg"]


def _unknown_key(path: Path, details: ErrorDetails, document: Document) -> ConfigProblem:
    model = _section(details["loc"][:-1])
    keys = section_keys(model) if model else ()
    return document.problem(
        path, f"unknown key {path[-1]!r}", allowed=", ".join(keys), suggestion=nearest(str(path[-1]), keys), of_key=True
    )


def _section(loc: Path) -> type[Section] | None:
    """The model at a pydantic location: numbers and names of parameters do not count."""
    words = [str(part) for part in loc if not isinstance(part, int)]
    if words[:2] == ["search", "space"]:
        words = [*words[:2], *words[3:]]
    return SECTIONS.get(".".join(words))


def _meaning(path: Path) -> str:
    """The documented meaning of a key that is missing."""
    model = _section(path[:-1])
    for name, field in model.model_fields.items() if model else ():
        if path[-1] in (name, field.alias):
            return (field.description or "").replace("\n", " ")
    return ""
