"""Every test runs without the user's environment: own home, no MLflow, Optuna, htr or terminal settings."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SHUT_OUT = ("MLFLOW_", "HTR_", "OPTUNA_", "TEXTUAL", "XDG_", "SLURM_", "CUDA_")
SHUT_OUT_NAMES = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "COLORTERM", "TMUX", "STY")

settings.register_profile(
    "tests",
    deadline=None,  # a busy machine is no failure
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Shut the user's settings out, for this process and what it starts."""
    for name in list(os.environ):
        if name.startswith(SHUT_OUT) or name in SHUT_OUT_NAMES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("HTR_TUI_DEVICE_LOCKS", str(tmp_path_factory.mktemp("devices") / "board"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(autouse=True)
def end_leftovers(request: pytest.FixtureRequest) -> Iterator[None]:
    """A failed test leaves no supervisor, runner, trainer or mirror behind: all have its folder on their command line."""
    folder = str(request.getfixturevalue("tmp_path")).encode() if "tmp_path" in request.fixturenames else None
    yield
    if folder is None:
        return
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and folder in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue
