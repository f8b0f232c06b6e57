"""XML of strangers: document types, and with them entities and anything to fetch, are refused."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

Element = ElementTree.Element


class BadXmlError(Exception):
    """XML that cannot or must not be read; the message says why."""


def parse_xml(path: Path) -> Element:
    """The root of the file's tree."""
    data = path.read_bytes()
    _refuse_doctype(data)
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadXmlError(str(error)) from error


def _refuse_doctype(data: bytes) -> None:
    # The parser of ElementTree expands entities; without a document type there is nothing to expand.
    def refuse(*_declaration: object) -> None:
        raise BadXmlError("it declares a document type, which is not read (entities can be made to harm)")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise BadXmlError(str(error)) from error


def local_name(element: Element) -> str:
    """The tag without its namespace, whose version differs from file to file."""
    return element.tag.rpartition("}")[2]  # comments never become elements: the parser leaves them out


def children(element: Element, name: str) -> list[Element]:
    """Direct children of that local name."""
    return [child for child in element if local_name(child) == name]


def descendants(element: Element, name: str) -> list[Element]:
    """All elements of that local name below, in the order of the file."""
    return [child for child in element.iter() if local_name(child) == name]
