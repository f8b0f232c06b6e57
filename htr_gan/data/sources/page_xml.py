"""PAGE XML of any version (2013, 2019, ...): text lines with their coordinates and texts."""

from __future__ import annotations

from pathlib import Path

from htr_gan.data.sources.page_line import PageLine, Points, parse_points
from htr_gan.data.sources.safe_xml import Element, children, descendants

ROOT = "PcGts"


def lines_of_page_xml(root: Element, path: Path) -> tuple[list[PageLine], str]:
    """The lines in the order of the file, and the name of the page's picture."""
    pages = descendants(root, "Page")
    lines = [
        PageLine(
            page_file=path,
            image=None,
            line_id=element.get("id") or f"line-{number}",
            baseline=_points(element, "Baseline"),
            polygon=_points(element, "Coords"),
            text=_text(element),
            page_size=_size(page),
        )
        for page in pages[:1]
        for number, element in enumerate(descendants(page, "TextLine"), start=1)
    ]
    return lines, (pages[0].get("imageFilename") or "") if pages else ""


def _size(page: Element) -> tuple[float, float] | None:
    try:
        size = float(page.get("imageWidth", "")), float(page.get("imageHeight", ""))
    except ValueError:
        return None
    return size if min(size) > 0 else None


def _points(line: Element, name: str) -> Points | None:
    found = children(line, name)
    if not found:
        return None
    # Versions up to 2010 have an element a point.
    points = " ".join(f"{point.get('x')},{point.get('y')}" for point in children(found[0], "Point"))
    return parse_points(found[0].get("points") or points)


def _text(line: Element) -> str | None:
    """The text of the line itself; where only its words have texts, those."""
    own = _own_text(line)
    if own is not None:
        return own
    words = [text for word in children(line, "Word") if (text := _own_text(word)) is not None]
    return " ".join(words) if words else None


def _own_text(element: Element) -> str | None:
    """Of several readings the first by index."""
    readings = sorted(children(element, "TextEquiv"), key=_index)
    for reading in readings:
        for name in ("Unicode", "PlainText"):
            for found in children(reading, name):
                return found.text or ""
    return None


def _index(reading: Element) -> float:
    try:
        return float(reading.get("index", "0"))
    except ValueError:
        return 0.0
