"""Pages: PAGE XML or ALTO files with the pictures of the pages beside them; lines are cut along their baselines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from htr_gan.data.sources import alto_xml, page_xml
from htr_gan.data.sources.baseline_cut import UncuttableError, cut_line
from htr_gan.data.sources.faults import FaultKind
from htr_gan.data.sources.page_line import PageLine
from htr_gan.data.sources.pictures import PICTURE_ENDINGS, UnreadablePictureError, read_grey
from htr_gan.data.sources.safe_xml import BadXmlError, local_name, parse_xml
from htr_gan.data.sources.source_line import Picture, Reading, SourceLine, tidy_text
from htr_gan.data.sources.splits import splits_of_files
from htr_gan.errors import DataError

_ROOT = re.compile(rb"<(?:[\w.-]+:)?(?:PcGts|alto)[\s>]")
_HEAD_BYTES = 4096


def is_page_file(path: Path) -> bool:
    """Whether the file begins as PAGE XML or ALTO do."""
    if path.suffix.lower() != ".xml" or not path.is_file():
        return False
    with open(path, "rb") as file:
        return _ROOT.search(file.read(_HEAD_BYTES)) is not None


def page_files(path: Path) -> list[Path]:
    """The page files that a path names: itself, or all below a folder in the order of their names."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*.xml") if is_page_file(file))
    return [path] if is_page_file(path) else []


def page_lines(path: Path) -> list[PageLine]:
    """The lines of a PAGE XML or ALTO file, in its order; DataError if it is neither or damaged.

    Coordinates and texts are as in the file; ids are unique. `image` is the picture of the page, looked for beside the
    file under the name that it tells and under its own.
    """
    try:
        root = parse_xml(path)
    except BadXmlError as error:
        raise DataError(f"{path}: not readable as XML", str(error)) from error
    if local_name(root) == page_xml.ROOT:
        lines, picture = page_xml.lines_of_page_xml(root, path)
    elif local_name(root) == alto_xml.ROOT:
        lines, picture = alto_xml.lines_of_alto(root, path)
    else:
        raise DataError(f"{path}: neither PAGE XML nor ALTO", f"its root is {local_name(root)}")
    image = find_image(path, picture)
    pitches = _pitches(lines)
    ids = _unique([line.line_id for line in lines])
    return [
        replace(line, image=image, pitch=pitch, line_id=line_id)
        for line, pitch, line_id in zip(lines, pitches, ids, strict=True)
    ]


def find_image(path: Path, told: str) -> Path | None:
    """The picture beside a page file: by the relative name that it tells, by its last part, or by the file's own name."""
    last = PureWindowsPath(PurePosixPath(told).name).name
    inside = [told] if told and "://" not in told and not Path(told).is_absolute() else []
    names = [*inside, *([last] if last else []), *(path.stem + ending for ending in PICTURE_ENDINGS)]
    return next((file for name in names if (file := path.parent / name).is_file()), None)


def _unique(ids: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for name in ids:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return unique


def _pitches(lines: Sequence[PageLine]) -> list[float | None]:
    """For each line the distance to the nearest baseline above or below that it overlaps; else the page's median."""
    spans = [
        (
            min(x for x, _ in line.baseline),
            max(x for x, _ in line.baseline),
            float(np.mean([y for _, y in line.baseline])),
        )
        if line.baseline
        else None
        for line in lines
    ]
    found: list[float | None] = []
    for span in spans:
        distances = [
            abs(other[2] - span[2])
            for other in spans
            if span and other and other is not span and other[0] < span[1] and span[0] < other[1]
        ]
        found.append(min((distance for distance in distances if distance >= 4), default=None))
    known = [pitch for pitch in found if pitch is not None]
    typical = float(np.median(known)) if known else None
    # A neighbour that is much nearer than usual is an insertion, one much farther the next paragraph.
    return [typical if pitch is None or typical is None else min(max(pitch, typical / 2), typical) for pitch in found]


def read_pages(path: Path, reading: Reading) -> Iterator[SourceLine]:
    """The lines of all pages below the path, cut out of their pictures."""
    files = page_files(path)
    root = path if path.is_dir() else path.parent
    for file, split in zip(files, splits_of_files([file.relative_to(root) for file in files]), strict=True):
        page = str(file.relative_to(root))
        try:
            lines = page_lines(file)
        except DataError as error:
            reading.fault(FaultKind.BAD_RECORD, page, error.message)
            continue
        yield from _cut_page(lines, page, split, reading)


def _cut_page(lines: Sequence[PageLine], page: str, split: str | None, reading: Reading) -> Iterator[SourceLine]:
    if not lines:
        return
    try:
        picture = _page_picture(lines[0])
    except UnreadablePictureError as error:
        for line in lines:
            reading.fault(FaultKind.UNREADABLE_PICTURE, f"{page}#{line.line_id}", str(error))
        return
    for line in lines:
        name = f"{page}#{line.line_id}"
        try:
            strip = cut_line(picture, line, reading.height)
        except UncuttableError as error:
            reading.fault(FaultKind.NO_BASELINE, name, str(error))
            continue
        yield SourceLine(name, strip, tidy_text(line.text or ""), split, page=page)


def _page_picture(line: PageLine) -> Picture:
    if line.image is None:
        raise UnreadablePictureError("the picture of the page is not beside its XML")
    try:
        return read_grey(line.image)
    except UnreadablePictureError as error:
        raise UnreadablePictureError(f"{line.image.name}: {error}") from error
