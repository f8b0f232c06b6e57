"""The commands that read: JSON shapes that scripts depend on, texts for people, errors that help."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from htr_tui import __version__
from htr_tui.__main__ import COMMANDS, main, split_command
from htr_tui.cli.logs import last_lines, offset_of_last_lines
from htr_tui.cli.retry import parse_overrides
from htr_tui.errors import UsageError
from tests.fakes.studies import build_study


@pytest.fixture
def base(tmp_path: Path) -> Path:
    build_study(tmp_path / "runs", "alpha", trials=12, epochs=4, running=1, seed=1)
    build_study(tmp_path / "runs", "beta", trials=3, epochs=2, running=0, seed=2)
    return tmp_path


def run_json(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert main(list(argv)) == 0
    record = json.loads(capsys.readouterr().out)
    assert isinstance(record, dict)
    return record


def run_text(capsys: pytest.CaptureFixture[str], *argv: str, expect: int = 0) -> tuple[str, str]:
    assert main(list(argv)) == expect
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_status_has_the_fields_that_scripts_read(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    studies = run_json(capsys, "--dir", str(base), "status", "--json")["studies"]
    assert [s["study"] for s in studies] == ["alpha", "beta"]
    first = studies[0]
    assert {"study", "path", "state", "supervisor", "trials", "budget", "best"} <= set(first)
    assert first["trials"]["total"] == 12
    states = ("queued", "running", "complete", "pruned", "failed", "stopped")
    assert sum(first["trials"][s] for s in states) == 12
    assert {"trial", "value", "params"} <= set(first["best"])
    assert len(run_json(capsys, "status", "beta", "--dir", str(base), "--json")["studies"]) == 1


def test_trials_sorts_and_exports(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = run_json(capsys, "--dir", str(base), "trials", "alpha", "--sort=-value", "--json")
    values = [t["value"] for t in record["trials"] if t["value"] is not None]
    assert values == sorted(values, reverse=True)
    assert all(t["value"] is None for t in record["trials"][len(values) :])
    wanted = {"trial", "state", "params", "value", "values", "epoch", "epochs", "seconds", "attempts", "category"}
    assert wanted | {"peak_gpu_bytes", "peak_rss_bytes"} <= set(record["trials"][0])
    out, _ = run_text(capsys, "--dir", str(base), "trials", "alpha", "--csv")
    assert len(list(csv.DictReader(io.StringIO(out)))) == 12
    _, err = run_text(capsys, "--dir", str(base), "trials", "alpha", "--sort", "moon", expect=2)
    assert "moon" in err
    assert "value" in err


def test_show_and_logs(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = run_json(capsys, "--dir", str(base), "show", "alpha", "0", "--json")
    assert {"study", "trial", "state", "params", "value", "metrics", "attempts"} <= set(record)
    wanted = {"attempt", "state", "exit_code", "signal", "params", "env", "path", "finding", "fix"}
    assert wanted <= set(record["attempts"][0])
    out, _ = run_text(capsys, "--dir", str(base), "show", "alpha", "0")
    assert "attempt 1" in out
    run_text(capsys, "--dir", str(base), "logs", "alpha", "0")
    _, err = run_text(capsys, "--dir", str(base), "logs", "alpha", "0", "--attempt", "9", expect=2)
    assert "attempts: 1" in err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["status", "alpah"], "did you mean alpha"),
        (["show", "alpha", "99"], "numbered 0 to 11"),
        (["run", "missing.yaml"], "no such study file"),
        (["run", "alpah"], "did you mean alpha"),
        (["run", "alpha", "--trials", "0"], "at least 1"),
        (["stop", "nothing"], "no study"),
        (["triage", "/no/such/file"], "/no/such/file"),
    ],
)
def test_mistakes_end_with_2_and_say_what_to_do(
    base: Path, capsys: pytest.CaptureFixture[str], argv: list[str], words: str
) -> None:
    _, err = run_text(capsys, "--dir", str(base), *argv, expect=2)
    assert words in err


def test_json_errors_are_json_too(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run_text(capsys, "--dir", str(base), "status", "alpah", "--json", expect=2)
    assert "alpah" in json.loads(out)["error"]["title"]


def test_an_unknown_command_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = run_text(capsys, "statsu", expect=2)
    assert "htr-tui status" in err


def test_a_missing_folder_is_an_error_not_an_empty_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = run_text(capsys, "--dir", str(tmp_path / "nowhere"), "status", expect=2)
    assert "no such folder" in err
    out, _ = run_text(capsys, "--dir", str(tmp_path), "status")
    assert "no studies" in out


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_and_common_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "--json" in out
    assert "--dir" in out


def test_version_and_help_list_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert __version__ in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


def test_common_options_may_stand_before_the_command() -> None:
    assert split_command(["--dir", "x", "--json", "status", "s"]) == ("status", ["--dir", "x", "--json", "s"])
    assert split_command(["somewhere"]) == (None, ["somewhere"])
    assert split_command([]) == (None, [])


def test_a_reader_that_leaves_early_is_no_error(base: Path) -> None:
    command = f"{sys.executable} -m htr_tui --dir {base} trials alpha | head -n 1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert result.stderr == ""


def test_check_reports_every_mistake_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("study: x\ntrainer: {comand: [a]}\nsearch: {space: {lr: {float: [2, 1]}}}\n")
    out, _ = run_text(capsys, "check", str(file), "--dir", str(tmp_path), "--json", expect=2)
    record = json.loads(out)
    assert record["ok"] is False
    assert len(record["errors"]) >= 3
    assert {"file", "line", "column", "key", "message", "allowed", "suggestion"} <= set(record["errors"][0])
    assert any("command" in e["suggestion"] for e in record["errors"])
    text, _ = run_text(capsys, "check", str(file), "--dir", str(tmp_path), expect=2)
    assert f"{file}:2" in text


def test_run_refuses_a_wrong_file_with_all_mistakes_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("study: x\nmoon: 1\n")
    _, err = run_text(capsys, "--dir", str(tmp_path), "run", str(file), expect=2)
    assert "moon" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=4", 4),
        ("a=1e-4", 1e-4),
        ("a=false", False),
        ("a=two words", "two words"),
        ("a=b=c", "b=c"),
        ("a=[1", "[1"),
        ("a=[64, 32]", [64, 32]),
        ("a=[]", []),
        ("a=[[1]]", "[[1]]"),
        ('a="4"', "4"),
        ("a=no", "no"),
        ("a=.inf", ".inf"),
        ("a=", ""),
    ],
)
def test_overrides(text: str, value: object) -> None:
    assert parse_overrides([text]) == {"a": value}


@pytest.mark.parametrize("text", ["a", "=1", ""])
def test_overrides_without_a_key_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_overrides([text])


@pytest.mark.parametrize("data", [b"", b"\n", b"a", b"a\n", b"a\nb", b"a\nb\n", b"\n\n\n", b"x" * 200 + b"\ny\nz"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("block", [1, 7, 1 << 16])
def test_last_lines(tmp_path: Path, data: bytes, count: int, block: int) -> None:
    file = tmp_path / "log"
    file.write_bytes(data)
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    expected = b"\n".join(lines[-count:] if count else []) + (
        b"\n" if data.endswith(b"\n") and count and lines else b""
    )
    assert data[offset_of_last_lines(file, count, block) :] == expected
    assert last_lines(file, count) == (lines[-count:] if count else [])
