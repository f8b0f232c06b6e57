from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from htr_tui.processes import runner

LOADED = "import json, sys; sys.path.append(sys.argv[1]); import runner; print(json.dumps(list(sys.modules)))"


def test_the_runner_loads_little_because_every_trial_waits_for_it() -> None:
    folder = Path(runner.__file__).parent
    command = [sys.executable, "-I", "-S", "-c", LOADED, str(folder)]
    names = set(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
    assert "runner" in names
    assert names.isdisjoint({"pathlib", "typing", "socket", "site", "urllib", "dataclasses", "logging", "inspect"})
