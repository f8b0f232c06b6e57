"""The panel acts by running our own command line, and by nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Protocol

from htr_tui.text import clean_text

TIMEOUT_S = 120.0
"""A command that starts or asks something answers long before; then it is let go, not killed."""

POLL_S = 0.05

OUTPUT_LIMIT = 1 << 16
"""Bytes of what a command printed that are looked at."""

LINES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended."""

    arguments: tuple[str, ...]
    exit_status: int | None
    """None if it has not ended in time; it goes on."""
    output: str = ""
    errors: str = ""

    @property
    def is_done(self) -> bool:
        """Whether it did its work."""
        return self.exit_status == 0

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object that it printed; empty if it printed none."""
        for text in (self.output, self.output.strip().rpartition("\n")[2], self.errors):
            try:
                answer = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(answer, dict):
                return answer
        return {}

    def explain(self) -> str:
        """What it said about its failure, as plain lines for people."""
        error = self.answer.get("error")
        problems = self.answer.get("errors")
        if isinstance(error, dict):
            parts = [error.get("title"), error.get("message"), error.get("hint") and f"hint: {error['hint']}"]
            text = "\n".join(str(part) for part in parts if part)
        elif isinstance(error, str):
            text = error
        elif isinstance(problems, list) and problems:
            text = "\n".join(_describe(problem) for problem in problems)
        else:
            text = self.errors or self.output
        lines = [clean_text(line, 400) for line in text.splitlines() if line.strip()]
        if not lines:
            lines = ["It gave no reason." if self.exit_status is not None else "It has not ended yet; it goes on."]
        return "\n".join(lines[-LINES_SHOWN:])


def _describe(problem: Any) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    place = ":".join(str(problem[key]) for key in ("file", "line") if problem.get(key) is not None)
    words = [str(problem[key]) for key in ("key", "message") if problem.get(key)]
    return ": ".join([place, *words]) if place else ": ".join(words)


class CommandLine(Protocol):
    """Runs `htr-tui` with arguments."""

    async def run(self, arguments: Sequence[str]) -> CommandResult:
        """Run it to its end; never raises for what the command does."""
        ...


@dataclass(frozen=True, slots=True)
class OurCommandLine:
    """`python -m htr_tui --dir DIR ... --json` as a process of its own session, so that it outlives the panel."""

    directory: Path
    timeout_s: float = TIMEOUT_S

    def argv(self, arguments: Sequence[str]) -> list[str]:
        """The whole command."""
        return [sys.executable, "-m", "htr_tui", "--dir", str(self.directory), *arguments, "--json"]

    async def run(self, arguments: Sequence[str]) -> CommandResult:
        """Run it to its end.

        What it prints goes to files, not pipes: a panel that is closed meanwhile does not break it.
        """
        with TemporaryFile() as output, TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    self.argv(arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                return CommandResult(tuple(arguments), 1, "", f"cannot start the command: {error}")
            deadline = time.monotonic() + self.timeout_s
            while process.poll() is None and time.monotonic() < deadline:
                await asyncio.sleep(POLL_S)
            return CommandResult(tuple(arguments), process.returncode, _text(output), _text(errors))


def _text(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - OUTPUT_LIMIT))
    return file.read().decode("utf-8", "replace")
