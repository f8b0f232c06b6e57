"""`htr-gan data`: lines of handwriting in a folder, to look at or to train on with `data.path`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from htr_gan.config.load import load_config
from htr_gan.config.places import cache_folder
from htr_gan.config.schema import Config, GanConfig
from htr_gan.data.cache import HELD_OUT, TRAIN, load_lines, write_lines
from htr_gan.data.line_pictures import write_pictures
from htr_gan.data.lines import LineSet, read_lines, write_set
from htr_gan.data.live import LivePictures, live_augmented
from htr_gan.data.pairs import live_pictures, load_pairs, on_white_paper
from htr_gan.errors import EXIT_STOPPED, StopRequested, UsageError
from htr_gan.files import folder_written_whole, sweep_leftovers
from htr_gan.stop import StopFlag


def run_data(arguments: Namespace) -> int:
    """The exit status: 0 written, 143 stopped."""
    config = load_config(arguments.config, arguments.overrides)
    if arguments.png < 0:
        raise UsageError(f"--png {arguments.png}: a number of lines is expected")
    out: Path = arguments.out
    if config.data.path is not None and config.data.path.resolve() == out.resolve():
        raise UsageError(f"--out {out}: that is data.path itself", "name another folder for the result")
    stop = StopFlag()
    stop.listen()
    try:
        if config.data.sources or config.data.path is not None:
            _write_given(config, out, stop)
        else:
            write_lines(config.data, out, stop.check)
    except StopRequested:
        return EXIT_STOPPED
    for split in (TRAIN, HELD_OUT):
        lines = read_lines(out / split, with_degraded=True)
        if arguments.png:
            live = _live(config, lines) if split == TRAIN else {}
            write_pictures(lines, out / split, arguments.png, live)
        print(f"{out / split}: {len(lines)} lines of {lines.clean.shape[1]} x {lines.clean.shape[2]} pixels")
    return 0


def _write_given(config: Config, out: Path, stop: StopFlag) -> None:
    """Lines that were imported, as the task would see them: for a GAN with a degraded side."""
    out.mkdir(parents=True, exist_ok=True)
    for split in (TRAIN, HELD_OUT):
        lines = _given_lines(config, split, stop)
        sweep_leftovers(out / split)
        with folder_written_whole(out / split) as fresh:
            write_set(fresh, lines)


def _given_lines(config: Config, split: str, stop: StopFlag) -> LineSet:
    cache = cache_folder(config)
    if isinstance(config, GanConfig):
        # A folder holds one degraded side; what other passes make of a line is in the pictures.
        data = config.data.model_copy(update={"degrade": "once"})
        return load_pairs(data, split, cache, stop.check, print)
    columns = config.model.columns_per_step
    lines = load_lines(config.data, split, cache, stop.check, print, degraded=False, columns_per_step=columns)
    return on_white_paper(lines, stop.check) if config.data.flatten and lines.imported else lines


def _live(config: Config, lines: LineSet) -> Mapping[str, LivePictures]:
    """What each pass of a training with this configuration would see."""
    if not isinstance(config, GanConfig):
        return live_augmented(lines.clean, config.data, config.seed)
    return live_pictures(lines.clean, config.data) if config.data.degrade == "every_pass" else {}
