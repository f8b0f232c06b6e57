"""ALTO XML of versions 2 to 4: text lines with their coordinates and texts."""

from __future__ import annotations

from pathlib import Path

from htr_gan.data.sources.page_line import PageLine, Points, parse_points
from htr_gan.data.sources.safe_xml import Element, children, descendants, local_name

ROOT = "alto"


def lines_of_alto(root: Element, path: Path) -> tuple[list[PageLine], str]:
    """The lines in the order of the file, and the name of the page's picture.

    Coordinates stay in the file's unit (pixels, tenths of a millimetre, 1/1200 inch); the page's size is in the same
    unit, so that they can be scaled to the picture.
    """
    names = [name.text or "" for name in descendants(root, "fileName")]
    lines = [
        PageLine(
            page_file=path,
            image=None,
            line_id=element.get("ID") or f"line-{number}",
            baseline=_baseline(element),
            polygon=_polygon(element),
            text=_text(element),
            page_size=_size(page),
        )
        for page in descendants(root, "Page")[:1]
        for number, element in enumerate(descendants(page, "TextLine"), start=1)
    ]
    return lines, names[0].strip() if names else ""


def _numbers(element: Element, *names: str) -> list[float] | None:
    try:
        return [float(element.get(name, "")) for name in names]
    except ValueError:
        return None


def _size(page: Element) -> tuple[float, float] | None:
    size = _numbers(page, "WIDTH", "HEIGHT")
    return (size[0], size[1]) if size and min(size) > 0 else None


def _baseline(line: Element) -> Points | None:
    """Points; before version 4 often a single height for a level line."""
    text = line.get("BASELINE")
    points = parse_points(text)
    if points is not None or text is None:
        return points
    box = _numbers(line, "HPOS", "WIDTH", "BASELINE")
    return ((box[0], box[2]), (box[0] + box[1], box[2])) if box and box[1] > 0 else None


def _polygon(line: Element) -> Points | None:
    """The shape, else the box."""
    for shape in children(line, "Shape"):
        for polygon in children(shape, "Polygon"):
            points = parse_points(polygon.get("POINTS"))
            if points is not None and len(points) > 2:
                return points
    box = _numbers(line, "HPOS", "VPOS", "WIDTH", "HEIGHT")
    if box is None or box[2] <= 0 or box[3] <= 0:
        return None
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _text(line: Element) -> str | None:
    """Strings with a space between them; a hyphen at the end belongs to the last one."""
    text: str | None = None
    for child in line:
        name = local_name(child)
        if name == "String":
            joint = " " if text and not text.endswith(" ") else ""
            text = (text or "") + joint + child.get("CONTENT", "")
        elif name == "SP" and text and not text.endswith(" "):
            text += " "
        elif name == "HYP":
            text = (text or "") + child.get("CONTENT", "-")
    return text
