"""Who wrote the lines and on which page, as far as names and line packs tell: error rates are told for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

INDEX = "lines.tsv"
FILE, COLUMNS = "file", ("page", "writer")
SOURCE, PAGE = "source", "page"

Groups = dict[str, tuple[str, ...]]
"""For each way of grouping (source, page, writer) the group of every line."""


def groups_of(names: Sequence[str], sources: Sequence[Path]) -> Groups:
    """Ways to group lines whose names are SOURCE/LINE; only those that make more than one group."""
    found: Groups = {SOURCE: tuple(name.partition("/")[0] for name in names)}
    if all("#" in name for name in names):
        found[PAGE] = tuple(name.rpartition("#")[0] for name in names)
    for column in COLUMNS:
        of_line = {key: value for source in sources for key, value in _column(source, column).items()}
        if all(name in of_line for name in names):
            found[column] = tuple(of_line[name] for name in names)
    return {way: groups for way, groups in found.items() if len(set(groups)) > 1}


def _column(source: Path, column: str) -> dict[str, str]:
    """One column of a line pack by SOURCE/LINE; empty for other sources and for packs without it."""
    index = source / INDEX if source.is_dir() else source
    if index.name != INDEX or not index.is_file():
        return {}
    rows = [row.rstrip("\r").split("\t") for row in index.read_text("utf-8-sig", "replace").split("\n") if row]
    header = rows[0] if rows else []
    if FILE not in header or column not in header:
        return {}
    file, wanted = header.index(FILE), header.index(column)
    label = source.stem if source.is_file() else source.name
    return {f"{label}/{row[file]}": row[wanted] for row in rows[1:] if len(row) == len(header)}
