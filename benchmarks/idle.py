"""What a supervisor costs while it has nothing to do but watch: four running trials.

    python -m benchmarks.idle [--seconds 60]

CPU of the supervisor, its four runners and its MLflow mirror, each in percent of one core, from /proc. `quiet`: the trainers
stand at a gate and write nothing. `usual`: each writes a progress event a second, and metrics, a sample and a checkpoint
every four.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.process_use import cpu_of, resident_bytes
from htr_tui.files import read_json
from htr_tui.processes.presence import read_presence
from tests.fakes.launching import FakeStudy, fake_study
from tests.fakes.waiting import wait_for

PARALLEL = 4
SETTLE_S, WINDOW_S, QUIET_SHARE = 90.0, 12.0, 0.08
"""A process has settled when all took less than this share of a core for a window; waited for at most so long."""
MIRROR = {"uri": "sqlite:///runs/mlflow.db"}
WORKLOADS: dict[str, tuple[str, ...]] = {
    "quiet": ("--epochs", "2"),
    "usual": ("--epochs", "100000", "--pace", "4"),
}


@contextmanager
def four_running(folder: Path, *options: str, gate: int, **changes: Any) -> Iterator[FakeStudy]:
    """A launched study with four trials running; ended at once afterwards."""
    study = fake_study(
        folder, *options, gate=gate, budget={"trials": PARALLEL}, resources={"parallel": PARALLEL}, **changes
    )
    study.cli("run", str(study.file))
    try:
        wait_for(lambda: all(study.paths.attempt(n, 1).events.exists() for n in range(PARALLEL)), 60, "four trials")
        yield study
    finally:
        beside = helpers(study)
        study.cli("stop", "fake", "--now")
        study.wait_until_ended(60)
        psutil.wait_procs([psutil.Process(pid) for pid in beside.values() if psutil.pid_exists(pid)], timeout=60)


def helpers(study: FakeStudy) -> dict[str, int]:
    """Pids of what belongs to the supervisor, by name; not of the trainers."""
    presence = read_presence(study.paths.supervisor)
    assert presence is not None, "the supervisor is there"
    found = {"supervisor": presence.pid}
    for number in range(PARALLEL):
        found[f"runner {number}"] = int((read_json(study.paths.attempt(number, 1).runner) or {})["pid"])
    for child in psutil.Process(presence.pid).children():
        if any("mirror" in word for word in child.cmdline()):
            found["mirror"] = child.pid
    return found


def settle(pids: Collection[int]) -> None:
    """Wait until imports, the making of databases and the quick samples of young runners are over."""
    end = time.monotonic() + SETTLE_S
    while True:
        before = sum(cpu_of(pid).own for pid in pids)
        time.sleep(WINDOW_S)
        used = sum(cpu_of(pid).own for pid in pids) - before
        if used < QUIET_SHARE * WINDOW_S or time.monotonic() > end:
            return


def measure(study: FakeStudy, seconds: float) -> dict[str, tuple[float, int]]:
    """(percent of a core, resident bytes) by process; the runners together."""
    wait_for(lambda: all((study.paths.trial(n) / "tracking.json").exists() for n in range(PARALLEL)), 120, "the mirror")
    pids = helpers(study)
    settle(pids.values())
    before, start = {name: cpu_of(pid) for name, pid in pids.items()}, time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - start
    figures: dict[str, tuple[float, int]] = {}
    for name, pid in pids.items():
        group = "runners, together" if name.startswith("runner") else name
        percent = 100.0 * (cpu_of(pid) - before[name]).own / elapsed
        old = figures.get(group, (0.0, 0))
        figures[group] = (old[0] + percent, old[1] + resident_bytes(pid))
    return figures


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args(argv)
    print(f"{PARALLEL} running trials, {args.seconds:.0f} s each; Python {sys.version.split()[0]}\n")
    print("| trials | process | % of a core | resident MB |\n| --- | --- | --- | --- |")
    for workload, options in WORKLOADS.items():
        gate = 1 if workload == "quiet" else 1_000_000
        with (
            tempfile.TemporaryDirectory(prefix="idle-") as folder,
            four_running(Path(folder) / "work", *options, gate=gate, tracking=MIRROR) as study,
        ):
            figures = measure(study, args.seconds)
        for name, (percent, memory) in figures.items():
            print(f"| {workload} | {name} | {percent:.2f} | {memory / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
