"""A study of its own process on the board: takes a claim, starts a runner-like child that inherits it, obeys lines.

Prints the child's pid; `python -m tests.executors.holder BOARD STUDY DEVICE`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from htr_tui.executors.claims import ClaimBoard

folder, study, device = sys.argv[1:4]
claims = ClaimBoard(Path(folder), study=study, path=Path("/runs") / study)
with claims.choosing() as board:
    claim = claims.claim(board, device, label="gpu0", trial=1, attempt=1, expected_bytes=5)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], pass_fds=[claim.fd])
claim.close()
with claims.choosing() as board:
    claims.wish(board, frozenset({"GPU-b"}), None)
print(child.pid, flush=True)
sys.stdin.readline()
