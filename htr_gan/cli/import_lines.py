"""`htr-gan import`: lines that people have, checked, at one size, in a folder for `data.path`."""

from __future__ import annotations

import json
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from htr_gan.config.condition import parse_condition
from htr_gan.data.lines import read_lines
from htr_gan.data.sources.charset import read_charset, write_charset
from htr_gan.data.sources.importer import REPORT, Import, import_lines, refuse_faults, told, told_unknown
from htr_gan.data.sources.kinds import stored_size
from htr_gan.data.sources.settings import ImportSettings
from htr_gan.data.sources.tfrecords import write_tfrecord
from htr_gan.errors import EXIT_STOPPED, StopRequested, UsageError
from htr_gan.files import folder_written_whole, sweep_leftovers, write_json
from htr_gan.stop import StopFlag

DEFAULT_SIZE = (64, 1024)
CHARSET = "charset.txt"
"""Beside records: the letters in the order of their labels."""


def run_import(arguments: Namespace) -> int:
    """The exit status: 0 imported or nothing wrong, 143 stopped; bad lines are raised."""
    if (arguments.out is None) is not arguments.check:
        raise UsageError("give either --out DIR or --check")
    _quiet_tensorflow()
    settings = _settings(arguments)
    stop = StopFlag()
    stop.listen()
    note = _on_stderr if arguments.json else print
    try:
        if arguments.check:
            done = import_lines(settings, None, stop.check, note)
            _tell(done, arguments, note)
            refuse_faults(done, None)
        else:
            _import_into(arguments.out.absolute(), settings, arguments, stop.check, note)
    except StopRequested:
        return EXIT_STOPPED
    return 0


def _settings(arguments: Namespace) -> ImportSettings:
    sources = tuple(source.absolute() for source in arguments.sources)
    if len(set(sources)) != len(sources):
        raise UsageError("a source is named twice")
    charset = arguments.charset and arguments.charset.absolute()
    stored = None
    if arguments.height is None or arguments.width is None:
        stored = stored_size(sources[0], read_charset(charset) if charset else None)
    height, width = stored or DEFAULT_SIZE
    height, width = arguments.height or height, arguments.width or width
    _require_side("--height", height, 16, 256)
    _require_side("--width", width, 32, 4096)
    if not 1 <= arguments.columns_per_step <= width:
        raise UsageError(f"--columns-per-step {arguments.columns_per_step}: 1 to {width} are possible")
    return ImportSettings(
        sources=sources,
        height=height,
        width=width,
        longest=width // arguments.columns_per_step,
        columns_per_step=arguments.columns_per_step,
        charset=charset,
        on_bad=arguments.on_bad,
        select=_conditions(arguments.select),
    )


def _require_side(option: str, pixels: int, least: int, most: int) -> None:
    if not least <= pixels <= most or pixels % 16:
        raise UsageError(f"{option} {pixels}: a multiple of 16 from {least} to {most} is expected")


def _conditions(options: list[str]) -> dict[str, str]:
    conditions = {}
    for option in options:
        column, equals, condition = option.partition("=")
        try:
            parse_condition(condition)
        except ValueError as error:
            raise UsageError(f"--select {option}", str(error), 'write --select contrast=">= 70"') from None
        if not equals or not column.strip():
            raise UsageError(f"--select {option}", "no column is named", 'write --select contrast=">= 70"')
        conditions[column.strip()] = condition.strip()
    return conditions


def _import_into(
    out: Path, settings: ImportSettings, arguments: Namespace, check: Callable[[], None], note: Callable[[str], None]
) -> None:
    if out.exists() and (not out.is_dir() or any(path.name != REPORT for path in out.iterdir())):
        raise UsageError(f"{out}: holds something already", hint="name a new folder; nothing is ever replaced")
    sweep_leftovers(out)
    with folder_written_whole(out) as fresh:
        done = import_lines(settings, fresh, check, note)
        _tell(done, arguments, note)
        if done.refused:
            _write_refusal(done, out)
        if arguments.format == "tfrecord":
            _to_records(fresh, done, check)


def _write_refusal(done: Import, out: Path) -> None:
    """Leave the report alone in the folder, so that all bad lines can be looked up, and raise."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / REPORT, done.report())
    refuse_faults(done, out / REPORT)


def _to_records(folder: Path, done: Import, check: Callable[[], None]) -> None:
    for split in done.lines:
        check()
        write_tfrecord(read_lines(folder / split, with_degraded=True), folder / f"{split}.tfrecord")
        shutil.rmtree(folder / split)
    write_charset(done.alphabet, folder / CHARSET)


def _tell(done: Import, arguments: Namespace, note: Callable[[str], None]) -> None:
    if arguments.json:
        sys.stdout.write(json.dumps(done.report(), ensure_ascii=False, indent=1) + "\n")
        return
    unknown = (told_unknown(done.texts(split), done.alphabet, split) for split in done.lines)
    for sentence in (*told(done), *filter(None, unknown)):
        note(sentence)


def _on_stderr(message: str) -> None:
    print(message, file=sys.stderr)


def _quiet_tensorflow() -> None:
    """Records are read and written on the CPU: TensorFlow, where it is needed at all, leaves the GPUs alone."""
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
