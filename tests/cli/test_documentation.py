"""Every command is documented, and every documented one exists."""

from __future__ import annotations

import re
from pathlib import Path

from htr_tui.__main__ import COMMANDS, MODULES

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_has_every_command() -> None:
    told = set(re.findall(r"`htr-tui ([a-z]+)", PAGE.read_text())) | {"continue"}
    assert told == set(COMMANDS)


def test_every_command_has_its_module() -> None:
    folder = Path(__file__).parents[2] / "htr_tui" / "cli"
    assert all((folder / f"{MODULES.get(name, name)}.py").is_file() for name in COMMANDS)
