"""Wait for a condition instead of a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.pilot import Pilot


async def wait_until(pilot: Pilot[None], condition: Callable[[], bool], deadline_s: float = 20.0) -> None:
    """Let the app run until `condition` holds; fail when it does not in time."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("what was waited for did not happen")
        await pilot.pause(0.01)
