"""`htr-tui check STUDY.yaml`: every mistake of a study file at once, and what it would run; starts nothing."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htr_tui.cli.output import plain, print_json
from htr_tui.errors import ConfigError, ConfigProblem
from htr_tui.text import clean_text

if TYPE_CHECKING:
    from htr_tui.supervisor.preview import Preview

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("study", type=Path, metavar="STUDY.yaml")
    parser.add_argument(
        "--show-command",
        action="store_true",
        help="also show what would be run for an example trial: words, environment, config file",
    )


def run(args: argparse.Namespace) -> int:
    """0 without errors, 2 with."""
    from htr_tui.study.checks import check_environment, environment_warnings
    from htr_tui.study.loading import read_study

    warnings: list[ConfigProblem] = []
    shown: list[Preview] = []
    try:
        loaded = read_study(args.study)
        base = args.dir.resolve()
        errors = check_environment(loaded.spec, base, loaded.document)
        warnings = [*loaded.warnings, *environment_warnings(loaded.spec, base, loaded.document)]
        if args.show_command and not errors:
            from htr_tui.supervisor.preview import previews

            shown = previews(loaded.spec, base, base / "runs")
    except ConfigError as error:
        errors = error.problems
    if args.json:
        record: dict[str, Any] = {"ok": not errors, "errors": [p.as_json() for p in errors]}
        record["warnings"] = [p.as_json() for p in warnings]
        if args.show_command:
            record["preview"] = [preview.as_json() for preview in shown]
        print_json(record)
        return 2 if errors else 0
    for problem in errors:
        print(f"error: {problem.describe()}")
    for problem in warnings:
        print(f"warning: {problem.describe()}")
    for preview in shown:
        _print_preview(preview)
    if not errors:
        print(f"{args.study}: ok")
    return 2 if errors else 0


def shell_word(word: str) -> str:
    """A word as bash reads it; control characters are written, not sent to the terminal."""
    if word.isprintable():
        return shlex.quote(word)
    body = "".join(_ESCAPES.get(c, c if c.isprintable() else _escaped(c)) for c in word)
    return f"$'{body}'"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _print_preview(preview: Preview) -> None:
    from htr_tui.study.words import scalar_text

    values = " ".join(f"{plain(name)}={plain(scalar_text(value))}" for name, value in preview.example.params.items())
    print(f"example ({plain(preview.example.label)}): {values}")
    print(f"  in       {clean_text(preview.start.cwd)}")
    print(f"  runs     {' '.join(shell_word(word) for word in preview.start.argv)}")
    for number, (name, value) in enumerate(preview.env.items()):
        print(f"  {'with' if number == 0 else '':8} {name}={shell_word(value)}")
    if preview.start.config_file is not None:
        print(f"  writes   {clean_text(str(preview.start.config_file))}")
        for line in (preview.start.config_text or "").splitlines():
            print(f"           | {clean_text(line)}")
    print()
