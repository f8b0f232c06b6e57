"""PAGE XML and ALTO with what was read put in; everything else of the file stays as it was.

PAGE: each line gets one `TextEquiv` with `conf`; texts of its words and glyphs, which would contradict it, are taken
out, and the text of a region that has one becomes that of its lines. ALTO: each line gets one `String` with `WC` in
place of its strings, spaces and hyphens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from xml.dom import minidom

from htr_gan.data.sources.safe_xml import BadXmlError, local_name, parse_xml
from htr_gan.errors import DataError
from htr_gan.inference.reading import Reading

PageKind = Literal["page", "alto"]
_ROOTS: dict[str, PageKind] = {"PcGts": "page", "alto": "alto"}
_BEFORE_TEXT = ("AlternativeImage", "Coords", "Baseline", "Word")
"""What stands before TextEquiv in a line of PAGE, by its schema."""
_REPLACED = ("String", "SP", "HYP")
_PLACE = ("HPOS", "VPOS", "WIDTH", "HEIGHT")


def kind_of_page(path: Path) -> PageKind:
    """`page` or `alto`; DataError if the file is neither or cannot be read."""
    try:
        root = local_name(parse_xml(path))
    except BadXmlError as error:
        raise DataError(f"{path}: not readable as XML", str(error)) from error
    if root not in _ROOTS:
        raise DataError(f"{path}: neither PAGE XML nor ALTO", f"its root is {root}")
    return _ROOTS[root]


def fill_page(path: Path, readings: Sequence[Reading | None]) -> bytes:
    """The file with the readings of its lines in their order (`page_lines`); None leaves a line as it is."""
    kind = kind_of_page(path)  # refuses document types, which the parser below would expand
    document = minidom.parseString(path.read_bytes())
    pages = document.getElementsByTagNameNS("*", "Page")
    lines = pages[0].getElementsByTagNameNS("*", "TextLine") if pages else []
    if len(lines) != len(readings):
        raise DataError(f"{path}: {len(lines)} lines", f"{len(readings)} were read; the file has changed")
    for line, reading in zip(lines, readings, strict=True):
        if reading is not None:
            _fill_page_line(line, reading) if kind == "page" else _fill_alto_line(line, reading)
    if kind == "page" and pages:
        _refresh_regions(pages[0])
    return bytes(document.toxml(encoding="UTF-8"))


def _children(element: minidom.Element, *names: str) -> list[minidom.Element]:
    return [child for child in element.childNodes if isinstance(child, minidom.Element) and child.localName in names]


def _insert_after(parent: minidom.Element, new: minidom.Element, before: list[minidom.Element]) -> None:
    """Behind the last of `before`, or as the first child."""
    nodes = parent.childNodes
    position = nodes.index(before[-1]) + 1 if before else 0
    parent.insertBefore(new, nodes[position] if position < len(nodes) else None)


def _new(parent: minidom.Element, name: str) -> minidom.Element:
    """An element with the namespace and the prefix of `parent`."""
    document = parent.ownerDocument
    assert document is not None
    qualified = f"{parent.prefix}:{name}" if parent.prefix else name
    return document.createElementNS(parent.namespaceURI, qualified)


def _remove(element: minidom.Element) -> None:
    assert element.parentNode is not None
    element.parentNode.removeChild(element)


def _fill_page_line(line: minidom.Element, reading: Reading) -> None:
    for old in line.getElementsByTagNameNS("*", "TextEquiv"):
        _remove(old)
    filled = _with_text(line, xml_text(reading.text))
    filled.setAttribute("conf", f"{reading.confidence:.4f}")
    _insert_after(line, filled, _children(line, *_BEFORE_TEXT))


def _with_text(parent: minidom.Element, text: str) -> minidom.Element:
    filled, unicode = _new(parent, "TextEquiv"), _new(parent, "Unicode")
    assert parent.ownerDocument is not None
    unicode.appendChild(parent.ownerDocument.createTextNode(text))
    filled.appendChild(unicode)
    return filled


def _refresh_regions(page: minidom.Element) -> None:
    """The text of a region is that of its own lines, where the file tells one at all."""
    for region in page.getElementsByTagNameNS("*", "TextRegion"):
        for old in _children(region, "TextEquiv"):
            filled = _with_text(region, "\n".join(_text_of(line) for line in _children(region, "TextLine")))
            region.replaceChild(filled, old)


def _text_of(line: minidom.Element) -> str:
    for filled in _children(line, "TextEquiv"):
        for unicode in _children(filled, "Unicode"):
            return "".join(node.data for node in unicode.childNodes if isinstance(node, minidom.Text))
    return ""


def _fill_alto_line(line: minidom.Element, reading: Reading) -> None:
    for old in _children(line, *_REPLACED):
        _remove(old)
    filled = _new(line, "String")
    filled.setAttribute("CONTENT", xml_text(reading.text))
    for name in _PLACE:
        if line.hasAttribute(name):
            filled.setAttribute(name, line.getAttribute(name))
    filled.setAttribute("WC", f"{reading.confidence:.4f}")
    _insert_after(line, filled, _children(line, "Shape"))


def xml_text(text: str) -> str:
    """`text` without the control characters that XML cannot hold."""
    return "".join(letter for letter in text if letter in "\t\n" or (letter >= " " and letter not in "\ufffe\uffff"))
