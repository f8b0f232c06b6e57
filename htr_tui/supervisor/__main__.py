"""`python -m htr_tui.supervisor STUDY_FOLDER --base DIR`: the detached supervisor; started by `htr-tui run`."""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Supervise until the end; exit 0 finished or stopped, 1 on an error that is told on stderr (supervisor.log)."""
    parser = argparse.ArgumentParser(prog="python -m htr_tui.supervisor", description=__doc__)
    parser.add_argument("folder", type=Path, help="the study's folder, runs/<study>")
    parser.add_argument("--base", type=Path, required=True, help="folder in which the trainer's command runs")
    args = parser.parse_args(argv)

    from htr_tui.errors import HtrError
    from htr_tui.journal.paths import StudyPaths
    from htr_tui.study.loading import load_study
    from htr_tui.supervisor.loop import supervise

    paths = StudyPaths(args.folder.resolve())
    try:
        reason = supervise(paths, load_study(paths.study_file), args.base.resolve())
    except HtrError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1
    return 0 if reason in ("finished", "stopped") else 1


if __name__ == "__main__":
    sys.exit(main())
