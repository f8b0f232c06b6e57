"""The wheel holds what runs: style sheets, rules, type markers, the shipped configurations, and nothing of the tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    target = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(target),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(target.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


def test_data_files_are_in_the_wheel(names: set[str]) -> None:
    assert {"htr_tui/py.typed", "htr_gan/py.typed", "htr_tui/processes/runner.py"} <= names
    assert any(n.startswith("htr_tui/panel/styles/") and n.endswith(".tcss") for n in names)
    assert any(n.startswith("htr_tui/triage/") and n.endswith(".yaml") for n in names)
    for config in ("studies/demo.yaml", "gan/tiny.yaml", "recognizer/tiny.yaml", "studies/examples/keras_digits.py"):
        assert f"htr_tui/shipped_configs/{config}" in names


def test_nothing_else_is(names: set[str]) -> None:
    tops = {n.partition("/")[0] for n in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"htr_tui", "htr_gan"}
    assert not any("__pycache__" in n for n in names)


def test_every_source_file_is(names: set[str]) -> None:
    for package in ("htr_tui", "htr_gan"):
        sources = {str(p.relative_to(ROOT)) for p in (ROOT / package).rglob("*.py")}
        assert sources <= names
