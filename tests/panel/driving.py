"""Opens the panel in a test: no real commands, a fixed machine, and waiting for conditions instead of sleeping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from htr_tui.panel.app import HtrApp
from htr_tui.panel.commands import CommandResult
from htr_tui.panel.views import GpuView, MachineView

GB = 10**9
MACHINE = MachineView(
    gpus=(GpuView(0, "NVIDIA RTX 4000", 11 * GB, 16 * GB, 87.0, 66.0, 110.0),),
    cpu_percent=41.0,
    memory_used=9 * GB,
    memory_total=32 * GB,
    load=2.5,
    disk_free=120 * GB,
)
SIZES = [(80, 24), (120, 40), (200, 60)]


@dataclass
class FakeCommands:
    """Takes commands down instead of running them."""

    result: CommandResult = field(default_factory=lambda: CommandResult((), 0, "{}"))
    asked: list[list[str]] = field(default_factory=list)

    async def run(self, arguments: Sequence[str]) -> CommandResult:
        self.asked.append(list(arguments))
        return self.result


@dataclass
class Driver:
    """The app, its pilot and the commands it asked for."""

    app: HtrApp
    pilot: Pilot[None]
    commands: FakeCommands

    async def wait(self, condition: Callable[[], Any], what: str = "", deadline_s: float = 20) -> None:
        """Until the condition holds; AssertionError after the deadline."""
        deadline = time.monotonic() + deadline_s
        while True:
            await self.pilot.pause()
            if condition():
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {deadline_s} s: {what or condition}\n{self.text()}")
            await asyncio.sleep(0.02)

    async def see(self, *texts: str) -> None:
        """Until all texts are on the screen."""
        await self.wait(lambda: all(text in self.text() for text in texts), f"{texts} on the screen")

    async def press(self, *keys: str) -> None:
        """Press keys and let the app work."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def text(self) -> str:
        """What the screen shows, as text."""
        compositor = self.app.screen._compositor
        lines = compositor.render_strips() if compositor.size.area else []
        return "\n".join("".join(segment.text for segment in strip) for strip in lines)

    @property
    def place(self) -> str:
        """The screen in front."""
        return type(self.app.screen).__name__


@asynccontextmanager
async def open_panel(
    directory: Path, study: str | None = None, size: tuple[int, int] = (120, 40), **options: Any
) -> AsyncIterator[Driver]:
    """The panel on DIR/runs, loaded."""
    commands = options.pop("commands", FakeCommands())
    sampler = options.pop("sampler", lambda: MACHINE)
    app = HtrApp(directory, study, commands=commands, sampler=sampler, **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        driver = Driver(app, pilot, commands)
        await driver.wait(lambda: app.store.is_scanned, "the runs folder listed")
        await driver.wait(lambda: all(study.is_loaded for study in app.store.studies()), "the journals read")
        await driver.pilot.pause()
        yield driver
