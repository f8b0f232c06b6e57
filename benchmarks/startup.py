"""Start-up, memory and idle cost of the commands and the panel, beside the plainest Textual app, alternating.

    python -m benchmarks.startup [--runs 7] [--probe PATH/tui_probe.py]

On 20 studies with 2,000 trials, one of them running (its heartbeat is this process). The panel rows need the terminal
probe; without it they are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from htr_tui.files import write_json
from htr_tui.processes.identity import ProcessIdentity
from tests.fakes.studies import build_study

PROBE = Path(os.environ.get("TUI_PROBE", Path(__file__).resolve().parents[2] / "shared/tools/tui_probe.py"))


def build(base: Path) -> None:
    """20 studies of 100 trials; the first one runs, supervised by us."""
    runs = base / "runs"
    for n in range(20):
        paths = build_study(runs, f"study-{n:02d}", trials=100, epochs=10, running=1 if n == 0 else 0, seed=n)
        if n == 0:
            record = ProcessIdentity.current().as_json()
            record |= {"started": time.time(), "heartbeat": time.time(), "ended": False}
            write_json(paths.supervisor, record)


def timed(argv: list[str]) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of a command."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, cpu


def probe(argv: list[str], ready: str, runs: int, idle: float) -> dict[str, Any]:
    """What the terminal probe says."""
    command = [sys.executable, str(PROBE), "--runs", str(runs), "--ready", ready, "--idle", str(idle)]
    command += ["--quit-keys", "q", "--json", "--", *argv]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    record = json.loads(output)
    assert isinstance(record, dict)
    return record


def commands(base: Path, runs: int) -> list[dict[str, Any]]:
    """The commands, alternating, so that a busy moment hits all of them."""
    table = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "plain Textual import": [sys.executable, "-c", "import textual.app, textual.widgets; textual.widgets.Static"],
        "htr-tui --version": [sys.executable, "-m", "htr_tui", "--version"],
        "htr-tui status": [sys.executable, "-m", "htr_tui", "--dir", str(base), "status"],
        "htr-tui trials": [sys.executable, "-m", "htr_tui", "--dir", str(base), "trials", "study-00"],
    }
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in table}
    for _ in range(runs):
        for name, argv in table.items():
            measured[name].append(timed(argv))
    rows = []
    for name, values in measured.items():
        wall, cpu = (statistics.median(v[i] for v in values) for i in (0, 1))
        rows.append({"what": name, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--idle", type=float, default=10.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        build(base)
        rows = commands(base, args.runs)
        print("| command | wall s (median) | CPU s |\n| --- | --- | --- |")
        for row in rows:
            print(f"| {row['what']} | {row['wall_s']} | {row['cpu_s']} |")
        if not PROBE.is_file():
            print(f"\nno terminal probe at {PROBE}: the panel is not measured")
            return
        plain = probe([sys.executable, "-m", "benchmarks.plain_app"], "ready", args.runs, args.idle)
        panel = probe([sys.executable, "-m", "htr_tui", str(base)], "study-19", args.runs, args.idle)
        print("\n```json")
        print(json.dumps({"plain": plain, "panel": panel}, indent=1))
        print("```")


if __name__ == "__main__":
    main()
