"""`python -m tests.chaos`: real studies, disturbed in every way we know, must lose nothing. `make chaos` runs it.

Round N of a run with --seed S has the seed S + N; the same seed strikes the same way (what it hits depends on timing).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from tests.chaos import report
from tests.chaos.plan import Round, Shares, draw, tour
from tests.chaos.processes import become_reaper
from tests.chaos.rounds import Outcome, run_round
from tests.chaos.stage import can_mount
from tests.chaos.strikes import STRIKES, weights


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The options."""
    p = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    p.add_argument("--rounds", type=int, default=500)
    p.add_argument("--seed", type=int, help="of the first round; default: the time")
    p.add_argument("--workers", type=int, default=max(1, min(4, (os.cpu_count() or 2) + 1)))
    p.add_argument("--minutes", type=float, help="start no round after this")
    p.add_argument("--tour", action="store_true", help="ten rounds that strike in every way, instead of --rounds")
    p.add_argument("--only", action="append", choices=sorted(STRIKES), help="draw only these kinds")
    p.add_argument("--cheap", action="store_true", help="no panel, no MLflow, no real start: quick rounds only")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    p.add_argument("--verbose", action="store_true", help="tell the story of every round")
    return p.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """All rounds; 0 if none failed."""
    options = parse(argv)
    first = options.seed if options.seed is not None else int(time.time())
    root = Path(tempfile.mkdtemp(prefix="htr-chaos-"))
    began = time.monotonic()
    with_disk = can_mount()
    if not with_disk:
        print("the full disk is left out: mounting a small one needs root", flush=True)
    kinds = {kind: weight or 1.0 for kind, weight in weights().items() if not options.only or kind in options.only}
    shares = Shares(panel=0, tracking=0, http=0, real_start=0) if options.cheap else Shares()
    if options.tour:
        plans = iter(planned := tour(first, kinds, can_mount=with_disk))
        options.rounds = len(planned)
    else:
        seeds = range(first, first + options.rounds)
        plans = (draw(seed, kinds, can_mount=with_disk, shares=shares) for seed in seeds)
    print(f"{options.rounds} rounds from seed {first}, {options.workers} workers, in {root}", flush=True)
    _shut_out_settings(root)
    try:
        template = None if options.cheap else tracking_template(root)
        outcomes = play(options, plans, root, template)
    finally:
        if not any(root.glob("round-*")):
            shutil.rmtree(root, ignore_errors=True)
    figures = {"first_seed": first, **report.summary(outcomes, time.monotonic() - began)}
    print(report.summary_text(figures), flush=True)
    if options.json is not None:
        report.write_json(options.json, figures, outcomes)
    return 1 if figures["failed_rounds"] or not outcomes else 0


def play(options: argparse.Namespace, plans: Iterator[Round], root: Path, template: Path | None) -> list[Outcome]:
    """Rounds in worker processes, no more of them ahead than there are workers."""
    outcomes: list[Outcome] = []
    pending: set[Future[Outcome]] = set()
    deadline = time.monotonic() + 60 * options.minutes if options.minutes else None
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, mp_context=context, initializer=become_reaper) as pool:
        while True:
            is_late = deadline is not None and time.monotonic() > deadline
            while not is_late and len(pending) < options.workers and (plan := next(plans, None)) is not None:
                pending.add(pool.submit(run_round, plan, root, template))
            if not pending:
                return outcomes
            ended, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in ended:
                outcomes.append(outcome := future.result())
                _tell(outcome, len(outcomes), options)


def _tell(outcome: Outcome, count: int, options: argparse.Namespace) -> None:
    if outcome.broken or options.verbose:
        print(report.story(outcome) if outcome.broken else "\n".join(outcome.told), flush=True)
    hits = " ".join(f"{kind}*{n}" if n > 1 else kind for kind, n in sorted(outcome.strikes.items()))
    print(
        f"[{count}/{options.rounds}] seed {outcome.seed} {'FAILED' if outcome.broken else 'ok'}"
        f" {outcome.seconds:.1f} s {outcome.cpu_s:.1f} CPU-s: {hits or 'undisturbed'}",
        flush=True,
    )


def _shut_out_settings(root: Path) -> None:
    """The user's own settings change nothing here; threads of numeric libraries would not survive a fork."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "HTR_", "OPTUNA_", "TEXTUAL", "XDG_", "SLURM_", "CUDA_")):
            del os.environ[name]
    os.environ |= {
        "HOME": str(root),
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def tracking_template(root: Path) -> Path:
    """An empty MLflow database, made once: making one costs more than a whole round."""
    file = root / "template.db"
    code = f"import mlflow; mlflow.MlflowClient('sqlite:///{file}').search_experiments()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, cwd=root)
    return file


if __name__ == "__main__":
    sys.exit(main())
