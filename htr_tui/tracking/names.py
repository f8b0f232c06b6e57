"""Names and texts as MLflow takes them; it refuses a whole batch for one bad character."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_NAME = 250
MAX_PARAM = 6000
MAX_TAG = 8000
OBJECTIVE = "objective"
OBJECTIVE_VALUE = "objective_value"

_REFUSED = re.compile(r"[^/\w.\- :]")


def clean_text(text: str, limit: int) -> str:
    """`text` as every database stores it: no NUL, no lone surrogate, at most `limit` characters."""
    return text[:limit].replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def valid_name(name: str) -> str:
    """The nearest name that MLflow takes: other characters become `_`, and it reads as a path below nothing."""
    name = _REFUSED.sub("_", clean_text(name, MAX_NAME))
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "_"


def unique_names(names: Mapping[str, Any]) -> dict[str, str]:
    """Valid names of different names, kept different, always in the same way: {name: valid name}."""
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names, key=lambda n: (valid_name(n) != n, n)):
        valid, count = valid_name(name), 1
        candidate = valid
        while candidate in taken:
            count += 1
            candidate = f"{valid[: MAX_NAME - 8]}_{count}"
        chosen[name] = candidate
        taken.add(candidate)
    return chosen


def value_text(value: Any, limit: int) -> str:
    """A parameter's or tag's value as text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return clean_text(text, limit)


def texts(values: Mapping[str, Any], limit: int, prefix: str = "") -> dict[str, str]:
    """Values as texts under valid names, each with `prefix`."""
    prefixed = {f"{prefix}{name}": value for name, value in values.items()}
    names = unique_names(prefixed)
    return {names[name]: value_text(value, limit) for name, value in prefixed.items()}
