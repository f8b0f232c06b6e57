"""`htr-gan data`: lines of handwriting in a folder, to look at or to train on with `data.path`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from PIL import Image

from htr_gan.config.load import load_config
from htr_gan.data.cache import HELD_OUT, TRAIN, write_lines
from htr_gan.data.lines import LineSet, read_lines
from htr_gan.errors import EXIT_STOPPED, StopRequested, UsageError
from htr_gan.stop import StopFlag


def run_data(arguments: Namespace) -> int:
    """The exit status: 0 written, 143 stopped."""
    config = load_config(arguments.config, arguments.overrides)
    if arguments.png < 0:
        raise UsageError(f"--png {arguments.png}: a number of lines is expected")
    stop = StopFlag()
    stop.listen()
    out: Path = arguments.out
    try:
        write_lines(config.data, out, stop.check)
    except StopRequested:
        return EXIT_STOPPED
    for split in (TRAIN, HELD_OUT):
        lines = read_lines(out / split, with_degraded=True)
        _write_pictures(lines, out / split / "png", arguments.png)
        print(f"{out / split}: {len(lines)} lines of {lines.clean.shape[1]} x {lines.clean.shape[2]} pixels")
    return 0


def _write_pictures(lines: LineSet, folder: Path, count: int) -> None:
    if not count or lines.degraded is None:
        return
    folder.mkdir(exist_ok=True)
    for index in range(min(count, len(lines))):
        Image.fromarray(lines.clean[index]).save(folder / f"{index:05d}-clean.png")
        Image.fromarray(lines.degraded[index]).save(folder / f"{index:05d}-degraded.png")
        (folder / f"{index:05d}.txt").write_text(lines.texts[index] + "\n", encoding="utf-8")
