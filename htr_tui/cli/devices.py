"""`htr-tui devices`: every GPU and MIG instance, who holds it, who waits for it, and whose other processes are on it."""

from __future__ import annotations

import argparse
import time
from typing import Any

from htr_tui.cli.output import bytes_text, plain, print_json, print_table, seconds_text

Record = dict[str, Any]


def configure(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(args: argparse.Namespace) -> int:
    """Look and print; 0 also on a machine without a GPU."""
    from htr_tui.devices.host import sample_host
    from htr_tui.devices.patience import PatientSampler
    from htr_tui.devices.view import look

    view = look(PatientSampler().sample(), sample_host(args.dir))
    if args.json:
        print_json(view)
    else:
        _print(view)
    return 0


def _print(view: Record) -> None:
    if view["error"] is not None:
        print(f"no GPU: {plain(view['error'])}")
    elif not view["devices"]:
        print("no GPU: the driver lists no card")
    else:
        head = ["device", "memory", "load", "temp", "power", "state", "name"]
        print_table(head, [_row(device) for device in view["devices"]], right=frozenset({2, 3, 4}))
        for device in view["devices"]:
            for line in _lines(device):
                print(f"{device['label']}: {line}")
    for claim in view["elsewhere"]:
        print(f"{plain(claim['device'])} (not seen from here): {_holder(claim)}")
    if view["board"]["error"]:
        print(f"device locks: {plain(view['board']['error'])}")
    host = view["host"]
    memory = f"{bytes_text(host['memory_used'])} of {bytes_text(host['memory_total'])}"
    load = "" if host["load"] is None else f", load {host['load']:.1f}"
    print(f"host: {host['processors']} processors{load}, memory {memory}")


def _row(device: Record) -> list[str]:
    used, total = device["used_bytes"], device["total_bytes"]
    memory = "-" if total is None else f"{bytes_text(used)} of {bytes_text(total)}"
    load, temperature = device["utilization"], device["temperature"]
    limit = device["power_limit_w"]
    power = (
        "-" if device["power_w"] is None else f"{device['power_w']:.0f}" + ("" if limit is None else f"/{limit:.0f}")
    )
    return [
        device["label"],
        memory,
        "-" if load is None else f"{load:.0f} %",
        "-" if temperature is None else f"{temperature:.0f} C",
        f"{power} W" if power != "-" else power,
        _state(device),
        plain(device["name"]) if device["kind"] == "gpu" else plain(device["cuda"]),
    ]


def _state(device: Record) -> str:
    if device["state"] == "lost":
        return "lost"
    words = [] if device["state"] == "ok" else [device["state"]]
    words += [] if device["visible"] else ["hidden"]
    words += ["unified"] if device["shared_memory"] else []
    if not words:
        words = ["held" if device["holders"] else "in use" if device["processes"] else "free"]
    return ", ".join(words)


def _lines(device: Record) -> list[str]:
    lines = [_holder(claim) for claim in device["holders"]]
    for process in device["processes"]:
        if process["study"] is None:
            who = ", ".join(plain(part) for part in (process["user"], process["command"]) if part)
            held = "an unknown part" if process["used_bytes"] is None else bytes_text(process["used_bytes"])
            lines.append(f"pid {process['pid']} ({who or 'not visible from here'}) holds {held}")
    for wish in device["wishes"]:
        waiting = seconds_text(max(0.0, time.time() - wish["since"]))
        lines.append(f"{plain(wish['study'])} ({plain(wish['user'])}), priority {wish['priority']}, waits {waiting}")
    return lines


def _holder(claim: Record) -> str:
    trial = "a trial" if claim["trial"] is None else f"trial {claim['trial']}"
    pid = "" if claim["pid"] is None else f", runner {claim['pid']}"
    parts = [f"held by {trial} of {plain(claim['study'])} ({plain(claim['user'])}{pid})"]
    if claim["used_bytes"] is not None:
        parts.append(f"holds {bytes_text(claim['used_bytes'])}")
    if claim["expected_bytes"] is not None:
        parts.append(f"expects {bytes_text(claim['expected_bytes'])}")
    return ", ".join(parts)
