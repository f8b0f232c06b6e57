"""`htr-tui logs STUDY TRIAL`: a trial's log, cleaned of what could harm a terminal."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from htr_tui.cli.output import print_json
from htr_tui.cli.places import find_study, find_trial, load_fold
from htr_tui.errors import UsageError
from htr_tui.files import TailReader
from htr_tui.journal.paths import StudyPaths
from htr_tui.text import clean_line

POLL_S = 0.25
JSON_LINES = 10_000
"""`--json` gives the last lines only; the whole file has its path in it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study")
    parser.add_argument("trial", type=int)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the trial ends")
    parser.add_argument("--attempt", type=int, help="which attempt (default: the last)")
    parser.add_argument("-n", "--lines", type=int, metavar="N", help="only the last N lines")


def run(args: argparse.Namespace) -> int:
    """Print."""
    paths = find_study(args.dir, args.study)
    trial = find_trial(load_fold(paths), args.trial)
    numbers = [a.number for a in trial.attempts]
    attempt = args.attempt if args.attempt is not None else (numbers[-1] if numbers else None)
    if attempt is None or attempt not in numbers:
        known = ", ".join(map(str, numbers)) or "none yet"
        raise UsageError(f"trial {args.trial} has no attempt {attempt}", "", f"attempts: {known}")
    log = paths.attempt(trial.number, attempt).log
    if args.json:
        lines = last_lines(log, JSON_LINES if args.lines is None else args.lines)
        record = {"study": args.study, "trial": args.trial, "attempt": attempt, "path": str(log)}
        print_json(record | {"lines": [clean_line(line) for line in lines]})
        return 0
    reader = TailReader(log)
    if args.lines is not None:
        reader.offset = offset_of_last_lines(log, args.lines)
    _print_from(reader, paths, trial.number, attempt, follow=args.follow)
    return 0


def _print_from(reader: TailReader, paths: StudyPaths, trial: int, attempt: int, *, follow: bool) -> None:
    while True:
        ended = not follow or not _is_running(paths, trial, attempt)
        while lines := reader.read_lines():
            sys.stdout.write("".join(clean_line(line) + "\n" for line in lines))
        sys.stdout.flush()
        if ended:
            break
        time.sleep(POLL_S)
    if rest := _partial_line(reader):
        print(clean_line(rest))


def _is_running(paths: StudyPaths, trial: int, attempt: int) -> bool:
    return not paths.attempt(trial, attempt).exit.exists() and load_fold(paths).trials[trial].state == "running"


def _partial_line(reader: TailReader) -> bytes:
    try:
        with open(reader.path, "rb") as file:
            file.seek(reader.offset)
            return file.read(1 << 20)
    except OSError:
        return b""


def offset_of_last_lines(path: Path, count: int, block: int = 1 << 16) -> int:
    """Byte offset at which the last `count` lines start; reads from the end only."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            if count <= 0 or size == 0:
                return size
            file.seek(size - 1)
            position = size - 1 if file.read(1) == b"\n" else size  # the last newline ends a line, it starts none
            while position > 0:
                start = max(0, position - block)
                file.seek(start)
                data = file.read(position - start)
                found = len(data)
                while (found := data.rfind(b"\n", 0, found)) >= 0:
                    count -= 1
                    if count == 0:
                        return start + found + 1
                position = start
    except OSError:
        pass
    return 0


def last_lines(path: Path, count: int) -> list[bytes]:
    """The last `count` lines, an unfinished one included."""
    try:
        with open(path, "rb") as file:
            file.seek(offset_of_last_lines(path, count))
            return file.read().splitlines()[-count:] if count else []
    except OSError:
        return []
