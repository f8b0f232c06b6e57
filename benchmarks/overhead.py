"""Supervisor overhead: from one trainer's exit to the next trainer's first line of code.

    python -m benchmarks.overhead [--trials 30]

Trainers are the fake one (one epoch, no pace); times come from exit.json (`end`) and the next `start` event.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from htr_tui.files import iterate_records, read_json
from tests.fakes.launching import fake_study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = fake_study(Path(folder), "--epochs", "1", budget={"trials": args.trials})
        study.cli("run", str(study.file))
        study.wait_until_ended(600)
        gaps = []
        for trial in range(1, args.trials):
            before = read_json(study.paths.attempt(trial - 1, 1).exit)
            start = next(iterate_records(study.paths.attempt(trial, 1).events))
            assert before is not None
            gaps.append(start["t"] - before["end"])
    gaps.sort()
    print(f"exit -> next start over {len(gaps)} trials: p50 {statistics.median(gaps) * 1000:.0f} ms, ", end="")
    print(f"p95 {gaps[int(0.95 * (len(gaps) - 1))] * 1000:.0f} ms")


if __name__ == "__main__":
    main()
