"""Callbacks of the user: found, ordered, called, and blamed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from htr_gan.__main__ import main
from htr_gan.config.load import load_config
from htr_gan.config.train_section import TrainConfig
from htr_gan.errors import ConfigError
from htr_gan.training.hook_loading import load_hooks
from htr_gan.training.hooks import EarlyStopRecord, EpochRecord, Hook, HookError, Hooks, NamedHook

MODULE = """
from htr_gan.training.hooks import Hook

told = []

class Teller(Hook):
    def __init__(self, name="x"):
        self.name = name

    def early_stop(self, record):
        told.append((self.name, record.epoch))

class Stranger:
    pass

class Fussy(Hook):
    def __init__(self):
        raise RuntimeError("not today")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with modules of the user; the interpreter forgets them afterwards."""
    (tmp_path / "my_hooks_for_tests.py").write_text(MODULE)
    (tmp_path / "my_broken_hooks.py").write_text("import a_module_that_is_not_there\n")
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in ("my_hooks_for_tests", "my_broken_hooks"):
        sys.modules.pop(name, None)


def plan(folder: Path | None, *callbacks: dict[str, object]) -> TrainConfig:
    return TrainConfig.model_validate({"callbacks": list(callbacks), "callbacks_from": folder})


def test_hooks_are_called_by_priority_with_their_options(folder: Path) -> None:
    path = "my_hooks_for_tests:Teller"
    callbacks: list[dict[str, object]] = [
        {"path": path, "priority": 70, "options": {"name": "late"}},
        {"path": path, "options": {"name": "first of the middle"}},
        {"path": path, "options": {"name": "second of the middle"}},
        {"path": path, "priority": 3, "options": {"name": "early"}},
    ]
    load_hooks(plan(folder, *callbacks), "x.yaml").call("early_stop", lambda: EarlyStopRecord(7, "why"))
    told = sys.modules["my_hooks_for_tests"].told
    assert told == [("early", 7), ("first of the middle", 7), ("second of the middle", 7), ("late", 7)]
    assert sys.path[-1] == str(folder), "it shadows nothing that is installed"


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("my_hooks_for_tests:Missing", {}, "train.callbacks.0.path: my_hooks_for_tests has no Missing"),
        ("my_hooks_for_tests:Stranger", {}, "is not a subclass"),
        ("my_hooks_for_tests:told", {}, "is not a subclass"),
        (
            "my_hooks_for_tests:Fussy",
            {},
            "train.callbacks.0.options: my_hooks_for_tests:Fussy: RuntimeError: not today",
        ),
        ("my_hooks_for_tests:Teller", {"size": 3}, "train.callbacks.0.options"),
        ("my_broken_hooks:Teller", {}, "No module named 'a_module_that_is_not_there'"),
        ("there_is_no_such_module:X", {}, "train.callbacks.0.path: there_is_no_such_module cannot be imported"),
    ],
)
def test_what_cannot_be_had_is_a_mistake_in_the_configuration(
    folder: Path, path: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_hooks(plan(folder, {"path": path, "options": options}), "x.yaml")
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_folder_is_importable_only_when_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", ".", str(folder))])
    with pytest.raises(ConfigError, match="nothing was started"):
        load_hooks(plan(None, {"path": "my_hooks_for_tests:Teller"}), "x.yaml")


def test_a_mistake_ends_the_command_before_anything_starts(
    micro: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    override = "train.callbacks=[{path: 'nowhere_at_all:Hook'}]"
    assert main(["train", str(micro), "--out", str(out), "--set", override]) == 2
    assert "train.callbacks.0.path: nowhere_at_all cannot be imported" in capsys.readouterr().err
    assert not out.exists()
    assert main(["train", str(micro), "--out", str(out), "--set", "train.callbacks=[{path: 'os.system'}]"]) == 2
    assert "train.callbacks.0.path" in capsys.readouterr().err


def test_the_folder_is_relative_to_the_file_that_names_it(micro: Path) -> None:
    micro.write_text(micro.read_text().replace("samples: 2}", "samples: 2, callbacks_from: mine}"))
    assert load_config(micro).train.callbacks_from == micro.parent / "mine"
    assert load_config(micro, ["train.callbacks_from=mine"]).train.callbacks_from == Path.cwd() / "mine"


class Greedy(Hook):
    """Changes what it gets."""

    def epoch_end(self, record: EpochRecord) -> None:
        record.values.clear()


class Clumsy(Hook):
    """Fails."""

    def epoch_end(self, record: EpochRecord) -> None:
        raise KeyError("val/cre")


def test_a_hook_that_raises_is_named_and_one_that_meddles_changes_nothing() -> None:
    values, seen = {"val/cer": 0.5}, []

    class Watcher(Hook):
        def epoch_end(self, record: EpochRecord) -> None:
            seen.append(dict(record.values))

    hooks = Hooks([NamedHook("a:Greedy", Greedy()), NamedHook("a:Watcher", Watcher()), NamedHook("a:Clumsy", Clumsy())])
    with pytest.raises(HookError, match="callback a:Clumsy failed in epoch_end: KeyError: 'val/cre'") as caught:
        hooks.call("epoch_end", lambda: EpochRecord(1, 3, dict(values), 1))
    assert caught.value.exit_code == 1
    assert seen == [values]
    assert values == {"val/cer": 0.5}
