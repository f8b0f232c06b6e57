from __future__ import annotations

import os
import subprocess
import sys

from htr_tui.devices.nvml import GpuProcess
from htr_tui.devices.process_tree import ancestors, by_runner, known_bytes, process_facts


def test_processes_are_found_under_their_runner() -> None:
    code = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=0); print(p.pid, flush=True); p.wait()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert ancestors(grandchild)[:3] == (grandchild, child.pid, os.getpid())
        processes = [GpuProcess(grandchild, 5), GpuProcess(os.getpid(), 7), GpuProcess(4_190_000, None)]
        found = by_runner(processes, [child.pid])
        assert found == {child.pid: processes[:1], None: processes[1:]}
    finally:
        child.communicate("\n", timeout=30)


def test_a_pid_of_another_namespace_has_nobody_above_it() -> None:
    assert ancestors(4_190_000) == ()
    assert ancestors(0) == ancestors(-5) == ()
    assert process_facts(4_190_000).who == "pid 4190000 (not visible from here)"


def test_a_process_has_a_user_and_a_name() -> None:
    facts = process_facts(os.getpid())
    assert facts.user
    assert facts.command
    assert facts.who.startswith(f"pid {os.getpid()} ({facts.user}, ")


def test_unknown_sizes_are_not_nothing() -> None:
    assert known_bytes([]) is None
    assert known_bytes([GpuProcess(1, None)]) is None
    assert known_bytes([GpuProcess(1, None), GpuProcess(2, 3), GpuProcess(3, 0)]) == 3
