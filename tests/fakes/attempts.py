"""Attempt folders as a runner, a trainer and triage leave them, without running anything."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from htr_tui.files import dump_line, write_json
from htr_tui.journal.paths import AttemptPaths
from tests.fakes.trainer import OOM_TEXT, STEPS, metrics_of, png

GIB = 1 << 30
DEAD_PROCESS = {"pid": 1 << 30, "ticks": 1, "boot": "another-boot", "host": "another-host"}


@dataclass(frozen=True)
class AttemptStory:
    """What happened in an attempt; enough to write its folder."""

    trial: int
    number: int
    state: str
    params: dict[str, Any]
    set: dict[str, Any]
    first_epoch: int
    last_epoch: int
    epochs: int
    started: float
    seconds: float
    has_finding: bool = True

    @property
    def ended(self) -> float:
        return self.started + self.seconds


def write_attempt(paths: AttemptPaths, story: AttemptStory, log_bytes: int = 0) -> None:
    """All files of the attempt; the log is filled up to `log_bytes` with ordinary lines."""
    paths.samples.mkdir(parents=True)
    paths.checkpoints.mkdir()
    in_force = {"train.batch": 8, "train.accumulation": 1, **story.params, **story.set}
    argv = ["trainer", "--out", str(paths.root), *(f"--set={k}={v}" for k, v in in_force.items())]
    write_json(paths.command, {"argv": argv, "cwd": "/", "env": {"PYTHONUNBUFFERED": "1"}, "devices": ["0"]})
    paths.params.write_text("".join(f"{k}: {v}\n" for k, v in story.params.items()))
    paths.overrides.write_text("".join(f"{k}: {v}\n" for k, v in {**story.params, **story.set}.items()))
    write_json(paths.runner, {**DEAD_PROCESS, "started": story.started})
    paths.events.write_bytes(b"".join(dump_line(event) for event in _events(paths, story, in_force)))
    paths.log.write_text(_log(story, in_force))
    _fill(paths, log_bytes)
    paths.system.write_bytes(b"".join(dump_line(sample) for sample in _system(story)))
    paths.devices.write_bytes(b"".join(dump_line(sample) for sample in _devices(story)))
    if story.state != "running":
        write_json(paths.exit, _exit(story))
    if story.state == "failed" and story.has_finding:
        write_json(paths.finding, oom_finding(in_force))


def _events(paths: AttemptPaths, story: AttemptStory, in_force: dict[str, Any]) -> list[dict[str, Any]]:
    count = max(1, story.last_epoch - story.first_epoch + 1)
    events: list[dict[str, Any]] = []

    def emit(t: float, kind: str, **fields: Any) -> None:
        events.append({"t": round(t, 3), "kind": kind, **fields})

    emit(story.started, "start", epochs=story.epochs, steps=STEPS, params=in_force, resumed_epoch=story.first_epoch - 1)
    for epoch in range(story.first_epoch, story.last_epoch + 1):
        t = story.started + story.seconds * (epoch - story.first_epoch + 1) / count
        emit(t - 0.1, "progress", epoch=epoch, step=STEPS, of=STEPS, rate=1.5)
        emit(t, "metrics", epoch=epoch, step=epoch * STEPS, values=metrics_of(story.params, epoch))
        sample = f"samples/epoch-{epoch:03d}.png"
        (paths.root / sample).write_bytes(png())
        panels = ["degraded", "restored", "clean"]
        emit(t, "sample", path=sample, epoch=epoch, caption=f"epoch {epoch}", panels=panels)
        checkpoint = f"checkpoints/epoch-{epoch}.json"
        (paths.root / checkpoint).write_text(json.dumps({"epoch": epoch, "params": in_force}))
        emit(t, "checkpoint", path=checkpoint, epoch=epoch)
    if story.state == "running":
        emit(story.ended, "progress", epoch=story.last_epoch + 1, step=1, of=STEPS, rate=1.5)
    elif story.state != "failed":
        emit(story.ended, "end", status="complete" if story.state == "complete" else "stopped")
    return events


def _log(story: AttemptStory, in_force: dict[str, Any]) -> str:
    lines = [f"trial {story.trial} attempt {story.number}"]
    for epoch in range(story.first_epoch, story.last_epoch + 1):
        values = metrics_of(story.params, epoch)
        lines.append(f"epoch {epoch}/{story.epochs} " + " ".join(f"{k} {v:.4f}" for k, v in values.items()))
    if story.state == "failed":
        lines.append(OOM_TEXT.format(batch=in_force["train.batch"]))
    return "\n".join(lines) + "\n"


def _fill(paths: AttemptPaths, log_bytes: int) -> None:
    block = "".join(f"step {n:6d} loss {100 / (n + 1):.4f}\n" for n in range(20_000)).encode()
    with open(paths.log, "ab") as file:
        while (missing := log_bytes - file.tell()) > 0:
            file.write(block[:missing])


def _system(story: AttemptStory) -> list[dict[str, Any]]:
    return [
        {"t": story.started + i * story.seconds / 60, "rss_bytes": int((2 + i / 60) * GIB), "cpu_percent": 97.5,
         "processes": 3}
        for i in range(60)
    ]  # fmt: skip


def _devices(story: AttemptStory) -> list[dict[str, Any]]:
    samples: list[dict[str, Any]] = []
    for i in range(60):
        used = int((9 + math.sin(i / 8)) * GIB)
        gpu = {
            "index": 0,
            "used_bytes": used + GIB // 2,
            "total_bytes": 16 * GIB,
            "utilization": 87,
            "temperature": 66,
            "power_w": 110.0,
            "trial_bytes": used,
        }
        samples.append({"t": story.started + i * story.seconds / 60, "gpus": [gpu], "trial_bytes": used})
    return samples


def _exit(story: AttemptStory) -> dict[str, Any]:
    codes = {"complete": 0, "failed": 1}
    return {
        "schema": 1,
        "exit_code": codes.get(story.state, 143),
        "signal": None,
        "start": story.started,
        "end": story.ended,
        "seconds": story.seconds,
        "peak_rss_bytes": 3 * GIB,
        "oom_kills": 0,
        "stop_requested": "stop" if story.state in ("stopped", "pruned") else None,
    }


def oom_finding(in_force: dict[str, Any]) -> dict[str, Any]:
    """What triage says of the log above."""
    batch, accumulation = in_force["train.batch"], in_force["train.accumulation"]
    fix = {
        "name": "halve_batch",
        "title": "halve the batch",
        "set": {"train.batch": batch // 2, "train.accumulation": accumulation * 2},
        "env": {},
        "effect": f"batch {batch} -> {batch // 2} with {accumulation * 2} accumulation steps: same effective batch",
    }
    return {
        "schema": 1,
        "category": "gpu_oom",
        "confidence": 0.98,
        "title": "GPU out of memory",
        "evidence": [{"line": 12, "text": "OOM when allocating tensor with shape[8,64,128,1024]"}],
        "explanation": "The GPU had no room for a tensor of the forward pass.",
        "fixes": [fix],
    }
