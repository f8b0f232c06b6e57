"""Reading a long journal: the whole, reading on, and the memory of who reads it.

    python -m benchmarks.journal [--rounds 3] [--trials 50000]

Each figure comes from a process of its own (`--part`), on studies of 10 epochs a trial in the usual mix (5 % failed and
partly retried, 25 % pruned): one with about 100,000 events and one with 50,000 trials. Memory is what the process grew by, from
after its imports to after the work.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.process_use import resident_bytes
from htr_tui.files import LineAppender, TailReader
from htr_tui.journal.fold import JournalReader
from htr_tui.journal.paths import StudyPaths
from htr_tui.study.loading import load_study
from tests.fakes.studies import build_study

EVENTS_A_TRIAL = 12.9
READ_ON_ROUNDS = 15
Figures = dict[str, float]


def own_memory() -> int:
    """Resident bytes of this process, without what is only waiting to be freed."""
    import os

    gc.collect()
    return resident_bytes(os.getpid())


def fresh_copy(journal: Path, folder: Path) -> Path:
    """A journal that may be written to."""
    copy = folder / "journal.jsonl"
    copy.write_bytes(journal.read_bytes())
    return copy


def new_reports(running: list[int], count: int) -> list[dict[str, Any]]:
    """What running trials report next."""
    fields = {"event": "attempt_reported", "attempt": 1, "epochs": 1000}
    return [
        {"t": 2e9, "trial": running[i % len(running)], "epoch": 100 + i, "value": 1.5, **fields} for i in range(count)
    ]


def read_whole(journal: Path) -> Figures:
    """Fold it, and read on 1 and 100 new events as the supervisor's readers do."""
    before, start = own_memory(), time.process_time()
    reader = JournalReader(journal)
    reader.refresh()
    fold = reader.fold
    figures: Figures = {"events": fold.version, "trials": len(fold.trials), "cpu_s": time.process_time() - start}
    figures["memory_bytes"] = own_memory() - before
    with tempfile.TemporaryDirectory() as folder:
        copy = fresh_copy(journal, Path(folder))
        follower = JournalReader(copy)
        follower.refresh()
        figures |= read_on(follower, copy, 1) | read_on(follower, copy, 100)
    figures["tick_questions_us"] = questions(reader)
    return figures


def read_on(reader: JournalReader, journal: Path, count: int) -> Figures:
    """Milliseconds from new lines to the trials that changed, and what had to be read and made anew for them."""
    tail: TailReader = reader._tail
    appender = LineAppender(journal, durable=False)
    running = [trial.number for trial in reader.fold.in_state("running")]
    times, read, made = [], 0, 0
    for _ in range(READ_ON_ROUNDS):
        appender.append(*new_reports(running, count))
        known, version, offset = dict(reader.fold.trials), reader.fold.version, tail.offset
        start = time.perf_counter()
        reader.refresh()
        changed = reader.fold.changed_since(version)
        reader.fold.best()
        times.append(time.perf_counter() - start)
        read += tail.offset - offset
        made += sum(1 for number, trial in reader.fold.trials.items() if known[number] is not trial)
        assert len(changed) == min(count, len(running))
    appender.close()
    return {
        f"read_on_{count}_ms": statistics.median(times) * 1000,
        f"read_on_{count}_bytes": read / READ_ON_ROUNDS,
        f"read_on_{count}_records": made / READ_ON_ROUNDS,
    }


def questions(reader: JournalReader) -> float:
    """Microseconds of all that a supervisor asks the fold in one tick."""
    from htr_tui.supervisor import decide

    fold, rounds = reader.fold, 200
    start = time.perf_counter()
    for _ in range(rounds):
        [trial.last_attempt for trial in fold.in_state("running")]
        decide.failing_alike(fold, 3)
        decide.next_queued(fold)
        decide.end_of_study(fold, wants_more=decide.wants_new_trial(fold, hours_used=0.0, exhausted=False))
    return (time.perf_counter() - start) / rounds * 1e6


def read_as_panel(journal: Path) -> Figures:
    """The panel's reader and store on the study, slice by slice as in the panel."""
    from htr_tui.panel.feeds.study import StudyFollower
    from htr_tui.panel.store import Store

    with tempfile.TemporaryDirectory() as folder:
        copy = fresh_copy(journal, Path(folder))
        before, start = own_memory(), time.process_time()
        store, follower = Store(), StudyFollower(StudyPaths(copy.parent))
        slices = 0
        while not follower.view.is_loaded:
            follower.refresh(time.time())
            store.put_study(follower.view, follower.changed, is_reset=follower.is_reset)
            slices += 1
        figures: Figures = {"cpu_s": time.process_time() - start, "slices": slices}
        figures["memory_bytes"] = own_memory() - before
        figures["process_bytes"] = own_memory()
        appender = LineAppender(copy, durable=False)
        times = []
        for _ in range(READ_ON_ROUNDS):
            appender.append(*new_reports(list(follower.view.running), 1))
            start = time.perf_counter()
            follower.refresh(time.time())
            store.put_study(follower.view, follower.changed, is_reset=follower.is_reset)
            times.append(time.perf_counter() - start)
        return {**figures, "read_on_1_ms": statistics.median(times) * 1000}


