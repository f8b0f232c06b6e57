"""How well the tiny preset reads and restores: recogniser CER, and the GAN against no and against classic restoration.

    .venv/bin/python benchmarks/tiny_gan.py --seeds 1 2 3

Prints a Markdown table and one line of JSON. Each run is `htr-gan train` as users start it, in a process of its own; all runs
share one recogniser, and each seed has its own initial weights and data order on the same lines.
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

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]


def divide_background(line: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Classic restoration: paper estimated by closing and blur, divided out, contrast stretched.

    The numbers are the best of 72 settings for CER on the held-out lines themselves, so in favour of this peer.
    """
    quiet = cv2.medianBlur(line, 3)
    closed = cv2.morphologyEx(quiet, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    paper = cv2.GaussianBlur(closed, (0, 0), 3).astype(np.float32)
    flat = cv2.GaussianBlur(quiet, (0, 0), 0.5).astype(np.float32) / np.maximum(paper, 1.0)
    stretched: NDArray[np.float32] = np.clip((flat - 0.5) / 0.42, 0.0, 1.0).astype(np.float32)
    return stretched


def measure_without_learning(config_path: Path, overrides: list[str]) -> dict[str, dict[str, float]]:
    """The same metrics for the degraded lines as they are, for background division, and for the clean lines."""
    import tensorflow as tf

    from htr_gan.config.load import load_config
    from htr_gan.config.places import cache_folder
    from htr_gan.config.schema import GanConfig, RecognizerConfig
    from htr_gan.data.cache import HELD_OUT, load_lines
    from htr_gan.events import EventLog
    from htr_gan.metrics.picture import psnr, ssim
    from htr_gan.metrics.text import character_error_rate, word_error_rate
    from htr_gan.models.reading import read_greedy
    from htr_gan.stop import StopFlag
    from htr_gan.training.shared_recogniser import load_recogniser, provide_recogniser

    config = load_config(config_path, overrides)
    assert isinstance(config, GanConfig)
    wanted = load_config(config.recognizer.config)
    assert isinstance(wanted, RecognizerConfig)
    stored = provide_recogniser(config, wanted, EventLog(Path(os.devnull)), StopFlag())
    recogniser = load_recogniser(stored, config)
    lines = load_lines(config.data, HELD_OUT, cache_folder(config), lambda: None, lambda _: None, degraded=True)
    assert lines.degraded is not None
    clean = lines.clean.astype(np.float32)[..., None] / 255.0
    candidates = {
        "degraded": lines.degraded.astype(np.float32)[..., None] / 255.0,
        "background division": np.stack([divide_background(line) for line in lines.degraded])[..., None],
        "clean": clean,
    }
    table = {}
    for name, pictures in candidates.items():
        labels = read_greedy(recogniser(tf.constant(pictures), training=False)["logits"]).numpy()
        read = [stored.alphabet.decode(row) for row in labels]
        table[name] = {
            "val/psnr": float(np.mean(psnr(pictures, clean))),
            "val/ssim": float(np.mean(ssim(pictures, clean))),
            "val/cer": character_error_rate(read, lines.texts),
            "val/wer": word_error_rate(read, lines.texts),
        }
    return table


def train(config: Path, out: Path, overrides: list[str]) -> dict[str, Any]:
    """One run of the trainer; its last metrics, wall and CPU seconds."""
    command = [sys.executable, "-m", "htr_gan", "train", str(config), "--out", str(out)]
    for override in overrides:
        command += ["--set", override]
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    epochs = json.loads((out / "history.json").read_text())["epochs"]
    return {**epochs[-1]["values"], "wall_s": time.monotonic() - started, "cpu_s": cpu, "steps": epochs[-1]["step"]}


def spread(values: list[float], digits: int, scale: float = 1.0) -> str:
    """Mean and range as text."""
    scaled = [value * scale for value in values]
    if len(scaled) == 1:
        return f"{scaled[0]:.{digits}f}"
    return f"{statistics.mean(scaled):.{digits}f} ({min(scaled):.{digits}f} to {max(scaled):.{digits}f})"


def row(name: str, runs: list[dict[str, Any]]) -> str:
    """One line of the table."""
    cells = [spread([run[metric] for run in runs], digits, scale) for metric, digits, scale in COLUMNS]
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
        others = measure_without_learning(arguments.config, overrides)
    steps, wall = next(iter(runs.values()))["steps"], [run["wall_s"] for run in runs.values()]
    print("| held-out lines | PSNR dB | SSIM | CER % | WER % |\n|---|---|---|---|---|")
    for name, values in others.items():
        if name != "clean":
            print(row(name, [values]))
    print(row(f"GAN, {steps} steps, {len(runs)} seeds", list(runs.values())))
    print(f"| clean | | 1 | {others['clean']['val/cer'] * 100:.1f} | {others['clean']['val/wer'] * 100:.1f} |")
    if readers:
        rates = ", ".join(f"{seed}: {run['val/cer'] * 100:.1f}" for seed, run in readers.items())
        print(f"\nRecogniser, CER % on held-out clean lines, by seed: {rates}")
    print(f"\nSeconds a run (the first one may train the recogniser too): wall {', '.join(f'{s:.0f}' for s in wall)}")
    record = {"config": str(arguments.config), "overrides": overrides, "runs": runs, "recognisers": readers}
    print(json.dumps({**record, "others": others}))


if __name__ == "__main__":
    main()
