"""Options of `htr-gan import`; kept apart so that help loads nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def add_import_command(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "import",
        help="check lines that you have and make a folder to train on: line packs, TFRecords, PAGE, ALTO, .gt.txt",
    )
    command.add_argument("sources", type=Path, nargs="+", metavar="SOURCE", help="a file or folder; its kind is seen")
    command.add_argument("--out", type=Path, metavar="DIR", help="gets train, held-out and test; new or empty")
    command.add_argument("--check", action="store_true", help="only check; nothing is written")
    command.add_argument("--charset", type=Path, metavar="FILE", help="one letter a line; default: those of the texts")
    command.add_argument("--height", type=int, metavar="N", help="of the lines; default: as stored in records, else 64")
    command.add_argument("--width", type=int, metavar="N", help="default: as stored in records, else 1024")
    command.add_argument(
        "--columns-per-step", type=int, default=4, metavar="N", help="columns behind a time step of the recogniser"
    )
    command.add_argument(
        "--on-bad",
        choices=("refuse", "skip"),
        default="refuse",
        help="lines that cannot be trained on; default: refuse",
    )
    command.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="COLUMN=CONDITION",
        help='for example contrast=">= 70", on columns of lines.tsv; training and held-out lines only',
    )
    command.add_argument(
        "--format", choices=("folder", "tfrecord"), default="folder", help="tfrecord: compact uint8 records"
    )
    command.add_argument("--json", action="store_true", help="print the report as JSON")
