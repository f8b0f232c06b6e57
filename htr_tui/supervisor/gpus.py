"""GPUs of a study: which ones its slots get, and how much memory its attempts take on them over time."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from typing import Any

from htr_tui.devices.host import visible_gpus
from htr_tui.devices.nvml import DeviceReport, GpuSampler
from htr_tui.devices.process_tree import other_gpu_bytes, tree_gpu_bytes
from htr_tui.executors.slots import Slot, plan_slots
from htr_tui.files import dump_line, iterate_records
from htr_tui.journal.paths import AttemptPaths
from htr_tui.study.resources_spec import ResourcesSpec
from htr_tui.supervisor.executor import Executor

SAMPLE_S = 2.0
SLOW_AFTER_S = 600.0
SLOW_SAMPLE_S = 10.0


class GpuRecorder:
    """Plans slots once, then samples while attempts run. Without a GPU it does nothing."""

    def __init__(self, resources: ResourcesSpec, sampler: GpuSampler | None = None) -> None:
        self._resources = resources
        self._sampler = sampler if sampler is not None else GpuSampler()
        self._last = -SAMPLE_S
        self._began: dict[AttemptPaths, float] = {}
        self._others: dict[AttemptPaths, int | None] = {}
        self._has_gpus = False
        self.reason = ""
        """What the user should know about the choice of devices."""

    def plan(self) -> list[Slot]:
        """The study's slots, from what NVML sees and CUDA_VISIBLE_DEVICES allows."""
        wanted = self._resources.gpus
        gpus: list[str] = []
        if wanted != "none":
            report = self._sampler.sample()
            available = [str(gpu.index) for gpu in visible_gpus(report, os.environ)]
            gpus = self._choose(wanted, available, report.error)
        self._has_gpus = bool(gpus)
        return plan_slots(gpus, self._resources.trials_per_gpu, self._resources.parallel)

    def _choose(self, wanted: str | int | tuple[int | str, ...], available: list[str], error: str | None) -> list[str]:
        if isinstance(wanted, tuple):
            return [str(gpu) for gpu in wanted]
        if wanted == "auto" or not isinstance(wanted, int):
            if not available:
                self.reason = f"no GPU, trials run on the CPU ({error or 'none is visible'})"
            return available
        if len(available) < wanted:
            self.reason = (
                f"the study asks for {wanted} GPUs, {len(available)} are here ({error or 'NVML sees no more'})"
            )
        return available[:wanted]

    def sample(self, running: Mapping[AttemptPaths, Executor]) -> None:
        """Append a line to devices.jsonl of every running attempt, when it is due."""
        for gone in [paths for paths in self._began if paths not in running]:
            del self._began[gone]
        now = time.monotonic()
        if not self._has_gpus or not running:
            return
        for paths in running:
            self._began.setdefault(paths, now)
        oldest = min(self._began.values())
        if now - self._last < (SAMPLE_S if now - oldest < SLOW_AFTER_S else SLOW_SAMPLE_S):
            return
        self._last = now
        report = self._sampler.sample()
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
