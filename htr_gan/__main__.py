"""Entry point of `htr-gan` and of `python -m htr_gan`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from htr_gan.cli.parser import build_parser
from htr_gan.errors import GanError

EXTRA = {"tensorflow", "keras", "numpy", "PIL", "cv2", "rapidfuzz", "fontpkg", "yaml", "pydantic"}
"""What the extra `train` installs; without it the trainer says so instead of showing a traceback."""

COMMANDS = {
    "train": ("htr_gan.cli.train", "run_train"),
    "data": ("htr_gan.cli.data", "run_data"),
    "import": ("htr_gan.cli.import_lines", "run_import"),
    "evaluate": ("htr_gan.cli.evaluate", "run_evaluate"),
    "restore": ("htr_gan.cli.restore", "run_restore"),
    "read": ("htr_gan.cli.read", "run_read"),
    "export": ("htr_gan.cli.export", "run_export"),
}
"""Module and function of each command; imported when it is asked for, so that help costs nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; mistakes of the user are told without a traceback."""
    arguments = build_parser().parse_args(argv)
    try:
        module, function = COMMANDS[arguments.command]
        return int(getattr(import_module(module), function)(arguments))
    except GanError as error:
        sys.stderr.write(f"htr-gan: {error}\n")
        return error.exit_code
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA:
            raise
        sys.stderr.write(f"htr-gan: No module named {error.name!r}\nhint: pip install 'htr-tui[train]'\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"htr-gan: {type(error).__name__}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
