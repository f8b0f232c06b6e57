"""The command line answers without TensorFlow, with the right exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from htr_gan.__main__ import main
from tests.htr_gan.conftest import write_micro

SCRIPT = """
import sys
from htr_gan.__main__ import main
try:
    status = main(sys.argv[1:])
except SystemExit as end:
    status = end.code
print("loaded", "tensorflow" in sys.modules or "keras" in sys.modules, "status", status or 0)
"""


def in_fresh_interpreter(*arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=120, check=True
    )
    return result.stdout.splitlines()[-1]


def test_help_and_mistakes_do_not_load_tensorflow(micro: Path, tmp_path: Path) -> None:
    assert in_fresh_interpreter("--help") == "loaded False status 0"
    assert in_fresh_interpreter("train", "--help") == "loaded False status 0"
    out = str(tmp_path / "out")
    assert in_fresh_interpreter("train", str(micro), "--out", out, "--set", "train.batc=3") == "loaded False status 2"
    assert not (tmp_path / "out").exists(), "nothing has started"


def test_making_data_does_not_load_tensorflow(micro: Path, tmp_path: Path) -> None:
    assert in_fresh_interpreter("data", str(micro), "--out", str(tmp_path / "out")) == "loaded False status 0"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["walk"],
        ["train"],
        ["train", "x.yaml"],
        ["data", "x.yaml"],
        ["train", "x.yaml", "--out", "y", "--batch", "3"],
    ],
)
def test_bad_use_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("htr-gan ")


def test_mistakes_are_told_without_a_traceback(micro: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main(["train", str(tmp_path / "none.yaml"), "--out", out]) == 2
    assert "No such file or directory" in capsys.readouterr().err
    assert main(["train", str(micro), "--out", out, "--set", "recognizer.config=gan.yaml"]) == 2
    assert main(["train", str(micro), "--out", str(micro)]) == 1, "a file is in the way"
    assert "FileExistsError" in capsys.readouterr().err
    assert main(["train", str(micro), "--out", out, "--resume", str(tmp_path / "gone")]) == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_the_recogniser_must_fit_the_lines(micro: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(micro), "--out", str(tmp_path / "out"), "--set", "data.height=32"]) == 2
    assert "(16, 64)" in capsys.readouterr().err


def test_a_senseless_injection_is_refused(micro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTR_GAN_INJECT", "fire@epoch1")
    assert main(["train", str(micro), "--out", str(tmp_path / "out")]) == 2


def test_data_writes_both_splits_and_pictures(micro: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "lines"
    assert main(["data", str(micro), "--out", str(out), "--png", "2"]) == 0
    assert "24 lines of 16 x 64" in capsys.readouterr().out
    for split in ("train", "held-out"):
        assert len(list((out / split / "png").glob("*.png"))) == 4
        assert (out / split / "png" / "00000.txt").read_text().strip()
    assert main(["data", str(micro), "--out", str(out), "--png", "-1"]) == 2
    assert main(["data", str(micro), "--out", str(out), "--set", "data.fonts=[none]"]) == 1
    assert "No such file" in capsys.readouterr().err


def test_a_missing_extra_is_told_with_what_to_install(tmp_path: Path) -> None:
    """As in an installation without TensorFlow."""
    config = write_micro(tmp_path)
    script = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from htr_gan.__main__ import main\n"
        f"sys.exit(main(['train', {str(config)!r}, '--out', {str(tmp_path / 'out')!r}]))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 1
    assert "pip install 'htr-tui[train]'" in result.stderr
    assert "Traceback" not in result.stderr
