"""The command line; nothing here imports TensorFlow, so help and mistakes are answered at once."""

from __future__ import annotations

import argparse
from pathlib import Path

from htr_gan import __version__
from htr_gan.cli.import_options import add_import_command
from htr_gan.cli.use_options import add_use_commands


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="htr-gan",
        description="Restore degraded handwriting with a GAN that is guided by a recogniser.",
        epilog="Exit status: 0 done, 1 the work failed, 2 bad use or configuration, 143 stopped by a signal.",
    )
    parser.add_argument("--version", action="version", version=f"htr-gan {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    train = commands.add_parser("train", help="train what a configuration says")
    _add_config(train)
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of this run; made if missing")
    train.add_argument(
        "--resume",
        type=Path,
        metavar="DIR",
        help="go on from the checkpoints of another run; by default from those in --out, if it has any",
    )

    data = commands.add_parser("data", help="write lines of handwriting, clean and degraded, with their texts")
    _add_config(data)
    data.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets the folders train and held-out")
    data.add_argument(
        "--png", type=int, default=0, metavar="N", help="also write the first N lines as pictures, and a sheet"
    )
    add_import_command(commands)
    add_use_commands(commands)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file, for example configs/gan/tiny.yaml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override a key of the configuration, for example train.batch=4; may be given several times",
    )
