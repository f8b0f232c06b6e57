"""From a file and `--set` to a configuration, or to all mistakes at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from htr_gan.config.data_section import is_font_path
from htr_gan.config.schema import TASKS, Config, GanConfig, RecognizerConfig
from htr_gan.config.yaml_text import Document, KeyPath, parse_scalar, parse_yaml
from htr_gan.errors import ConfigError, ConfigProblem

OVERRIDE = "--set"
"""What stands for the file's name where an override is wrong."""


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The configuration in `path` with `key=value` overrides; ConfigError names every mistake."""
    document = parse_yaml(_read_text(path), str(path))
    problems = list(document.problems)
    values: dict[str, Any] = {}
    if isinstance(document.value, dict):
        values = document.value
    elif not problems:
        problems.append(ConfigProblem(str(path), 1, 1, "", "a configuration is a mapping of keys to values"))
    if problems:
        raise ConfigError(problems)
    overridden = _apply_overrides(values, overrides, problems)
    config = _validate(values, str(path), document, overridden, problems)
    if config is None or problems:
        raise ConfigError(problems)
    return _with_absolute_paths(config, path.parent, overridden)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([ConfigProblem(str(path), None, None, "", "No such file or directory")]) from None
    except OSError as error:
        raise ConfigError([ConfigProblem(str(path), None, None, "", str(error.strerror or error))]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([ConfigProblem(str(path), None, None, "", f"not UTF-8 text (byte {error.start})")]) from None


def _apply_overrides(
    values: dict[str, Any], overrides: Sequence[str], problems: list[ConfigProblem]
) -> dict[KeyPath, str]:
    """Put each `a.b=c` into `values`; returns the paths that were set, with the text of the override."""
    done: dict[KeyPath, str] = {}
    for text in overrides:
        key, equals, raw = text.partition("=")
        parts = tuple(key.strip().split("."))
        if not equals or not all(parts):
            problems.append(ConfigProblem(OVERRIDE, None, None, text, "not of the form key=value", "a.b=value"))
            continue
        target: Any = values
        for part in parts[:-1]:
            if target.get(part) is None:
                target[part] = {}
            target = target[part]
            if not isinstance(target, dict):
                problems.append(ConfigProblem(OVERRIDE, None, None, key, f"{part} is a value, not a section"))
                break
        else:
            target[parts[-1]] = _parse_override(raw.strip(), key, problems)
            done[parts] = text
    return done


def _parse_override(raw: str, key: str, problems: list[ConfigProblem]) -> Any:
    if raw[:1] not in "[{\"'":
        return parse_scalar(raw)
    document = parse_yaml(raw, OVERRIDE)
    problems.extend(ConfigProblem(OVERRIDE, None, None, key, problem.message) for problem in document.problems)
    return document.value


def _validate(
    values: dict[str, Any],
    file: str,
    document: Document,
    overridden: dict[KeyPath, str],
    problems: list[ConfigProblem],
) -> Config | None:
    task = values.get("task")
    model = TASKS.get(task) if isinstance(task, str) else None
    if model is None:
        line, column = document.places.get(("task",), (None, None))
        message = "missing" if task is None else f"{task!r} is not a task"
        close = difflib.get_close_matches(str(task), TASKS, 1) if task is not None else []
        problems.append(ConfigProblem(file, line, column, "task", message, " ".join(TASKS), close[0] if close else ""))
        return None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for details in error.errors():
            problems.append(_describe(details, model, file, document, overridden))
    return None


def _describe(
    details: ErrorDetails, model: type[BaseModel], file: str, document: Document, overridden: dict[KeyPath, str]
) -> ConfigProblem:
    path = tuple(details["loc"])
    line, column = _place(path, document)
    if any(path[: len(done)] == done for done in overridden):
        file, line, column = OVERRIDE, None, None
    message, allowed, suggestion = _message(details), "", ""
    if details["type"] == "extra_forbidden":
        message = "unknown key"
        known = _known_keys(model, path[:-1])
        allowed = " ".join(known)
        suggestion = next(iter(difflib.get_close_matches(str(path[-1]), known, 1, 0.5)), "")
        suggestion = suggestion or _elsewhere(model, str(path[-1]))
    return ConfigProblem(file, line, column, ".".join(str(part) for part in path), message, allowed, suggestion)


def _message(details: ErrorDetails) -> str:
    message = details["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    found = details.get("input")
    if details["type"] == "missing" or isinstance(found, dict | BaseModel):
        return message
    return f"{message} (found {found!r})"


def _place(path: KeyPath, document: Document) -> tuple[int | None, int | None]:
    while path and path not in document.places:
        path = path[:-1]
    return document.places.get(path, (None, None))


def _section(model: type[BaseModel], path: Iterable[str | int]) -> type[BaseModel] | None:
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return None
        model = field.annotation
    return model


def _known_keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    section = _section(model, path)
    return list(section.model_fields) if section is not None else []


def _elsewhere(model: type[BaseModel], name: str) -> str:
    """The full key of a name that was put into the wrong section."""
    for key in model.model_fields:
        section = _section(model, (key,))
        if section is not None and name in section.model_fields:
            return f"{key}.{name}"
    return ""


def _with_absolute_paths(config: Config, folder: Path, overridden: dict[KeyPath, str]) -> Config:
    """Paths in a file are relative to it; paths of an override are relative to the current folder."""

    def absolute(path: Path, key: KeyPath) -> Path:
        return ((Path() if key in overridden else folder) / path.expanduser()).absolute()

    updates: dict[str, Any] = {}
    if config.cache_dir is not None:
        updates["cache_dir"] = absolute(config.cache_dir, ("cache_dir",))
    data: dict[str, Any] = {}
    if config.data.path is not None:
        data["path"] = absolute(config.data.path, ("data", "path"))
    for name in ("charset", "paper", "texts"):
        path = getattr(config.data, name)
        if path is not None:
            data[name] = absolute(path, ("data", name))
    if any(is_font_path(font) for font in config.data.fonts):
        fonts, key = config.data.fonts, ("data", "fonts")
        data["fonts"] = tuple(str(absolute(Path(font), key)) if is_font_path(font) else font for font in fonts)
    if config.data.sources:
        data["sources"] = tuple(absolute(source, ("data", "sources")) for source in config.data.sources)
    if data:
        updates["data"] = config.data.model_copy(update=data)
    if config.train.callbacks_from is not None:
        place = absolute(config.train.callbacks_from, ("train", "callbacks_from"))
        updates["train"] = config.train.model_copy(update={"callbacks_from": place})
    if isinstance(config, RecognizerConfig) and config.init is not None:
        updates["init"] = absolute(config.init, ("init",))
    if isinstance(config, GanConfig):
        if config.unpaired.sources:
            real = tuple(absolute(source, ("unpaired", "sources")) for source in config.unpaired.sources)
            updates["unpaired"] = config.unpaired.model_copy(update={"sources": real})
        reference = config.recognizer
        paths = {"config": absolute(reference.config, ("recognizer", "config"))}
        if reference.path is not None:
            paths["path"] = absolute(reference.path, ("recognizer", "path"))
        updates["recognizer"] = reference.model_copy(update=paths)
    return config.model_copy(update=updates)
