"""What every screen shares: the store, the feed, the command line, and the place where the user is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from htr_tui.panel.commands import CommandLine
from htr_tui.panel.format import is_ascii_terminal
from htr_tui.panel.store import Store


class TrialFeed(Protocol):
    """The part of the file feed that screens ask."""

    def look_at(self, study: str | None, trial: int | None) -> None:
        """Read this trial's files from now on."""
        ...

    def look_now(self) -> None:
        """Look again at once."""
        ...


@dataclass(slots=True)
class PanelContext:
    """Shared by all screens; the place is changed by the app alone."""

    directory: Path
    """Holds `runs/` and `configs/studies/`."""
    store: Store
    feed: TrialFeed
    commands: CommandLine
    is_read_only: bool = False
    is_ascii: bool = field(default_factory=is_ascii_terminal)
    clock: Callable[[], float] = time.time
    watch_machine: Callable[[bool], None] = lambda _: None
    """Tells the feed of the machine whether somebody looks at it."""
    study: str | None = None
    trial: int | None = None
    stale: dict[str, str] = field(default_factory=dict)
    """Feeds that failed, with the reason."""

    @property
    def runs(self) -> Path:
        """The studies' folders."""
        return self.directory / "runs"
