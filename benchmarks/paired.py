"""Two settings compared run by run on the same seeds: an ablation with its interval.

    .venv/bin/python -m benchmarks.paired --study runs/ablation-contrastive --key loss.contrastive
    .venv/bin/python -m benchmarks.paired --runs f32-1 f32-2 f32-3 --against bf16-1 bf16-2 bf16-3

Each pair is measured by `htr-gan evaluate A B`, which gives the difference with an interval over lines; the last table has the mean over
the pairs with a 95 % t interval over seeds, which is the one that speaks of another training.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.tiny_gan import output_of

FIGURES = (("psnr", "PSNR dB", 1.0), ("ssim", "SSIM", 1.0), ("cer", "CER points", 100.0))
T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571}
"""Student's t for 95 % and so many degrees of freedom."""


def pairs_of_study(study: Path, key: str) -> list[tuple[str, Path, Path]]:
    """Complete trials that differ in `key` alone: (what they share, the smaller value's run, the larger value's run)."""
    study = study.resolve()
    place = ["--dir", str(study.parents[1])]
    listed = json.loads(output_of([sys.executable, "-m", "htr_tui", *place, "trials", study.name, "--json"]))["trials"]
    groups: dict[str, list[tuple[Any, Path]]] = {}
    for trial in listed:
        params = dict(trial["params"])
        value = params.pop(key)
        folder = study / "trials" / f"{trial['trial']:04d}" / f"attempt-{trial['attempts']}"
        if trial["state"] == "complete":
            groups.setdefault(", ".join(f"{k} {v}" for k, v in sorted(params.items())), []).append((value, folder))
    found = []
    for shared, members in groups.items():
        members.sort(key=lambda member: float(member[0]))
        if len(members) == 2:
            found.append((shared, members[0][1], members[1][1]))
    return found


def compare(first: Path, second: Path) -> dict[str, Any]:
    """Both runs on the held-out lines of the first, last checkpoints."""
    command = [sys.executable, "-m", "htr_gan", "evaluate", str(first), str(second), "--checkpoint", "last"]
    found: dict[str, Any] = json.loads(output_of([*command, "--checkpoint", "last", "--json"]))
    return found


def seed_interval(values: list[float]) -> str:
    """Mean with its 95 % t interval over the pairs."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:+.3f}"
    half = T95[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path)
    parser.add_argument("--key", help="the parameter that the pairs differ in")
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--against", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    if arguments.study:
        pairs = pairs_of_study(arguments.study, arguments.key)
    else:
        joined = zip(arguments.runs, arguments.against, strict=True)
        pairs = [(f"pair {number}", a, b) for number, (a, b) in enumerate(joined, start=1)]
    collected: dict[str, list[float]] = {figure: [] for figure, _, _ in FIGURES}
    print("| pair | " + " | ".join(title for _, title, _ in FIGURES) + " |\n|---|---|---|---|")
    for shared, first, second in pairs:
        found = compare(first, second)["differences"]["restored2 - restored"]
        cells = []
        for figure, _, scale in FIGURES:
            value, low, high = (found[figure][part] * scale for part in ("value", "low", "high"))
            collected[figure].append(value)
            cells.append(f"{value:+.3f} ({low:+.3f} to {high:+.3f})")
        print(f"| {shared} | " + " | ".join(cells) + " |")
    print("| mean, t interval over pairs | " + " | ".join(seed_interval(collected[f]) for f, _, _ in FIGURES) + " |")


if __name__ == "__main__":
    main()
