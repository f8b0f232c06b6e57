from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from htr_tui.panel.commands import CommandResult, OurCommandLine


def test_the_command_is_our_own_module_with_json(tmp_path: Path) -> None:
    argv = OurCommandLine(tmp_path).argv(["stop", "[/foo] study", "--now"])
    assert argv == [sys.executable, "-m", "htr_tui", "--dir", str(tmp_path), "stop", "[/foo] study", "--now", "--json"]


async def test_a_failure_is_explained_by_the_command_itself(tmp_path: Path) -> None:
    result = await OurCommandLine(tmp_path).run(["retry", "no-such-study", "1"])
    assert result.exit_status == 2
    assert not result.is_done
    assert "no-such-study" in result.explain()


async def test_a_command_that_takes_long_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(5)"]
    monkeypatch.setattr(OurCommandLine, "argv", lambda self, arguments: sleeper)
    result = await OurCommandLine(tmp_path, timeout_s=0.05).run(["run", "x"])
    assert result.exit_status is None
    assert "goes on" in result.explain()


async def test_a_command_that_cannot_start_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OurCommandLine, "argv", lambda self, arguments: [str(tmp_path / "nothing")])
    result = await OurCommandLine(tmp_path).run(["run", "x"])
    assert result.exit_status == 1
    assert "cannot start" in result.explain()


@pytest.mark.parametrize(
    ("output", "errors", "words"),
    [
        (json.dumps({"error": {"title": "busy", "message": "", "hint": "wait"}}), "", ["busy", "hint: wait"]),
        (json.dumps({"error": "plain"}), "", ["plain"]),
        (json.dumps({"errors": [{"file": "s.yaml", "line": 3, "key": "a", "message": "wrong"}]}), "", ["s.yaml:3: a: wrong"]),
        ("", "Traceback\nValueError: \x1b[31mred\x1b[0m", ["ValueError: red"]),
        ("", "", ["no reason"]),
        ("[1, 2]", "text", ["text"]),
        ('{"errors": [7]}', "", ["7"]),
    ],
)  # fmt: skip
def test_whatever_it_says_becomes_plain_lines(output: str, errors: str, words: list[str]) -> None:
    text = CommandResult(("run",), 1, output, errors).explain()
    assert all(word in text for word in words)
    assert "\x1b" not in text


def test_the_answer_may_stand_after_other_lines() -> None:
    assert CommandResult((), 0, 'note\n{"study": "a"}').answer == {"study": "a"}
    assert CommandResult((), 0, "[" * 10_000).answer == {}
