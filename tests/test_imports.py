"""What a fresh interpreter loads: a deferred import is only deferred if it really is."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("optuna", "mlflow", "pandas", "tensorflow", "keras", "pydantic", "sqlalchemy")


def loaded(code: str) -> set[str]:
    """Top-level names of the modules that `code` loads."""
    script = f"{code}\nimport sys\nprint('\\n'.join({{m.partition('.')[0] for m in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import htr_tui.__main__",
        "import htr_tui.panel.app",
        "import htr_tui.cli.status, htr_tui.cli.trials, htr_tui.cli.show, htr_tui.cli.logs, htr_tui.cli.stop",
        "import htr_tui.cli.run, htr_tui.cli.retry, htr_tui.cli.check, htr_tui.cli.demo",
        "import htr_tui.cli.triage, htr_tui.cli.doctor",
        "import htr_tui.tracking.state",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert not loaded(code) & set(HEAVY)


def test_commands_do_not_load_the_panel() -> None:
    assert "textual" not in loaded("import htr_tui.__main__, htr_tui.cli.status, htr_tui.cli.run")


def test_the_packages_do_not_load_each_other() -> None:
    assert "htr_gan" not in loaded("import htr_tui.__main__, htr_tui.panel.app")
    assert "htr_tui" not in loaded("import htr_gan.__main__")


def test_the_supervisor_does_not_load_what_few_searches_need() -> None:
    names = loaded("import htr_tui.supervisor.loop")
    assert "optuna" in names
    assert names.isdisjoint({"scipy", "cmaes", "sklearn", "torch", "mlflow", "pandas", "textual", "matplotlib"})


def test_the_runner_needs_the_standard_library_only() -> None:
    names = loaded("import runpy; runpy.run_module('htr_tui.processes.runner', run_name='x')")
    assert names <= set(sys.stdlib_module_names) | {"htr_tui", "x", "__main__"} | loaded("pass")
