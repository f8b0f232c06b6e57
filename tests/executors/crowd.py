"""One of many studies that want the same few devices, and that die by kill -9 now and then.

`python -m tests.executors.crowd BOARD LOG NAME SEED`: claims devices for forked children, which write when they held
them; about one in four times the study dies just after its child was born.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from htr_tui.errors import BusyError
from htr_tui.executors.claims import ClaimBoard, HeldFile

ROUNDS = 12
DEVICES = ("GPU-a", "GPU-b")


def take(claims: ClaimBoard, chance: random.Random) -> tuple[str, HeldFile] | None:
    try:
        with claims.choosing() as board:
            held = {claim.device for claim in board.read().claims}
            free = [device for device in DEVICES if device not in held]
            if not free:
                return None
            device = chance.choice(free)
            return device, claims.claim(board, device, label=device, trial=0, attempt=1, expected_bytes=None)
    except BusyError:
        return None


def hold(log: int, device: str, chance: random.Random) -> None:
    """The child: as long as it lives the device is its own, whatever becomes of its parent."""
    os.write(log, f"{time.monotonic()} take {device}\n".encode())
    time.sleep(chance.random() * 0.01)
    os.write(log, f"{time.monotonic()} give {device}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    folder, log_path, name, seed = sys.argv[1:5]
    chance = random.Random(int(seed))
    claims = ClaimBoard(Path(folder), study=name, path=Path("/runs") / name)
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    done = 0
    while done < ROUNDS:
        taken = take(claims, chance)
        if taken is None:
            time.sleep(0.001)
            continue
        device, held = taken
        child = os.fork()
        if child == 0:
            hold(log, device, chance)
        held.close()
        done += 1
        if chance.random() < 0.25:
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
