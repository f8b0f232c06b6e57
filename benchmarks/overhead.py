"""Supervisor overhead: from one trainer's end to the next one's first line of code, beside a plain `study.optimize` loop.

    python -m benchmarks.overhead [--trials 20] [--rounds 5]

Every system runs the same fake trainer (one epoch, no pace) one trial at a time, in rounds that take turns, so that a
busy moment of the machine hits all of them. The gap is seen from the trainers: the `end` event of one to the `start`
event of the next, which includes the exit of one Python and the start of another. CPU is that of the process that runs
the trials and all it started, less what the same trainers cost the bare loop.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.plain_loop import TRAINER_FOLDER
from benchmarks.process_use import CpuUse, cpu_of
from htr_tui.files import iterate_records, read_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.presence import read_presence
from tests.fakes.attempts_runner import TRAINER
from tests.fakes.launching import fake_study
from tests.fakes.waiting import wait_for

ROOT = Path(__file__).resolve().parents[1]
FIRST = 2
"""Trials before this one warm up: imports that come late, the first connection."""


@dataclass
class Measured:
    """One system over all rounds."""

    gaps: list[list[float]] = field(default_factory=list)
    """Seconds from end to start, a list a round."""
    cpu: list[float] = field(default_factory=list)
    """CPU seconds a trial of the whole tree, trainers included, one figure a round."""
    own_cpu: list[float] = field(default_factory=list)
    """Of the process that runs the trials alone."""
    stages: list[dict[str, float]] = field(default_factory=list)
    """Where a gap went, one dictionary a gap."""

    @property
    def all_gaps(self) -> list[float]:
        return sorted(gap for gaps in self.gaps for gap in gaps)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return sorted(values)[max(0, round(share * len(values) + 0.499999) - 1)]


def event_time(events: Path, kind: str) -> float | None:
    """When a trainer told its first event of a kind; None while it has not."""
    return next((float(r["t"]) for r in iterate_records(events) if r.get("kind") == kind), None)


def watch(measured: Measured, pid: int, events: Callable[[int], Path], trials: int) -> None:
    """Follow a study whose last trial hangs: CPU between the first trials and that one, and the gaps."""
    wait_for(lambda: event_time(events(FIRST), "start"), 120, "the first trials")
    first = FIRST + sum(1 for n in range(FIRST + 1, trials) if events(n).exists())
    before = cpu_of(pid)
    wait_for(lambda: event_time(events(trials - 1), "start"), 300, "the last trial")
    used: CpuUse = cpu_of(pid) - before
    count = trials - 1 - first
    measured.cpu.append((used.own + used.waited) / count)
    measured.own_cpu.append(used.own / count)
    times = [(event_time(events(n), "end"), event_time(events(n + 1), "start")) for n in range(FIRST, trials - 1)]
    measured.gaps.append([start - end for end, start in times if start is not None and end is not None])


def run_loop(measured: Measured, folder: Path, trials: int, *options: str) -> None:
    """The plain loop in a process of its own."""
    trainer = [sys.executable, str(TRAINER), "--epochs", "1", "--hang-at", "1", "--only-trial", str(trials - 1)]
    command = [sys.executable, "-m", "benchmarks.plain_loop", str(folder), "--trials", str(trials), *options, "--"]
    process = subprocess.Popen([*command, *trainer], cwd=ROOT)
    try:
        watch(measured, process.pid, lambda n: folder / TRAINER_FOLDER.format(n) / "events.jsonl", trials)
    finally:
        left = psutil.Process(process.pid).children()
        process.kill()
        process.wait()
        for child in left:
            child.kill()


def run_supervisor(measured: Measured, folder: Path, trials: int, **changes: Any) -> None:
    """Our supervisor, launched as users launch it."""
    options = ("--epochs", "1", "--hang-at", "1", "--only-trial", str(trials - 1))
    study = fake_study(folder, *options, budget={"trials": trials}, **changes)
    study.cli("run", str(study.file))
    presence = read_presence(study.paths.supervisor)
    assert presence is not None, "the supervisor is there"
    try:
        watch(measured, presence.pid, lambda n: study.paths.attempt(n, 1).events, trials)
        measured.stages += [stages_of(study.paths, n) for n in range(FIRST, trials - 1)]
    finally:
        beside = psutil.Process(presence.pid).children()  # the mirror goes on until all is told
        study.cli("stop", "fake", "--now")
        study.wait_until_ended(60)
        psutil.wait_procs(beside, timeout=60)


def stages_of(paths: StudyPaths, trial: int) -> dict[str, float]:
    """Seconds of each step between a trial's last event and the next one's first."""
    ended, following = paths.attempt(trial, 1), paths.attempt(trial + 1, 1)
    journal = {
        (r["event"], r["trial"]): float(r["t"])
        for r in iterate_records(paths.journal)
        if r.get("trial") in (trial, trial + 1)
    }
    end, start = event_time(ended.events, "end"), event_time(following.events, "start")
    exit_record, runner = read_json(ended.exit), read_json(following.runner)
    assert end is not None
    assert start is not None
    assert exit_record is not None
    assert runner is not None
    moments = [
        ("trainer exits, the runner sweeps", float(exit_record["end"])),
        ("exit.json, the supervisor wakes, triage", journal["attempt_ended", trial]),
        ("end told to Optuna, next trial drawn", journal["trial_created", trial + 1]),
        ("folder and journal of the next attempt", journal["attempt_started", trial + 1]),
        ("the runner's Python starts", float(runner["started"])),
        ("the trainer's Python starts", start),
    ]
    stages, before = {}, end
    for name, moment in moments:
        stages[name], before = moment - before, moment
    return stages


def print_table(systems: dict[str, Measured]) -> None:
    """The systems side by side; ratios are medians over rounds, each within its round."""
    peer, bare = systems["study.optimize, Optuna's defaults"], systems["loop without Optuna"]
    trainers = statistics.median(a - b for a, b in zip(bare.cpu, bare.own_cpu, strict=True))
    print("| system | p50 ms | p95 ms | against study.optimize | own CPU ms a trial | with the runners |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, found in systems.items():
        gaps = found.all_gaps
        pairs = zip(found.gaps, peer.gaps, strict=True)
        ratio = statistics.median(statistics.median(a) / statistics.median(b) for a, b in pairs)
        own = statistics.median(found.own_cpu)
        tree = own if not found.stages else statistics.median(found.cpu) - trainers
        print(
            f"| {name} | {percentile(gaps, 0.5) * 1000:.0f} | {percentile(gaps, 0.95) * 1000:.0f} | {ratio:.2f} "
            f"| {own * 1000:.0f} | {tree * 1000:.0f} |"
        )


def print_stages(stages: list[dict[str, float]]) -> None:
    """Where the supervisor's gap goes."""
    print("\n| between two trials | median ms |\n| --- | --- |")
    for name in stages[0]:
        print(f"| {name} | {statistics.median(stage[name] for stage in stages) * 1000:.1f} |")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mirror", action="store_true", help="also with the MLflow mirror beside the supervisor")
    args = parser.parse_args(argv)
    runs: dict[str, Callable[[Measured, Path], None]] = {
        "loop without Optuna": lambda m, f: run_loop(m, f, args.trials, "--no-study"),
        "study.optimize, Optuna's defaults": lambda m, f: run_loop(m, f, args.trials),
        "study.optimize, WAL as ours": lambda m, f: run_loop(m, f, args.trials, "--wal"),
        "supervisor": lambda m, f: run_supervisor(m, f, args.trials),
    }
    if args.mirror:
        tracking = {"uri": "sqlite:///runs/mlflow.db"}
        runs["supervisor, MLflow mirror"] = lambda m, f: run_supervisor(m, f, args.trials, tracking=tracking)
    systems = {name: Measured() for name in runs}
    for _ in range(args.rounds):
        for name, run in runs.items():
            with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
                run(systems[name], Path(folder) / "work")
    print(f"{args.trials} trials, {args.rounds} rounds")
    print_table(systems)
    print_stages(systems["supervisor"].stages)


if __name__ == "__main__":
    main()
