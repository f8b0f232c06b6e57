"""One file per mistake; its head names the words that the message must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_tui.errors import ConfigError, ConfigProblem
from htr_tui.study.loading import load_study

FILES = sorted((Path(__file__).parent / "invalid").glob("*.yaml"))
MARK = "# expect: "


def describe(problem: ConfigProblem) -> str:
    return (
        f"line {problem.line}, column {problem.column} | line {problem.line}: {problem.key}: {problem.message}"
        f" | allowed {problem.allowed} | suggestion {problem.suggestion}"
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_says_what_is_wrong(path: Path) -> None:
    expected = [line.removeprefix(MARK) for line in path.read_text().splitlines() if line.startswith(MARK)]
    assert expected, "the file names no words to expect"
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    text = "\n".join(describe(problem) for problem in caught.value.problems)
    for words in expected:
        assert words in text, f"{words!r} not in:\n{text}"
    assert all(problem.file == str(path) for problem in caught.value.problems)
    assert str(path) in str(caught.value)


def test_there_is_no_mistake_beyond_the_expected_one() -> None:
    """Files of a single mistake must not be refused for something else as well."""
    several = {"unknown_key", "unknown_trainer_key", "many_mistakes"}
    for path in FILES:
        if path.stem in several:
            continue
        with pytest.raises(ConfigError) as caught:
            load_study(path)
        extra = [describe(p) for p in caught.value.problems]
        assert len(extra) == 1 or path.stem == "merge_key", f"{path.stem}: {extra}"


def test_every_place_is_given() -> None:
    with pytest.raises(ConfigError) as caught:
        load_study(Path(__file__).parent / "invalid" / "many_mistakes.yaml")
    assert [p.line for p in caught.value.problems] == sorted(p.line or 0 for p in caught.value.problems)
    assert all(p.line and p.column and p.key for p in caught.value.problems)
