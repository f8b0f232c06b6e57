"""A supervisor that dies by kill -9 just before or just after its N-th journal record.

python -m tests.fakes.dying_supervisor STUDY_FOLDER --base DIR --at N --side before|after
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from typing import Any

from htr_tui.journal.paths import StudyPaths
from htr_tui.study.loading import load_study
from htr_tui.supervisor.ledger import StudyLedger
from htr_tui.supervisor.loop import Supervisor


class DyingLedger(StudyLedger):
    """Counts its records."""

    at: int = 0
    side: str = "after"
    written: int = 0

    def record(self, event: str, *, follow_up: dict[str, Any] | None = None, **fields: Any) -> None:
        """Die here, one day."""
        self.written += 1
        if self.written == self.at and self.side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().record(event, follow_up=follow_up, **fields)
        if self.written == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--at", type=int, required=True)
    parser.add_argument("--side", choices=("before", "after"), required=True)
    args = parser.parse_args()
    paths = StudyPaths(args.folder)
    DyingLedger.at, DyingLedger.side = args.at, args.side
    Supervisor(paths, load_study(paths.study_file), args.base, make_ledger=DyingLedger).run()


if __name__ == "__main__":
    main()
