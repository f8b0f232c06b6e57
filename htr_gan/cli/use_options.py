"""Options of the commands that use what was trained: evaluate, restore, read, export."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

TRAINED_HELP = "folder of a run, of a recogniser, or of an export"


def add_use_commands(commands: Any) -> None:
    """Add the four commands to the subparsers."""
    _add_evaluate(commands)
    _add_restore(commands)
    _add_read(commands)
    _add_export(commands)


def _add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint",
        default="best",
        metavar="NAME",
        help="best (default), last, or a name such as epoch-0003; for runs only",
    )


def _add_force(parser: Any) -> None:
    parser.add_argument("--force", action="store_true", help="replace results that exist already")


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="measure a run on lines with texts, with intervals")
    parser.add_argument("run", type=Path, metavar="RUN", help=TRAINED_HELP)
    parser.add_argument("second", type=Path, nargs="?", metavar="RUN2", help="compare with this one on the same lines")
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="NAME",
        help="best (default), last, or a name such as epoch-0003; given twice: of RUN, of RUN2",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="CONFIG|FOLDER",
        help="a configuration, or a folder of lines made by htr-gan; by default the data of RUN",
    )
    parser.add_argument("--split", choices=("held-out", "test", "train"), default="held-out", help="default: held-out")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write lines.csv, totals.json, summary.md and sheet.png into DIR"
    )
    parser.add_argument("--sheet", type=int, default=4, metavar="N", help="lines of each kind in sheet.png (default 4)")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="lines in the network at once (default 32)")
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")
    _add_force(parser)


def _add_restore(commands: Any) -> None:
    parser = commands.add_parser("restore", help="restore pictures of lines of any size")
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run of task gan, or of its export")
    parser.add_argument("source", type=Path, metavar="IN", help="a picture of a line, or a folder of them")
    parser.add_argument("out", type=Path, metavar="OUT", help="a file for a file, a folder for a folder")
    parser.add_argument("--recursive", action="store_true", help="also the folders below IN; names are kept")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="windows in the network at once (default 8)")
    parser.add_argument(
        "--color",
        choices=("keep", "grey"),
        default="keep",
        help="of colour pictures the luminance is restored; their colours are kept (default), or made grey",
    )
    _add_checkpoint(parser)
    existing = parser.add_mutually_exclusive_group()
    _add_force(existing)
    existing.add_argument("--skip-existing", action="store_true", help="leave out pictures whose result exists")


def _add_read(commands: Any) -> None:
    parser = commands.add_parser("read", help="read lines: pictures, or the lines of PAGE XML and ALTO files")
    parser.add_argument("run", type=Path, metavar="RUN", help=TRAINED_HELP)
    parser.add_argument("sources", type=Path, nargs="+", metavar="IN", help="pictures, XML files, folders of them")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to the terminal")
    parser.add_argument(
        "--format",
        choices=("text", "json", "alto", "page"),
        default="text",
        help="text: name, confidence, text; json; alto or page: the XML that was read, filled in (needs --out)",
    )
    parser.add_argument("--restore", type=Path, metavar="RUN", help="restore each line before it is read")
    parser.add_argument("--recursive", action="store_true", help="also the folders below IN")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="lines in the network at once (default 32)")
    _add_checkpoint(parser)
    _add_force(parser)


def _add_export(commands: Any) -> None:
    parser = commands.add_parser("export", help="write networks that run without htr-gan")
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run or of a recogniser")
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    parser.add_argument(
        "--format", choices=("keras", "savedmodel", "both"), default="both", help="what to write (default both)"
    )
    _add_checkpoint(parser)
    _add_force(parser)
