"""The machine's devices with everybody on them, as one JSON-like record: for the command line and the panel."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from htr_tui.devices.board import Board, Claim, Wish, board_folder, file_slug, read_board
from htr_tui.devices.host import HostSample
from htr_tui.devices.nvml import DeviceReport, GpuProcess, GpuSample
from htr_tui.devices.process_tree import ProcessFacts, ancestors, known_bytes, process_facts
from htr_tui.devices.units import DeviceUnit, device_units, visible_units

Record = dict[str, Any]
Above = Callable[[int], Sequence[int]]
"""A process and those above it, by pid."""
Facts = Callable[[int], ProcessFacts]


def machine_view(
    report: DeviceReport,
    board: Board,
    host: HostSample,
    env: Mapping[str, str],
    *,
    above: Above = ancestors,
    facts: Facts = process_facts,
) -> Record:
    """Devices, who holds them, who waits for them, other processes; sizes in bytes, times in Unix seconds.

    A card that is cut into MIG instances is followed by them; its own load, temperature and power count for all.
    """
    visible = {unit.id for unit in visible_units(report, env)}
    cards = {gpu.index: gpu for gpu in report.gpus}
    devices = []
    for unit in device_units(report):
        claims = [claim for claim in board.claims if claim.device == file_slug(unit.id)]
        wishes = [wish for wish in board.wishes if file_slug(unit.id) in wish.devices and not wish.is_keeping]
        record = _device(unit, cards[unit.index], unit.id in visible)
        record |= _occupants(unit, claims, above, facts)
        record["wishes"] = [_wish(wish) for wish in wishes]
        devices.append(record)
    known = {file_slug(unit.id) for unit in device_units(report)}
    return {
        "driver": report.driver,
        "error": report.error,
        "devices": devices,
        "elsewhere": [_claim(claim, None) for claim in board.claims if claim.device not in known],
        "board": {"folder": str(board_folder(env)), "error": board.error},
        "host": _host(host),
    }


def look(report: DeviceReport, host: HostSample, env: Mapping[str, str] | None = None) -> Record:
    """The view of now: reads the machine's board and /proc. Some milliseconds, so not in an event loop."""
    env = os.environ if env is None else env
    return machine_view(report, read_board(board_folder(env)), host, env)


def _device(unit: DeviceUnit, card: GpuSample, is_visible: bool) -> Record:
    return {
        "id": unit.id,
        "label": unit.label,
        "kind": "gpu" if unit.instance is None else "mig",
        "index": unit.index,
        "instance": unit.instance,
        "name": card.name,
        "cuda": unit.cuda,
        "state": "lost" if unit.is_lost else unit.mode if unit.mode != "default" else "ok",
        "visible": is_visible,
        "shared_memory": unit.has_shared_memory,
        "used_bytes": unit.used_bytes,
        "total_bytes": unit.total_bytes,
        "free_bytes": unit.free_bytes,
        "utilization": card.utilization,
        "temperature": card.temperature,
        "power_w": card.power_w,
        "power_limit_w": card.power_limit_w,
    }


def _occupants(unit: DeviceUnit, claims: Sequence[Claim], above: Above, facts: Facts) -> Record:
    """The device's claims with their processes' memory, and every process with the claim that it is of."""
    by_claim: dict[str, list[GpuProcess]] = {}
    processes = []
    for process in unit.processes:
        pids = above(process.pid)
        claim = next((claim for claim in claims if claim.runner in pids), None)
        if claim is not None:
            by_claim.setdefault(claim.file, []).append(process)
        processes.append(_process(process, claim, facts(process.pid)))
    return {
        "holders": [_claim(claim, known_bytes(by_claim.get(claim.file, []))) for claim in claims],
        "processes": processes,
    }


def _process(process: GpuProcess, claim: Claim | None, found: ProcessFacts) -> Record:
    return {
        "pid": process.pid,
        "user": found.user,
        "command": found.command,
        "used_bytes": process.used_bytes,
        "study": claim.study if claim else None,
        "trial": claim.trial if claim else None,
    }


def _claim(claim: Claim, used: int | None) -> Record:
    return {
        "study": claim.study,
        "path": claim.path,
        "trial": claim.trial,
        "attempt": claim.attempt,
        "user": claim.user,
        "pid": claim.runner,
        "used_bytes": used,
        "expected_bytes": claim.expected_bytes,
        "priority": claim.priority,
        "share": claim.is_shared,
        "since": claim.since,
        "device": claim.device,
    }


def _wish(wish: Wish) -> Record:
    return {
        "study": wish.study,
        "path": wish.path,
        "user": wish.user,
        "priority": wish.priority,
        "since": wish.since,
        "expected_bytes": wish.expected_bytes,
    }


def _host(host: HostSample) -> Record:
    return {
        "processors": host.processors,
        "cpu_percent": host.cpu_percent,
        "load": host.load,
        "memory_used": host.memory_used,
        "memory_total": host.memory_total,
        "swap_used": host.swap_used,
        "swap_total": host.swap_total,
    }
