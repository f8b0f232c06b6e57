"""From `train.callbacks` to hooks: imports what the user names, and says which key is wrong where that fails."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from htr_gan.config.train_rules import HookConfig
from htr_gan.config.train_section import TrainConfig
from htr_gan.errors import ConfigError, ConfigProblem
from htr_gan.training.hooks import Hook, Hooks, NamedHook


def load_hooks(train: TrainConfig, file: str) -> Hooks:
    """The hooks of a configuration, by priority; ConfigError names every one that cannot be had."""
    problems: list[ConfigProblem] = []
    found: list[tuple[int, NamedHook]] = []
    with _importable(train.callbacks_from):
        for number, wanted in enumerate(train.callbacks):
            try:
                found.append((wanted.priority, NamedHook(wanted.path, _load(wanted, number))))
            except _Unusable as error:
                problems.append(ConfigProblem(file, None, None, error.key, str(error), "module:Class"))
    if problems:
        raise ConfigError(problems)
    return Hooks([hook for _, hook in sorted(found, key=lambda item: item[0])])


class _Unusable(Exception):
    def __init__(self, number: int, part: str, message: str) -> None:
        super().__init__(message)
        self.key = f"train.callbacks.{number}.{part}"


def _load(wanted: HookConfig, number: int) -> Hook:
    module_name, _, class_name = wanted.path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the module does while it is imported
        message = f"{module_name} cannot be imported: {type(error).__name__}: {error}"
        raise _Unusable(number, "path", message) from error
    found = getattr(module, class_name, None)
    if found is None:
        raise _Unusable(number, "path", f"{module_name} has no {class_name}")
    if not isinstance(found, type) or not issubclass(found, Hook):
        raise _Unusable(number, "path", f"{wanted.path} is not a subclass of htr_gan.training.hooks.Hook")
    try:
        return found(**wanted.options)
    except Exception as error:  # the user's own __init__
        raise _Unusable(number, "options", f"{wanted.path}: {type(error).__name__}: {error}") from error


@contextmanager
def _importable(folder: Path | None) -> Iterator[None]:
    """First while hooks are imported, so that they are found; last afterwards, so that they shadow nothing."""
    if folder is None:
        yield
        return
    place = str(folder)
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(place)
        if place not in sys.path:
            sys.path.append(place)
