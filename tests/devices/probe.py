"""Samples GPUs as another process would: CDLL keeps a library once loaded, so each machine gets its own process.

Commands on stdin, one a line: `sample` prints a report as JSON, `clock N` sets the sampler's clock.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from htr_tui.devices.nvml import GpuSampler

now = 0.0
sampler = GpuSampler(clock=lambda: now, host_memory=lambda: (3, 7))
for line in sys.stdin:
    command, _, value = line.strip().partition(" ")
    if command == "clock":
        now = float(value)
    else:
        print(json.dumps(dataclasses.asdict(sampler.sample())), flush=True)
sampler.close()
