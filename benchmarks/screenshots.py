"""The pictures in screenshots/: the panel on real studies, trained here by the shipped trainer.

    python -m benchmarks.screenshots [--work FOLDER] [--out screenshots] [--restorer RUN --lines PACK ...]

With a run of configs/gan/real-lines.yaml and packs of real lines also a contact sheet of real lines. Runs the demo study, a study whose first attempts run out of memory (injected at batch 8, epoch 2), one whose attempts all do,
so that it pauses by itself, and has a fourth one running while the pictures are taken. Studies that are finished in the work folder are used again.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import yaml
from textual.pilot import Pilot

from htr_tui.cli.demo import lay_out_configs
from htr_tui.journal.fold import JournalReader
from htr_tui.journal.paths import StudyPaths
from htr_tui.panel.app import HtrApp

SIZE = (120, 36)
Steps = Callable[[Pilot[None]], Awaitable[None]]


def cli(base: Path, *arguments: str, expect: int = 0) -> None:
    """Run htr-tui and show what it prints."""
    status = subprocess.run([sys.executable, "-m", "htr_tui", "--dir", str(base), *arguments], check=False).returncode
    if status != expect:
        raise SystemExit(f"htr-tui {' '.join(arguments)} ended with status {status}")


def study_file(base: Path, name: str, trials: int, *, retries: bool = True, **trainer_env: str) -> Path:
    """A variation of the demo study."""
    study = yaml.safe_load((base / "configs/studies/demo.yaml").read_text())
    study["study"] = name
    study["budget"] = {"trials": trials}
    study["search"]["sampler"] = {"tpe": {"seed": trials, "n_startup_trials": 5}}
    study["tracking"]["experiment"] = name
    if trainer_env:
        study["trainer"]["env"] = trainer_env
    if not retries:
        study.pop("retries", None)
    file = base / f"{name}.yaml"
    file.write_text(yaml.safe_dump(study, sort_keys=False))
    return file


def is_done(base: Path, name: str) -> bool:
    """Whether the work folder has that study already: finished, or paused by itself."""
    reader = JournalReader(StudyPaths(base / "runs" / name).journal)
    reader.refresh()
    return reader.fold.ended_reason == "finished" or reader.fold.paused is not None


def wait_for_epoch(base: Path, name: str, epoch: int, trial: int, deadline_s: float = 900) -> None:
    """Until the study's newest trial, at least the one of that number, has reported that epoch and runs."""
    reader = JournalReader(StudyPaths(base / "runs" / name).journal)
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        reader.refresh()
        newest = reader.fold.trials.get(max(reader.fold.trials, default=-1))
        if newest is None or newest.number < trial:
            pass
        elif newest.state == "running" and (newest.epoch or 0) >= epoch:
            return
        time.sleep(0.5)
    raise SystemExit(f"{name} did not reach epoch {epoch} within {deadline_s} s")


async def settle(pilot: Pilot[None], seconds: float = 1.5) -> None:
    """Let feeds and workers come in."""
    await pilot.pause(seconds)


async def picture(
    base: Path, study: str | None, name: str, out: Path, steps: Steps, size: tuple[int, int] = SIZE
) -> None:
    """One picture, after some keys."""
    app = HtrApp(base, study)
    async with app.run_test(size=size) as pilot:
        await settle(pilot, 2.5)
        await steps(pilot)
        await settle(pilot)
        svg = app.export_screenshot(title="htr-tui")
    (out / f"{name}.svg").write_text(svg)
    print(f"{name}.svg", flush=True)


def keys(*names: str) -> Steps:
    """Steps that press keys, one at a time."""

    async def press(pilot: Pilot[None]) -> None:
        for name in names:
            await pilot.press(name)
            await settle(pilot, 0.8)

    return press


async def take_all(base: Path, out: Path) -> None:
    """Every screen and every tab."""
    await picture(base, None, "studies", out, keys())
    await picture(base, "loss-weights", "trials", out, keys())
    await picture(base, "loss-weights", "trials-80x24", out, keys(), (80, 24))
    await picture(base, "demo", "metrics", out, keys("end", "enter"))
    for tab, name in enumerate(("log", "pictures", "config", "finding", "system"), start=1):
        study = "out-of-memory" if name in ("finding", "config") else "demo"
        to_attempt = ["left_square_bracket"] if name == "finding" else []
        await picture(base, study, name, out, keys("end", "enter", *["tab"] * tab, *to_attempt))
    await picture(base, "hopeless", "paused", out, keys())
    await picture(base, "hopeless", "diagnosis", out, keys("D"))
    await picture(base, "demo", "help", out, keys("question_mark"))
    await picture(base, None, "launch", out, keys("l"))
    await picture(base, "demo", "palette", out, keys("ctrl+p"))


def contact_sheet(run: Path, out: Path, *more: str) -> None:
    """Best, median and worst lines of a run, as `htr-gan evaluate` draws them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "htr_gan", "evaluate", str(run), "--out", folder, "--sheet", "2", *more]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        shutil.copyfile(Path(folder) / "sheet.png", out)
    print(out.name, flush=True)


def best_run(base: Path, study: str) -> Path:
    """The newest attempt of the study's best trial."""
    paths = StudyPaths(base / "runs" / study)
    reader = JournalReader(paths.journal)
    reader.refresh()
    best = reader.fold.best()
    if best is None:
        raise SystemExit(f"{study} has no complete trial")
    return sorted((paths.root / "trials" / f"{best.number:04d}").glob("attempt-*"))[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "htr-tui-screenshots")
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--restorer", type=Path, help="a run of configs/gan/real-lines.yaml")
    parser.add_argument("--lines", type=Path, nargs="*", default=[], help="packs of real lines for its contact sheet")
    args = parser.parse_args()
    base = args.work.resolve()
    base.mkdir(parents=True, exist_ok=True)
    args.out.mkdir(exist_ok=True)
    lay_out_configs(base)
    if not is_done(base, "demo"):
        cli(base, "demo", "--headless")
    if not is_done(base, "out-of-memory"):
        cli(
            base, "run", str(study_file(base, "out-of-memory", 2, HTR_GAN_INJECT="oom:batch>=8@epoch2")), "--foreground"
        )
    if not is_done(base, "hopeless"):
        file = study_file(base, "hopeless", 6, retries=False, HTR_GAN_INJECT="oom:batch>=1@epoch1")
        cli(base, "run", str(file), "--foreground", expect=1)
    contact_sheet(best_run(base, "demo"), args.out / "synthetic-lines.png")
    if args.restorer:
        for pack in args.lines:
            contact_sheet(args.restorer, args.out / f"{pack.name}.png", "--data", str(pack), "--split", "test")
    cli(base, "run", str(study_file(base, "loss-weights", 6)))
    try:
        wait_for_epoch(base, "loss-weights", 2, trial=3)
        asyncio.run(take_all(base, args.out))
    finally:
        cli(base, "stop", "loss-weights")


if __name__ == "__main__":
    main()
