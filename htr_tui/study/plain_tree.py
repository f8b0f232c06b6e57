"""JSON and TOML files in which values are set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from htr_tui.study.template_places import TemplateError, prefixes


def read_json_text(text: str) -> Any:
    """The content of a JSON file; an empty one has no keys."""
    try:
        return json.loads(text) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise TemplateError(f"no JSON: {error.msg}", error.lineno) from None
    except ValueError as error:  # Python refuses whole numbers of thousands of digits
        raise TemplateError(f"no JSON: {error}") from None


def read_toml_text(text: str) -> Any:
    """The content of a TOML file, with its layout."""
    tomlkit = _tomlkit()
    try:
        return tomlkit.parse(text)
    except tomlkit.exceptions.ParseError as error:
        raise TemplateError(f"no TOML: {error}", error.line) from None
    except tomlkit.exceptions.TOMLKitError as error:
        raise TemplateError(f"no TOML: {error}") from None


def _tomlkit() -> Any:
    try:
        import tomlkit
    except ImportError:
        raise TemplateError("writing TOML needs tomlkit: pip install tomlkit") from None
    return tomlkit


class PlainTree:
    """JSON and TOML: mappings and lists of Python; tomlkit keeps comments and layout of a TOML file."""

    def __init__(self, root: Any, form: str) -> None:
        if not isinstance(root, dict):
            raise TemplateError("the file is no mapping of keys to values", 1)
        self._root = root
        self._form = form

    def find(self, name: str) -> str | None:
        """What is at `name`."""
        place = self._place(self._root, name)
        if place is None:
            return None
        return "section" if isinstance(place[0][place[1]], dict) else "value"

    def set(self, name: str, value: Any) -> None:
        """Set a value."""
        value = list(value) if isinstance(value, tuple) else value
        place = self._place(self._root, name)
        if place is not None:
            if isinstance(place[0][place[1]], dict):
                raise TemplateError(f"{name!r} is a section, not a value")
            place[0][place[1]] = value
            return
        *sections, key = name.split(".")
        container = self._root
        for section in sections:
            container = container.setdefault(section, {})
            if not isinstance(container, dict):
                raise TemplateError(f"{name!r} cannot be set: {section!r} is no section")
        container[key] = value

    def names(self) -> list[str]:
        """The dotted names of all values."""
        return list(self._names(self._root, ""))

    def text(self) -> str:
        """The file."""
        if self._form == "toml":
            return str(_tomlkit().dumps(self._root))
        return json.dumps(self._root, ensure_ascii=False, indent=2) + "\n"

    def _place(self, container: Any, name: str) -> tuple[Any, Any] | None:
        """The container that holds `name`, and its key or index there."""
        for prefix, rest in prefixes(name):
            key: Any = prefix
            if isinstance(container, list):
                key = int(prefix) if prefix.isdecimal() and int(prefix) < len(container) else None
                if key is None:
                    continue
            elif not isinstance(container, dict) or prefix not in container:
                continue
            if not rest:
                return container, key
            if (found := self._place(container[key], rest)) is not None:
                return found
        return None

    def _names(self, value: Any, prefix: str) -> Iterator[str]:
        items = value.items() if isinstance(value, dict) else ()
        for key, child in items:
            if isinstance(child, dict):
                yield from self._names(child, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"
