"""GPUs of a study: what they say now, and how much memory its attempts take on them over time."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from htr_tui.devices.nvml import DeviceReport
from htr_tui.devices.patience import PatientSampler, Sampler
from htr_tui.devices.process_tree import other_gpu_bytes, tree_gpu_bytes
from htr_tui.files import dump_line, iterate_records
from htr_tui.journal.paths import AttemptPaths
from htr_tui.study.resources_spec import ResourcesSpec
from htr_tui.supervisor.executor import Executor

MAX_AGE_S = 1.0
"""Decisions are made on what NVML said at most so long ago."""
SAMPLE_S = 2.0
SLOW_AFTER_S = 600.0
SLOW_SAMPLE_S = 10.0


class GpuRecorder:
    """The supervisor's one reader of GPUs. Without a GPU it does nothing."""

    def __init__(self, resources: ResourcesSpec, sampler: Sampler | None = None) -> None:
        self._resources = resources
        self._sampler: Sampler = sampler if sampler is not None else PatientSampler()
        self._report: DeviceReport | None = None
        self._read = 0.0
        self._last = -SAMPLE_S
        self._began: dict[AttemptPaths, float] = {}
        self._others: dict[AttemptPaths, int | None] = {}

    def report(self, max_age_s: float = MAX_AGE_S) -> DeviceReport:
        """The GPUs, not older than this; the driver is asked once for everybody who wants to know."""
        now = time.monotonic()
        if self._report is None or now - self._read > max_age_s:
            self._report, self._read = self._sampler.sample(), now
        return self._report

    def sample(self, running: Mapping[AttemptPaths, Executor]) -> None:
        """Append a line to devices.jsonl of every running attempt, when it is due."""
        for gone in [paths for paths in self._began if paths not in running]:
            del self._began[gone]
        now = time.monotonic()
        if self._resources.gpus == "none" or not running:
            return
        for paths in running:
            self._began.setdefault(paths, now)
        oldest = min(self._began.values())
        if now - self._last < (SAMPLE_S if now - oldest < SLOW_AFTER_S else SLOW_SAMPLE_S):
            return
        self._last = now
        report = self.report()
        if not report.gpus:
            return
        for paths, executor in running.items():
            self._write(paths, report, executor.process_ids(paths))

    def _write(self, paths: AttemptPaths, report: DeviceReport, pids: Collection[int]) -> None:
        self._others[paths] = other_gpu_bytes(report, pids)
        rows: list[dict[str, Any]] = []
        for gpu in report.gpus:
            ours = [p.used_bytes for p in gpu.processes if p.pid in pids and p.used_bytes is not None]
            rows.append(
                {
                    "index": gpu.index,
                    "used_bytes": gpu.used_bytes,
                    "total_bytes": gpu.total_bytes,
                    "utilization": gpu.utilization,
                    "temperature": gpu.temperature,
                    "power_w": gpu.power_w,
                    "trial_bytes": sum(ours) if ours else None,
                }
            )
        total = tree_gpu_bytes(report, pids)
        try:
            with open(paths.devices, "ab") as file:
                file.write(dump_line({"t": time.time(), "gpus": rows, "trial_bytes": total}))
        except OSError:
            pass  # a full disk costs the curve, not the trial

    def others(self, paths: AttemptPaths) -> int | None:
        """GPU memory that other people's processes held near the attempt's end, in bytes."""
        return self._others.pop(paths, None)

    def peak(self, paths: AttemptPaths) -> int | None:
        """The attempt's largest GPU memory seen, in bytes, by this supervisor or an earlier one."""
        if not paths.devices.exists():
            return None
        totals = [r["trial_bytes"] for r in iterate_records(paths.devices) if isinstance(r.get("trial_bytes"), int)]
        return max(totals, default=None)
