"""Study folders of any size, without running anything: `python -m tests.fakes.studies RUNS --studies 20`."""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from htr_tui.files import write_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.identity import ProcessIdentity
from tests.fakes.attempts import DEAD_PROCESS, GIB, AttemptStory, write_attempt
from tests.fakes.trainer import metrics_at, quality_of

EPOCH_S = 40.0
OBJECTIVE = "val/psnr + val/ssim - 100 * val/cer"
SPACE = {"loss.pixel": (10.0, 150.0), "loss.rec_feat": (10.0, 100.0), "loss.adv": (0.5, 5.0)}
SHARE = {"complete": 1.0, "pruned": 0.4, "failed": 0.9, "stopped": 0.5, "running": 0.6}
"""How far a trial of each state came, as a share of its epochs."""

Supervisor = Literal["alive", "dead", "ended"]


@dataclass
class _Journal:
    """Lines of a journal, with the clock that stamps them."""

    epochs: int
    findings: bool
    t: float
    lines: list[str] = field(default_factory=list)
    stories: list[AttemptStory] = field(default_factory=list)

    def add(self, event: str, **fields: Any) -> None:
        self.lines.append(json.dumps({"t": round(self.t, 3), "event": event, **fields}))

    def add_trial(self, number: int, state: str, params: dict[str, Any], keep: bool) -> None:
        """All that happened to a trial; some fail first and are retried with a fix."""
        self.add("trial_created", trial=number, params=params, label=None, set={})
        if state == "queued":
            return
        last = max(1, round(self.epochs * SHARE[state])) if self.epochs else 0
        attempt, fix_set = 1, dict[str, Any]()
        if number % 17 == 5 and self.findings and last > 1:
            self._attempt(number, 1, "failed", params, {}, 1, max(1, last // 2), keep)
            fix_set = {"train.batch": 4, "train.accumulation": 2}
            self.add("trial_queued", trial=number, reason="retry", fix="halve_batch", set=fix_set, env={}, fresh=False)
            attempt = 2
        first = max(1, last // 2) + 1 if attempt == 2 else 1
        values = self._attempt(number, attempt, state, params, fix_set, first, last, keep)
        if state != "running":
            category = "gpu_oom" if state == "failed" and self.findings else None
            told = [objective(values)] if state == "complete" and values else []
            self.add("trial_ended", trial=number, state=state, values=told, category=category)

    def _attempt(
        self, trial: int, number: int, state: str, params: dict[str, Any], overrides: dict[str, Any], first: int,
        last: int, keep: bool,
    ) -> dict[str, float]:  # fmt: skip
        started, quality = self.t, quality_of(params)
        reason, fix = ("retry", "halve_batch") if number > 1 else ("first", None)
        resume = number - 1 if number > 1 else None
        self.add(
            "attempt_started", trial=trial, attempt=number, reason=reason, fix=fix, set=overrides, env={},
            resume_from=resume, devices=["0"], slot=0,
        )  # fmt: skip
        values: dict[str, float] = {}
        for epoch in range(first, last + 1):
            self.t += EPOCH_S
            values = metrics_at(quality, epoch)
            self.lines.append(
                f'{{"t": {self.t:.3f}, "event": "attempt_reported", "trial": {trial}, "attempt": {number}, '
                f'"epoch": {epoch}, "epochs": {self.epochs}, "value": {objective(values):.6f}}}'
            )
        if state in ("pruned", "stopped"):
            why = "prune" if state == "pruned" else "stop"
            self.add("attempt_stopping", trial=trial, attempt=number, why=why)
        if state != "running":
            self._end(trial, number, state, last, values)
        if keep:
            seconds = self.t - started
            self.stories.append(
                AttemptStory(
                    trial, number, state, params, overrides, first, last, self.epochs, started, seconds, self.findings
                )
            )
        return values

    def _end(self, trial: int, number: int, state: str, last: int, values: dict[str, float]) -> None:
        found = state == "failed" and self.findings
        self.add(
            "attempt_ended", trial=trial, attempt=number, state=state,
            exit_code={"complete": 0, "failed": 1}.get(state, 143), signal=None, ended=round(self.t, 3), epoch=last,
            epochs=self.epochs, values=values, category="gpu_oom" if found else None,
            title="GPU out of memory" if found else None, suggested_fix="halve_batch" if found else None,
            peak_rss_bytes=3 * GIB, peak_gpu_bytes=10 * GIB,
        )  # fmt: skip


def objective(values: dict[str, float]) -> float:
    """`OBJECTIVE` of an epoch's metrics."""
    return values["val/psnr"] + values["val/ssim"] - 100 * values["val/cer"]


def build_study(
    runs: Path,
    name: str,
    trials: int = 100,
    epochs: int = 10,
    running: int = 1,
    failed: int | None = None,
    pruned: int | None = None,
    stopped: int = 0,
    queued: int = 0,
    findings: bool = True,
    full_attempts: int = 3,
    seed: int = 0,
    supervisor: Supervisor | None = None,
    now: float | None = None,
    log_bytes: int = 0,
    tracking_uri: str | None = None,
) -> StudyPaths:
    """A study of `trials`, of which by default 5 % failed and 25 % were pruned.

    Only `full_attempts` trials get attempt folders: one of each state first, then the newest.
    A supervisor that is `alive` is this process; the default is `alive` where trials run or wait, else `ended`.
    """
    paths, rng = StudyPaths(runs / name), random.Random(f"{seed} {name}")
    paths.commands.mkdir(parents=True)
    paths.trials.mkdir()
    states = list(_states(trials, running, failed, pruned, stopped, queued, rng))
    supervisor = supervisor or ("alive" if running or queued else "ended")
    total_s = EPOCH_S * epochs * sum(SHARE.get(state, 0.0) for state in states)
    journal = _Journal(epochs, findings, (time.time() if now is None else now) - total_s - 1)
    budget = {"trials": trials, "hours": 48}
    journal.add(
        "study_created", schema=1, study=name, source=f"/studies/{name}.yaml", source_sha256="0" * 64, budget=budget,
        objectives=[OBJECTIVE], directions=["maximize"], parameters=list(SPACE), tracking_uri=tracking_uri,
        experiment=name, storage=f"sqlite:///{runs}/optuna.db",
    )  # fmt: skip
    identity = ProcessIdentity.current().as_json() if supervisor == "alive" else DEAD_PROCESS
    journal.add("supervisor_started", **identity)
    kept = set(_most_telling(states, full_attempts))
    for number, state in enumerate(states):
        params = {key: round(rng.uniform(*bounds), 4) for key, bounds in SPACE.items()}
        journal.add_trial(number, state, params, number in kept)
    if supervisor == "ended":
        journal.add("supervisor_ended", reason="stopped" if stopped else "finished")
    paths.journal.write_text("\n".join(journal.lines) + "\n")
    ended = supervisor == "ended"
    write_json(paths.supervisor, {**identity, "started": time.time(), "heartbeat": time.time(), "ended": ended})
    paths.study_file.write_text(_study_file(name, trials))
    for story in journal.stories:
        write_attempt(paths.attempt(story.trial, story.number), story, log_bytes)
    return paths


def _states(
    trials: int, running: int, failed: int | None, pruned: int | None, stopped: int, queued: int, rng: random.Random
) -> Iterator[str]:
    """States by number: finished ones mixed, then stopped, running and queued ones."""
    done = max(0, trials - running - stopped - queued)
    failed = min(done, done // 20 if failed is None else failed)
    pruned = min(done - failed, done // 4 if pruned is None else pruned)
    mixed = ["failed"] * failed + ["pruned"] * pruned + ["complete"] * (done - failed - pruned)
    rng.shuffle(mixed)
    yield from mixed
    yield from ["stopped"] * stopped + ["running"] * running + ["queued"] * queued


def _most_telling(states: list[str], count: int) -> list[int]:
    newest = {state: number for number, state in enumerate(states) if state != "queued"}
    rest = [n for n in reversed(range(len(states))) if states[n] != "queued" and n not in newest.values()]
    return [*sorted(newest.values(), reverse=True), *rest][:count]


def _study_file(name: str, trials: int) -> str:
    space = "".join(f"    {key}: {{float: [{low}, {high}]}}\n" for key, (low, high) in SPACE.items())
    return (
        f"study: {name}\ntrainer:\n  command: [trainer, --out, '{{attempt_dir}}', '{{overrides}}']\n"
        f"search:\n  sampler: {{tpe: {{seed: 42}}}}\n  pruner: median\n  space:\n{space}"
        f"objective: {{maximize: '{OBJECTIVE}'}}\nbudget: {{trials: {trials}, hours: 48}}\n"
    )


def main() -> None:
    """Build many studies, for looking at them and for benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--studies", type=int, default=1)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--running", type=int, default=1, help="running trials of the first study")
    parser.add_argument("--full-attempts", type=int, default=3)
    parser.add_argument("--log-mb", type=int, default=0, help="size of each log")
    options = parser.parse_args()
    for index in range(options.studies):
        paths = build_study(
            options.runs, f"study-{index:02d}", options.trials, options.epochs,
            running=options.running if index == 0 else 0, full_attempts=options.full_attempts, seed=index,
            log_bytes=options.log_mb << 20,
        )  # fmt: skip
        print(os.fspath(paths.root))


if __name__ == "__main__":
    main()
