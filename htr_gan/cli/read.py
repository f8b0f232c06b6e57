"""`htr-gan read`: what stands in pictures of lines, or in the lines of pages."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from htr_gan.cli.quiet import quiet_tensorflow
from htr_gan.errors import EXIT_STOPPED, DataError, GanError, MissingFileError, StopRequested, UsageError
from htr_gan.files import write_atomic
from htr_gan.inference.files import find_files, refuse_existing, refuse_same, targets_of
from htr_gan.inference.trained import Trained, find_trained, require_kind
from htr_gan.stop import StopFlag

if TYPE_CHECKING:
    from htr_gan.inference.reading import Reading
    from htr_gan.inference.reading_files import FileReader, ReadLine

XML = ".xml"


@dataclass
class Failures:
    """What could not be read, told at once."""

    count: int = 0

    def tell(self, error: GanError) -> None:
        """Count and say so."""
        self.count += 1
        sys.stderr.write(f"htr-gan: {'; '.join(str(error).split(chr(10)))}\n")


def run_read(arguments: Namespace) -> int:
    """The exit status: 0 all read, 1 some could not be, 143 stopped."""
    if arguments.batch < 1:
        raise UsageError(f"--batch {arguments.batch}: at least 1 is expected")
    trained = find_trained(arguments.run, arguments.checkpoint)
    restoring = None if arguments.restore is None else find_trained(arguments.restore)
    if restoring is not None:
        require_kind(restoring, "gan", "--restore takes a run of task gan, or its export")
    files, targets = _plan(arguments)
    stop, failures = StopFlag(), Failures()
    stop.listen()
    try:
        _read_all(arguments, trained, restoring, (files, targets), stop, failures)
    except StopRequested:
        return EXIT_STOPPED
    return 1 if failures.count else 0


def _plan(arguments: Namespace) -> tuple[list[Path], dict[Path, Path]]:
    """The files to read and, for XML that is filled in, where each result goes; refuses before anything is loaded."""
    from htr_gan.inference.pictures import SUFFIXES

    fills_xml, out = arguments.format in ("alto", "page"), arguments.out
    if fills_xml and out is None:
        raise UsageError(f"--format {arguments.format}: --out is needed", "the file that was read is never changed")
    wanted = frozenset({XML}) if fills_xml else SUFFIXES | {XML}
    files: list[Path] = []
    targets: dict[Path, Path] = {}
    for source in arguments.sources:
        found = find_files(source, wanted, recursive=arguments.recursive, without=out).files
        files += found
        if fills_xml:
            refuse_same(source, out)
            targets |= targets_of(source, found, out, into_folder=len(arguments.sources) > 1)
    if not files:
        raise UsageError("nothing to read", f"files ending in {' '.join(sorted(wanted))} are taken from folders")
    if fills_xml and len(set(targets.values())) < len(targets):
        raise UsageError("two files of the same name would be written to one", "", "read them one after the other")
    written = list(targets.values()) if fills_xml else [out] if out is not None else []
    if any(target.exists() and target.samefile(file) for target in written for file in files):
        raise UsageError(f"{out}: IN and OUT are the same", "originals are never overwritten; name another OUT")
    if not arguments.force:
        refuse_existing(written, "--force replaces them")
    return files, targets


def _read_all(
    arguments: Namespace,
    trained: Trained,
    restoring: Trained | None,
    plan: tuple[list[Path], dict[Path, Path]],
    stop: StopFlag,
    failures: Failures,
) -> None:
    quiet_tensorflow()
    from htr_gan.inference.loading import load_reader, load_restorer
    from htr_gan.inference.reading_files import FileReader

    restorer = None if restoring is None else load_restorer(restoring)
    reader = FileReader(load_reader(trained), restorer, arguments.batch, failures.tell)
    files, targets = plan
    if targets:
        for path in files:
            stop.check()
            _fill(path, targets[path], arguments.format, reader, failures)
        return
    lines = _lines(files, reader, stop, failures)
    if arguments.format == "json":
        _deliver(json.dumps([line.record() for line in lines], ensure_ascii=False, indent=1) + "\n", arguments.out)
    else:
        rows = [f"{shown(line.name)}\t{line.reading.confidence:.3f}\t{shown(line.reading.text)}\n" for line in lines]
        _deliver("".join(rows), arguments.out)


def _lines(files: list[Path], reader: FileReader, stop: StopFlag, failures: Failures) -> list[ReadLine]:
    """All lines in the order of the files."""
    from htr_gan.inference.reading_files import ReadLine

    pictures = [path for path in files if path.suffix.lower() != XML]
    found = {line.file: [line] for line in reader.read_pictures(pictures, stop.check)}
    for path in files:
        if path.suffix.lower() == XML:
            stop.check()
            read = _page(path, reader, failures)
            found[path] = [ReadLine(path, line_id, reading) for line_id, reading in read if reading is not None]
    return [line for path in files for line in found.get(path, [])]


def _page(path: Path, reader: FileReader, failures: Failures) -> list[tuple[str, Reading | None]]:
    try:
        return reader.read_page(path)
    except (DataError, MissingFileError) as error:
        failures.tell(error)
        return []


def _fill(path: Path, target: Path, wanted: str, reader: FileReader, failures: Failures) -> None:
    """Write the XML of one page with its readings."""
    from htr_gan.inference.filled_xml import fill_page, kind_of_page

    try:
        kind = kind_of_page(path)
        if kind != wanted:
            raise DataError(f"{path}: --format {wanted}, but the file is {kind}", "one is not made from the other")
        filled = fill_page(path, [reading for _, reading in reader.read_page(path)])
    except (DataError, MissingFileError) as error:
        failures.tell(error)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, filled)


def _deliver(text: str, out: Path | None) -> None:
    data = text.encode("utf-8", "replace")  # names of files may hold bytes that are no text
    if out is not None:
        write_atomic(out, data)
        return
    sys.stdout.write(data.decode())
    sys.stdout.flush()


def shown(text: str) -> str:
    """Names and texts on one line of a terminal: control characters, and bytes that are no text, become U+FFFD."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