def remember_as_supervisor(journal: Path) -> Figures:
    """A supervisor that has run all these trials: its fold, and the sampler's memory in Optuna's SQLite file."""
    from benchmarks.optuna_bulk import fill_storage
    from htr_tui.supervisor.memory import SearchMemory

    paths = StudyPaths(journal.parent)
    spec = load_study(paths.study_file)
    reader = JournalReader(journal)
    reader.refresh()
    database = Path(str(reader.fold.facts.storage).removeprefix("sqlite:///"))
    if not database.exists():
        fill_storage(database, spec, reader.fold)
        return {}
    figures: Figures = {"with_fold_bytes": own_memory()}
    memory = SearchMemory(spec, paths, lambda level, text: print(level, text, file=sys.stderr))
    start = time.process_time()
    memory.connect(reader.fold)
    figures |= {"connect_cpu_s": time.process_time() - start, "with_optuna_bytes": own_memory()}
    start = time.process_time()
    memory.heal(reader.fold)
    asked, _ = memory.ask(reader.fold)
    assert asked is not None
    return {**figures, "ask_cpu_s": time.process_time() - start, "after_ask_bytes": own_memory()}


def optuna_alone(journal: Path) -> Figures:
    """Optuna by itself on the same file: what its own memory of the trials takes, without anything of ours."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    before, start = own_memory(), time.process_time()
    study = optuna.load_study(
        study_name=journal.parent.name,
        storage=f"sqlite:///{journal.parent.parent / 'optuna.db'}",
        sampler=optuna.samplers.TPESampler(seed=1),
    )
    count = len(study.get_trials(deepcopy=False))
    figures: Figures = {
        "trials": count,
        "load_cpu_s": time.process_time() - start,
        "memory_bytes": own_memory() - before,
    }
    start = time.process_time()
    trial = study.ask()
    for name in ("loss.pixel", "loss.rec_feat", "loss.adv"):
        trial.suggest_float(
            name, 0.5 if name == "loss.adv" else 10, {"loss.pixel": 150, "loss.rec_feat": 100}.get(name, 5)
        )
    return {**figures, "ask_cpu_s": time.process_time() - start, "after_ask_bytes": own_memory() - before}


PARTS: dict[str, Callable[[Path], Figures]] = {
    "fold": read_whole,
    "panel": read_as_panel,
    "supervisor": remember_as_supervisor,
    "optuna": optuna_alone,
}


def measure(part: str, journal: Path, rounds: int) -> Figures:
    """A part in processes of its own: medians over the rounds."""
    found = []
    for _ in range(rounds):
        command = [sys.executable, "-m", "benchmarks.journal", "--part", part, "--journal", str(journal)]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        found.append(json.loads(output))
    return {key: statistics.median(figures[key] for figures in found) for key in found[0]}


def print_rows(title: str, figures: Figures) -> None:
    """Figures with their units."""
    print(f"\n| {title} | |\n| --- | --- |")
    for name, value in figures.items():
        if name.endswith("_bytes") and value > 1e5:
            print(f"| {name.removesuffix('_bytes')} | {value / 1e6:,.0f} MB |")
        else:
            print(f"| {name} | {value:,.0f} |" if value >= 1000 else f"| {name} | {value:.3g} |")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--part", choices=tuple(PARTS), help="measure one thing in this process and print JSON")
    parser.add_argument("--journal", type=Path)
    args = parser.parse_args(argv)
    if args.part:
        print(json.dumps(PARTS[args.part](args.journal)))
        return
    with tempfile.TemporaryDirectory(prefix="journal-") as folder:
        runs = Path(folder) / "runs"
        short = build_study(runs, "events", trials=round(args.events / EVENTS_A_TRIAL), running=4, full_attempts=0)
        long = build_study(runs, "long", trials=args.trials, running=4, full_attempts=0)
        for paths in (short, long):
            print_rows(f"fold, {paths.root.name}", measure("fold", paths.journal, args.rounds))
            print_rows(f"panel, {paths.root.name}", measure("panel", paths.journal, args.rounds))
        measure("supervisor", long.journal, 1)  # makes the database
        print_rows("supervisor's memory, long", measure("supervisor", long.journal, 1))
        print_rows("Optuna alone, long", measure("optuna", long.journal, 1))


if __name__ == "__main__":
    main()
