"""`htr-gan evaluate`: one run measured, or two compared, on lines with texts."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from htr_gan.cli.quiet import quiet_tensorflow
from htr_gan.errors import EXIT_STOPPED, StopRequested, UsageError
from htr_gan.files import to_plain, write_atomic
from htr_gan.inference.trained import BEST, find_trained
from htr_gan.stop import StopFlag

if TYPE_CHECKING:
    from htr_gan.inference.report import Report

LINES, TOTALS, SUMMARY, SHEET = "lines.csv", "totals.json", "summary.md", "sheet.png"
RESULTS = (LINES, TOTALS, SUMMARY, SHEET)


def run_evaluate(arguments: Namespace) -> int:
    """The exit status: 0 measured, 143 stopped."""
    if arguments.batch < 1 or arguments.sheet < 0:
        raise UsageError("--batch is at least 1, and --sheet at least 0")
    names = _checkpoints(arguments)
    folders = [arguments.run] if arguments.second is None else [arguments.run, arguments.second]
    runs = tuple(find_trained(folder, name) for folder, name in zip(folders, names, strict=False))
    if arguments.data is not None and not arguments.data.exists():
        raise UsageError(f"--data {arguments.data}: No such file or directory")
    out: Path | None = arguments.out
    if out is not None:
        check_results_folder(out, is_forced=arguments.force)
    quiet_tensorflow()
    from htr_gan.inference.measuring import Question, answer

    stop = StopFlag()
    stop.listen()
    try:
        report = answer(Question(runs, arguments.data, arguments.split, arguments.batch), stop.check)
    except StopRequested:
        return EXIT_STOPPED
    if out is not None:
        _write(report, out, arguments.sheet)
    for note in report.notes if arguments.json else ():
        sys.stderr.write(f"{note}\n")
    print(_as_json(report) if arguments.json else report.markdown(), end="")
    return 0


def _checkpoints(arguments: Namespace) -> list[str]:
    """One name a run: given once it holds for both."""
    names: list[str] = arguments.checkpoint or [BEST]
    if len(names) > 2 or (len(names) == 2 and arguments.second is None):
        raise UsageError("--checkpoint is given once for each run at most")
    return names if len(names) == 2 else names * 2


def check_results_folder(out: Path, *, is_forced: bool) -> None:
    """UsageError if `out` holds anything but earlier results, or these without --force."""
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise UsageError(f"--out {out}: a file is there", "a folder is expected")
    found = sorted(entry.name for entry in out.iterdir())
    if others := [name for name in found if name not in RESULTS]:
        raise UsageError(f"--out {out}: {others[0]} is in it", "results are written to a folder of their own")
    if found and not is_forced:
        raise UsageError(f"--out {out}: earlier results are in it", "", "--force replaces them")


def _write(report: Report, out: Path, sheet_lines: int) -> None:
    from htr_gan.inference.measuring import contact_sheet

    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / LINES, report.csv().encode("utf-8", "backslashreplace"))
    write_atomic(out / TOTALS, _as_json(report).encode())
    write_atomic(out / SUMMARY, report.markdown().encode("utf-8", "backslashreplace"))
    if sheet_lines:
        write_atomic(out / SHEET, contact_sheet(report, sheet_lines))


def _as_json(report: Report) -> str:
    return json.dumps(to_plain(report.record()), ensure_ascii=True, indent=1, allow_nan=False) + "\n"
