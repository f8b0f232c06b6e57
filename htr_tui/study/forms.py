"""Short and long forms of the study file brought to one form before the models see them.

`sampler: tpe` and `sampler: {tpe: {seed: 42}}` are the same; so are `lr: 0.1` and `lr: {fixed: 0.1}`. A form that is
none of the known ones is a `FormError`, with the place below the value, the allowed forms and the nearest one.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticCustomError


def form_error(message: str, *, allowed: str = "", suggestion: str = "", path: tuple[str | int, ...] = ()) -> Exception:
    """A mistake for pydantic to collect; `path` leads from the checked value to the wrong part of it."""
    context = {"text": message, "allowed": allowed, "suggestion": suggestion, "path": path}
    return PydanticCustomError("form", "{text}", context)


def nearest(word: str, words: Iterable[str]) -> str:
    """The known word that was probably meant, or an empty text."""
    known = list(words)
    matches = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return matches[0] if matches else ""


def shown(value: Any) -> str:
    """A found value for a message: its kind and a bounded text of it."""
    kind = {bool: "", int: "the number ", float: "the number ", str: "the text ", dict: "a mapping ", list: "a list "}
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    if value is None:
        return "nothing"
    return kind.get(type(value), "") + (text if len(text) <= 60 else text[:57] + "...")


def choice(value: Any, what: str, names: Mapping[str, Any]) -> Any:
    """`tpe`, `{tpe: }` or `{tpe: {seed: 1}}` as `{"kind": "tpe", ...}`; `names` are the allowed kinds."""
    if isinstance(value, BaseModel):
        return value
    allowed = ", ".join(names)
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, dict) or len(value) != 1:
        raise form_error(
            f"must be one {what}, found {shown(value)}", allowed=f"{allowed}; with options: {{name: {{option: value}}}}"
        )
    name, options = next(iter(value.items()))
    if name not in names:
        raise form_error(
            f"unknown {what} {name!r}", allowed=allowed, suggestion=nearest(str(name), names), path=(name,)
        )
    if options is None:
        options = {}
    if not isinstance(options, dict):
        raise form_error(f"must be a mapping of options, found {shown(options)}", path=(name,))
    if "kind" in options:
        raise form_error("unknown key", path=(name, "kind"))
    return {**options, "kind": name}


PARAMETER_FORMS = ("float", "int", "categorical", "fixed")


def parameter(value: Any) -> Any:
    """A parameter's definition; a plain scalar is a fixed value."""
    if isinstance(value, BaseModel):
        return value
    allowed = "{float: [low, high]}, {int: [low, high]}, {categorical: [...]}, {fixed: value} or a plain value"
    if isinstance(value, list):
        raise form_error(
            f"must be a parameter's definition, found {shown(value)}",
            allowed=allowed,
            suggestion="{fixed: [...]} for a list that is the value",
        )
    if isinstance(value, bool | int | float | str):
        return {"fixed": value}
    if not isinstance(value, dict):
        raise form_error(f"must be a parameter's definition, found {shown(value)}", allowed=allowed)
    found = [name for name in PARAMETER_FORMS if name in value]
    if len(found) == 1:
        return value
    if found:
        raise form_error(f"{' and '.join(found)} together", allowed=allowed, path=(found[1],))
    for key in value:
        if guess := nearest(str(key), PARAMETER_FORMS):
            raise form_error(f"unknown kind of parameter {key!r}", allowed=allowed, suggestion=guess, path=(key,))
    raise form_error("says neither float, int, categorical nor fixed", allowed=allowed)


def objectives(value: Any) -> Any:
    """One objective or a list of them, as a list."""
    return [value] if isinstance(value, dict | BaseModel) else value


def command_token(value: Any) -> Any:
    """A number in a command or environment as its text; anything else unchanged."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    if isinstance(value, dict) and len(value) == 1 and next(iter(value.values())) is None:
        word = f"{{{next(iter(value))}}}"
        raise form_error(f"{word} without quotes is a mapping to YAML", allowed="text", suggestion=f'"{word}"')
    return value


_UNSPEAKABLE = re.compile("[\0\ud800-\udfff]")
"""What no command line, environment or file of text can hold: NUL, and halves of characters."""


def scalar(value: Any) -> bool | int | float | str:
    """A parameter's value: true or false, a finite number, or text."""
    if isinstance(value, str) and len(value) <= 1000 and not _UNSPEAKABLE.search(value):
        return value
    if isinstance(value, bool) or (isinstance(value, int | float) and abs(value) <= sys.float_info.max):
        return value
    raise form_error(f"found {shown(value)}", allowed="a finite number, text, true or false, or a list of them")


MAX_ITEMS = 1000
MAX_NESTING = 4


def value(value: Any) -> Any:
    """A parameter's value: a scalar, or a list of values."""
    if isinstance(value, list | tuple):
        _check_size(value)
        return _listed(value, ())
    return scalar(value)


def _check_size(value: list[Any] | tuple[Any, ...]) -> None:
    waiting: list[tuple[Any, int]] = [(value, 1)]
    count = 0
    while waiting:
        item, depth = waiting.pop()
        count += 1
        if count > MAX_ITEMS or depth > MAX_NESTING:
            raise form_error(
                f"a list that is too long or too deep, {shown(value)}",
                allowed=f"at most {MAX_ITEMS} items, {MAX_NESTING - 1} lists in each other",
            )
        if isinstance(item, list | tuple):
            waiting.extend((inner, depth + 1) for inner in item)


def _listed(value: Any, path: tuple[str | int, ...]) -> Any:
    if isinstance(value, list | tuple):
        return [_listed(item, (*path, index)) for index, item in enumerate(value)]
    if value is None or isinstance(value, dict):
        raise form_error(f"found {shown(value)}", allowed="a finite number, text, true or false, a list", path=path)
    return scalar(value)


def repeats(value: Any) -> Any:
    """`{seed: 3}` as `{seed: [1, 2, 3]}`."""
    if isinstance(value, dict):
        return {
            name: list(range(1, count + 1))
            if isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= 1000
            else count
            for name, count in value.items()
        }
    return value


def gpus(value: Any) -> str | int | tuple[int | str, ...]:
    """`auto`, `none`, a count, or a list of indices and UUIDs."""
    allowed = "auto, none, a number of GPUs, or a list of indices or UUIDs"
    if isinstance(value, str):
        if value not in ("auto", "none"):
            raise form_error(f"found {shown(value)}", allowed=allowed, suggestion=nearest(value, ("auto", "none")))
        return value
    if isinstance(value, bool) or not isinstance(value, int | list | tuple):
        hint = "none" if value is None else ""
        raise form_error(f"found {shown(value)}", allowed=allowed, suggestion=hint)
    if isinstance(value, int):
        if not 1 <= value <= 1024:
            raise form_error(f"found {shown(value)}", allowed="1 to 1024 GPUs, or none")
        return value
    if not value:
        raise form_error("an empty list", allowed=allowed, suggestion="none")
    for index, item in enumerate(value):
        is_index = isinstance(item, int) and not isinstance(item, bool) and item >= 0
        is_uuid = isinstance(item, str) and item.startswith(("GPU-", "MIG-"))
        if not (is_index or is_uuid):
            raise form_error(f"found {shown(item)}", allowed="an index from 0 or a UUID (GPU-...)", path=(index,))
    if len(set(value)) != len(value):
        raise form_error("names a GPU twice", allowed="each GPU once")
    return tuple(value)
