"""How well the tiny preset reads and restores: recogniser CER, and the GAN against no and against classic restoration.

    .venv/bin/python benchmarks/tiny_gan.py --seeds 1 2 3

Prints Markdown tables and one line of JSON. Each run is `htr-gan train` as users start it, in a process of its own; all runs
share one recogniser, and each seed has its own initial weights and data order on the same lines. The first run may render lines
and train the recogniser too; with HTR_GAN_CACHE naming a folder where they are, it does not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


SYSTEMS = ("degraded", "background", "restored", "clean")
PSNR_DB, CER = 22.5, 0.15
"""What counts as good, for the seconds to get there."""


def measure(run: Path) -> dict[str, dict[str, dict[str, float]]]:
    """The last checkpoint by `htr-gan evaluate`: each system's metrics with their intervals over lines."""
    command = [sys.executable, "-m", "htr_gan", "evaluate", str(run), "--checkpoint", "last", "--json"]
    found: dict[str, dict[str, dict[str, float]]] = json.loads(output_of(command))["systems"]
    return found


def output_of(command: list[str]) -> str:
    """What a command prints; its errors if it fails."""
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def seconds_to_target(out: Path, started: float) -> float | None:
    """Wall seconds from the start of the process to the first epoch, validation included, that is good enough."""
    for line in (out / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        values = event.get("values", {})
        if event["kind"] == "metrics" and values.get("val/psnr", 0.0) >= PSNR_DB and values["val/cer"] <= CER:
            return float(event["t"]) - started
    return None


def train(config: Path, out: Path, overrides: list[str]) -> dict[str, Any]:
    """One run of the trainer; its last metrics, wall and CPU seconds."""
    command = [sys.executable, "-m", "htr_gan", "train", str(config), "--out", str(out)]
    for override in overrides:
        command += ["--set", override]
    started, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    output_of(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    epochs = json.loads((out / "history.json").read_text())["epochs"]
    seconds = {"wall_s": time.time() - started, "cpu_s": cpu, "target_s": seconds_to_target(out, started)}
    return {**epochs[-1]["values"], **seconds, "steps": epochs[-1]["step"]}


def spread(values: list[float], digits: int, scale: float = 1.0) -> str:
    """Mean and range as text."""
    scaled = [value * scale for value in values]
    if len(scaled) == 1:
        return f"{scaled[0]:.{digits}f}"
    return f"{statistics.mean(scaled):.{digits}f} ({min(scaled):.{digits}f} to {max(scaled):.{digits}f})"


def row(name: str, runs: list[dict[str, Any]]) -> str:
    """One line of the table."""
    cells = [
        spread([run[metric] for run in runs], digits, scale) if metric in runs[0] else ""
        for metric, digits, scale in COLUMNS
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


COLUMNS = (("val/psnr", 2, 1.0), ("val/ssim", 3, 1.0), ("val/cer", 1, 100.0), ("val/wer", 1, 100.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "gan" / "tiny.yaml")
    parser.add_argument("--recognizer", type=Path, default=ROOT / "configs" / "recognizer" / "tiny.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, help="instead of those of the configuration")
    parser.add_argument("--reader-seeds", type=int, nargs="*", default=[], help="also train recognisers of these seeds")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    overrides = list(arguments.overrides)
    if arguments.epochs:
        overrides.append(f"train.epochs={arguments.epochs}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="tiny-gan-") as name:
        folder = Path(name)
        os.environ.setdefault("HTR_GAN_CACHE", str(folder / "cache"))
        readers = {
            seed: train(arguments.recognizer, folder / f"reader-{seed}", [f"seed={seed}"])
            for seed in arguments.reader_seeds
        }
        runs = {
            seed: train(arguments.config, folder / f"gan-{seed}", [*overrides, f"seed={seed}"])
            for seed in arguments.seeds
        }
        measured = {seed: measure(folder / f"gan-{seed}") for seed in runs}
    print_tables(runs, measured, readers)
    record = {"config": str(arguments.config), "overrides": overrides, "runs": runs, "recognisers": readers}
    print(json.dumps({**record, "measured": measured}))


def print_tables(
    runs: dict[int, dict[str, Any]], measured: dict[int, dict[str, Any]], readers: dict[int, dict[str, Any]]
) -> None:
    """The methods side by side, then each seed with its interval over lines and its cost."""
    print("| held-out lines | PSNR dB | SSIM | CER % | WER % |\n|---|---|---|---|---|")
    others = next(iter(measured.values()))
    for name in SYSTEMS:
        if name == "restored":
            steps = next(iter(runs.values()))["steps"]
            print(row(f"GAN, {steps} steps, {len(runs)} seeds", list(runs.values())))
        elif name in others:
            print(row(name, [{f"val/{metric}": figure["value"] for metric, figure in others[name].items()}]))
    print("\n| seed | PSNR dB | CER % (95 % of lines) | CPU-s | wall s | wall s to target |\n|---|---|---|---|---|---|")
    for seed, run in runs.items():
        cer = measured[seed]["restored"]["cer"]
        rate = f"{cer['value'] * 100:.1f} ({cer['low'] * 100:.1f} to {cer['high'] * 100:.1f})"
        target = "-" if run["target_s"] is None else f"{run['target_s']:.0f}"
        print(f"| {seed} | {run['val/psnr']:.2f} | {rate} | {run['cpu_s']:.0f} | {run['wall_s']:.0f} | {target} |")
    if readers:
        rates = ", ".join(f"{seed}: {run['val/cer'] * 100:.1f}" for seed, run in readers.items())
        print(f"\nRecogniser, CER % on held-out clean lines, by seed: {rates}")


if __name__ == "__main__":
    main()
