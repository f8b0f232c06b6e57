from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("optuna", "mlflow", "pandas", "tensorflow", "pydantic", "numpy", "PIL", "sqlalchemy", "pynvml", "htr_gan")


def loaded_by(statement: str) -> set[str]:
    code = f"import json, sys\n{statement}\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_the_panel_starts_without_the_heavy_libraries() -> None:
    modules = loaded_by("import htr_tui.panel.app")
    assert "textual" in modules
    assert not modules.intersection(HEAVY)


def test_the_trial_screen_is_light_too() -> None:
    modules = loaded_by("import htr_tui.panel.screens.trial")
    assert not modules.intersection(set(HEAVY) - {"numpy", "PIL"})


@pytest.mark.parametrize("module", ["devices", "diagnosis", "new_trials", "preview"])
def test_screens_and_dialogs_that_come_later_are_light_too(module: str) -> None:
    modules = loaded_by(f"import htr_tui.panel.screens.{module}")
    assert not modules.intersection(HEAVY)


def test_what_asks_the_machine_is_loaded_when_it_is_asked() -> None:
    assert not loaded_by("import htr_tui.panel.app").intersection({"psutil"})
    assert not loaded_by("import htr_tui.panel.feeds.machine_sampler").intersection(set(HEAVY) - {"pynvml"})
