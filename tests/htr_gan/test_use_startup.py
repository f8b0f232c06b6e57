"""Help and mistakes of the commands that use networks are answered without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_gan.__main__ import main
from htr_gan.files import write_json
from tests.htr_gan.test_startup import in_fresh_interpreter

COMMANDS = {
    "evaluate": [],
    "restore": ["in.png", "out.png"],
    "read": ["in.png"],
    "export": ["out"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_wrong_folders_do_not_load_tensorflow(command: str, tmp_path: Path) -> None:
    assert in_fresh_interpreter(command, "--help") == "loaded False status 0"
    more = [str(tmp_path / name) for name in COMMANDS[command]]
    assert in_fresh_interpreter(command, str(tmp_path), *more) == "loaded False status 2"
    assert not list(tmp_path.iterdir()), "nothing has started"


@pytest.mark.parametrize("arguments", [["evaluate"], ["restore", "run", "in"], ["read", "run"], ["export", "run"]])
def test_missing_arguments_end_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_records_that_are_none_of_ours_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(tmp_path / "export.json", {"schema": 99, "kind": "gan"})
    assert main(["export", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "not an export that this version reads" in capsys.readouterr().err
    (tmp_path / "export.json").unlink()
    (tmp_path / "config.json").write_text('{"task": "gan", "trian": {}}')
    assert main(["export", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "unknown key" in capsys.readouterr().err
    (tmp_path / "config.json").unlink()
    (tmp_path / "recognizer.json").write_text("{}")
    assert main(["export", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "damaged" in capsys.readouterr().err
