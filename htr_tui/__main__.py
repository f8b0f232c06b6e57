"""The `htr-tui` command: finds the subcommand and imports only what that one needs."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from htr_tui import __version__
from htr_tui.errors import HtrError, UsageError

COMMANDS = {
    "demo": "a real study on data made on the spot: tiny preset, CPU; opens the panel on it",
    "check": "validate a study file",
    "run": "start or continue a study, detached unless --foreground",
    "stop": "let running trials write a checkpoint and stop the study",
    "pause": "start nothing new in a study; what runs goes on to its end",
    "continue": "go on with a study that is paused or was stopped",
    "status": "studies, counts by state, best value, supervisor alive or not",
    "trials": "a study's trials as a table",
    "show": "a trial's parameters, attempts, metrics by epoch, finding",
    "logs": "a trial's log",
    "triage": "classify log files or attempt folders",
    "retry": "try a trial again, with a fix or other parameters",
    "enqueue": "a trial typed by hand: parameters that the search did not choose",
    "promote": "a full-length run of a trial's parameters, outside the search",
    "import": "other people's Optuna storages and MLflow experiments as read-only studies, with a diagnosis",
    "diagnose": "what is wrong with a study as a whole, in words",
    "devices": "GPUs: memory, load, who holds them, who waits for them, other processes",
    "doctor": "what works here: GPU, driver, TensorFlow, disk, terminal",
}
"""Every command and its help; each is a module of `htr_tui.cli` with `configure` and `run`."""

MODULES = {"continue": "continue_study", "import": "import_study"}
"""Commands that are words of Python, and the modules they are in."""


def common_options(parser: argparse.ArgumentParser) -> None:
    """Options that every command takes."""
    parser.add_argument("--dir", type=Path, default=Path(), help="folder that holds runs/ (default: here)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def _panel_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="htr-tui",
        description="One terminal for long training studies. Without a command: the panel on FOLDER/runs.",
        epilog=f"commands (each with --help and --json):\n{table}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", type=Path, help="folder that holds runs/ (default: here)")
    parser.add_argument("--dir", type=Path, help="the same")
    parser.add_argument("--study", help="open the panel on this study")
    parser.add_argument("--version", action="version", version=f"htr-tui {__version__}")
    return parser


def split_command(argv: list[str]) -> tuple[str | None, list[str]]:
    """(the command or None for the panel, its arguments); options common to all may stand before the command."""
    before: list[str] = []
    rest = list(argv)
    while rest:
        if rest[0] in COMMANDS:
            return rest[0], before + rest[1:]
        if rest[0] == "--dir" and len(rest) > 1:
            before += [rest.pop(0), rest.pop(0)]
        elif rest[0] == "--json" or rest[0].startswith("--dir="):
            before.append(rest.pop(0))
        else:
            break
    return None, argv


def _run_panel(argv: list[str]) -> int:
    parser = _panel_parser()
    args = parser.parse_args(argv)
    folder: Path = args.folder or args.dir or Path()
    if not folder.is_dir():
        import difflib

        near = difflib.get_close_matches(str(folder), COMMANDS, n=1)
        hint = f"did you mean `htr-tui {near[0]}`?" if near else "see `htr-tui --help`"
        raise UsageError(f"{folder}: neither a command nor a folder", "", hint)
    from htr_tui.panel.app import run_panel

    return run_panel(folder, args.study)


def _run_command(name: str, argv: list[str]) -> int:
    module = importlib.import_module(f"htr_tui.cli.{MODULES.get(name, name)}")
    parser = argparse.ArgumentParser(prog=f"htr-tui {name}", description=COMMANDS[name])
    common_options(parser)
    module.configure(parser)
    return int(module.run(parser.parse_args(argv)))


def main(argv: list[str] | None = None) -> int:
    """Run the command line; exit status 0 done, 1 the work failed, 2 bad use or configuration."""
    argv = sys.argv[1:] if argv is None else argv
    name, rest = split_command(argv)
    try:
        return _run_panel(argv) if name is None else _run_command(name, rest)
    except HtrError as error:
        sys.stdout.flush()
        if "--json" in argv:
            import json

            record = {"error": {"title": error.title, "message": error.message, "hint": error.hint}}
            print(json.dumps(record, ensure_ascii=False))  # noqa: T201
        print(f"htr-tui: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) left: not our failure, and nothing more can be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
