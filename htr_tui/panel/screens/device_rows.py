"""What the Devices screen tells: the devices in words and bars, their processes as rows, and who waits for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from htr_tui.journal.records import TrialRecord
from htr_tui.panel import format
from htr_tui.panel.frame.lines import Lines, Look, Piece
from htr_tui.panel.frame.sparkline import sparkline
from htr_tui.panel.screens.trial_columns import GB, elapsed
from htr_tui.panel.views import DeviceView, HolderView, LiveAttempt, MachineView, ProcessView, StudyView
from htr_tui.panel.widgets.meter import FULL_BAD, FULL_WARN, HOT_BAD, HOT_WARN
from htr_tui.panel.widgets.table_rows import Cell, CellValue, Column

COLUMNS: Final = (
    Column("device", "device", 7),
    Column("pid", "pid", 8, "right"),
    Column("memory", "memory", 9, "right"),
    Column("user", "user", 10),
    Column("trial", "trial", 22, stretch=True),
    Column("command", "command", 14, stretch=True),
)
STATES: Final[Mapping[str, tuple[str, Look]]] = {
    "lost": ("! lost: it no longer answers. Studies leave it alone; a reboot may bring it back.", "bad"),
    "exclusive": ("exclusive: one process at a time may compute on it", "dim"),
    "prohibited": ("! prohibited: its mode lets nobody compute on it", "warn"),
}
INDENT: Final = "      "


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A process on a device, or a running trial of which no process was seen there."""

    device: str
    pid: int | None
    used_bytes: int | None
    user: str
    study: str | None
    trial: int | None
    command: str
    is_here: bool
    """Whether the trial is one of this panel's, so that it can be opened."""

    @property
    def key(self) -> str:
        """What stays the same while it lives."""
        return f"{self.device} {self.pid} {self.study} {self.trial}"


class DeviceRows:
    """A `RowSource` over them."""

    def __init__(self, rows: Sequence[DeviceRow]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def key(self, i: int) -> str:
        """The row's key."""
        return self.rows[i].key

    def cells(self, i: int) -> Sequence[CellValue]:
        """The row's cells."""
        row = self.rows[i]
        whose: CellValue = Cell("no study", "warn")
        if row.study is not None:
            whose = Cell(
                row.study if row.trial is None else f"{row.study} #{row.trial}", "accent" if row.is_here else ""
            )
        return [
            row.device,
            str(row.pid) if row.pid is not None else Cell(format.MISSING, "muted"),
            format.size_bytes(row.used_bytes) if row.used_bytes is not None else Cell(format.MISSING, "muted"),
            row.user or Cell("?" if row.pid is not None else format.MISSING, "muted"),
            whose,
            Cell(row.command, "muted"),
        ]


def device_rows(
    machine: MachineView | None,
    studies: Sequence[StudyView],
    trials: Mapping[tuple[str, int], TrialRecord],
    live: Mapping[tuple[str, int], LiveAttempt],
) -> list[DeviceRow]:
    """Processes by device, holders that no process was matched with, then the other running trials."""
    rows: list[DeviceRow] = []
    for device in machine.devices if machine is not None else ():
        here = {(holder.study, holder.trial) for holder in device.holders if holder.is_here}
        rows += [_process_row(device.label, process, here) for process in device.processes]
        seen = {(row.study, row.trial) for row in rows}
        rows += [
            _holder_row(device.label, holder) for holder in device.holders if (holder.study, holder.trial) not in seen
        ]
    seen = {(row.study, row.trial) for row in rows if row.is_here}
    for study in studies:
        for number in study.running:
            trial = trials.get((study.name, number))
            if (study.name, number) not in seen and trial is not None:
                rows.append(_trial_row(study.name, trial, live.get((study.name, number))))
    return rows


def _process_row(device: str, process: ProcessView, here: set[tuple[str, int | None]]) -> DeviceRow:
    is_here = process.study is not None and (process.study, process.trial) in here
    return DeviceRow(
        device, process.pid, process.used_bytes, process.user, process.study, process.trial, process.command, is_here
    )


def _holder_row(device: str, holder: HolderView) -> DeviceRow:
    return DeviceRow(
        device, None, holder.used_bytes, holder.user, holder.study, holder.trial, "holds it", holder.is_here
    )


def _trial_row(study: str, trial: TrialRecord, live: LiveAttempt | None) -> DeviceRow:
    attempt = trial.last_attempt
    names = attempt.devices if attempt is not None else ()
    devices = ",".join(f"gpu{name}" if name.isdecimal() else name for name in map(str, names))
    where = f"slot {attempt.slot}" if attempt is not None else ""
    return DeviceRow(devices or "cpu", None, live.gpu_bytes if live else None, "", study, trial.number, where, True)


# -- devices -----------------------------------------------------------------------------------------------------------


Detail = Literal["full", "short", "line"]
"""Everything; without the last minutes; a line a device."""


def describe_in(rows: int, width: int, is_ascii: bool, machine: MachineView | None) -> Lines:
    """The machine in at most `rows` lines if that can be, with as much detail as they hold."""
    lines = Lines(width, is_ascii)
    details: tuple[Detail, ...] = ("full", "short", "line")
    for detail in details:
        lines = Lines(width, is_ascii)
        describe_machine(lines, machine, detail)
        if len(lines.lines) <= rows:
            break
    return lines


def describe_machine(lines: Lines, machine: MachineView | None, detail: Detail = "full") -> None:
    """Every device, and the host."""
    if machine is None:
        lines.add(("asking the driver", "dim"))
        return
    if not machine.devices:
        lines.wrap(
            f"No GPU: {machine.gpu_error or 'the driver lists none'}. Trials run on the processor.", "warn", limit=3
        )
    for device in machine.devices:
        if detail == "line":
            _describe_in_a_line(lines, device)
        else:
            _describe_device(lines, device, machine.history.get(device.label, ()) if detail == "full" else ())
    if machine.board_error:
        lines.wrap(f"! who holds a device cannot be told: {machine.board_error}", "warn", limit=2)
    _describe_host(lines, machine)


def _describe_device(lines: Lines, device: DeviceView, history: Sequence[tuple[float, float]]) -> None:
    hidden = "" if device.is_visible else "  hidden by CUDA_VISIBLE_DEVICES"
    lines.add((f"{device.label:<5} ", "bold"), f"{device.name}  ", (_held(device), "accent"), (hidden, "warn"))
    if device.state in STATES:
        text, look = STATES[device.state]
        lines.wrap(text, look, indent=INDENT, limit=2)
    if device.state == "lost":
        return
    lines.add(INDENT, *_sensors(device, lines))
    if len(history) > 1:
        room = max(6, min(40, (lines.width - 26) // 2))
        most = float(device.total_bytes or max(used for used, _ in history) or 1)
        memory = sparkline([used for used, _ in history], room, lines.is_ascii, (0.0, most))
        load = sparkline([load for _, load in history], room, lines.is_ascii, (0.0, 100.0))
        lines.add((f"{INDENT}memory ", "dim"), (memory, "accent"), ("  load ", "dim"), (load, "accent"))


def _describe_in_a_line(lines: Lines, device: DeviceView) -> None:
    hidden = " hidden" if device.is_visible is False else ""
    label: Piece = (f"{device.label:<6} ", "bold")
    if device.state == "lost":
        lines.add(label, ("! lost: it no longer answers", "bad"), (hidden, "warn"))
        return
    state = f" ! {device.state}" if device.state != "ok" else ""
    lines.add(
        label,
        *_sensors(replace(device, power_w=None), lines, 6),
        (f"{state}{hidden}", "warn"),
        (f"  {_held(device)}", "accent"),
    )


def _held(device: DeviceView) -> str:
    if device.holders:
        return "held by " + ", ".join(_who(holder) for holder in device.holders[:4])
    if device.state in ("lost", "prohibited"):
        return ""
    return "used by others" if device.processes else "free"


def _who(holder: HolderView) -> str:
    trial = f" #{holder.trial}" if holder.trial is not None else ""
    return f"{holder.study}{trial}" + ("" if holder.is_here or not holder.user else f" ({holder.user})")


def _sensors(device: DeviceView, lines: Lines, bar: int = 16) -> list[Piece]:
    share = device.used_bytes / device.total_bytes if device.used_bytes is not None and device.total_bytes else None
    fullness = _look(share, FULL_WARN, FULL_BAD)
    pieces: list[Piece] = [
        (format.bar(share, bar if lines.width >= 72 else bar // 2, lines.is_ascii), fullness),
        (f" {_memory(device.used_bytes, device.total_bytes)}", fullness),
    ]
    if device.load is not None:
        pieces.append((f"   load {device.load:.0f}%", "plain"))
    if device.temperature is not None:
        pieces.append((f"   {device.temperature:.0f}°C", _look(device.temperature, HOT_WARN, HOT_BAD)))
    if device.power_w is not None:
        limit = f"/{device.power_limit_w:.0f}" if device.power_limit_w is not None else ""
        pieces.append((f"   {device.power_w:.0f}{limit} W", "dim"))
    # A mark behind what warns, for those who see no colour; the bar needs none.
    return [
        (text + "!" if look in ("warn", "bad") and text[-1:] not in "█░#." else text, look) for text, look in pieces
    ]


def _describe_host(lines: Lines, machine: MachineView) -> None:
    share = machine.memory_used / machine.memory_total if machine.memory_used and machine.memory_total else None
    pieces: list[Piece] = [("host  ", "bold")]
    if machine.cpu_percent is not None:
        pieces.append((f"cpu {machine.cpu_percent:.0f}%", "plain"))
    pieces.append(
        (f"   memory {_memory(machine.memory_used, machine.memory_total)}", _look(share, FULL_WARN, FULL_BAD))
    )
    if machine.load is not None:
        pieces.append((f"   load {machine.load:.1f}", "dim"))
    if machine.disk_free is not None:
        pieces.append((f"   disk {format.size_bytes(machine.disk_free)} free", "dim"))
    lines.add(*pieces)


def _memory(used: int | None, total: int | None) -> str:
    if used is None and not total:
        return format.MISSING
    told = f"{used / GB:.1f}" if used is not None else format.MISSING
    return f"{told}/{total / GB:.0f} GB" if total else f"{told} GB"


def _look(value: float | None, warn: float, bad: float) -> Look:
    if value is None or value < warn:
        return "plain"
    return "bad" if value >= bad else "warn"


def describe_waiting(lines: Lines, machine: MachineView | None, studies: Sequence[StudyView], now: float) -> None:
    """Which studies wait and what for; those of others wait on the board of devices."""
    ours = [study for study in studies if study.is_active and study.waiting]
    others: dict[tuple[str, str], tuple[HolderView, list[str]]] = {}
    for device in machine.devices if machine is not None else ():
        for wish in device.wishes:
            if not wish.is_here:
                others.setdefault((wish.study, wish.user), (wish, []))[1].append(device.label)
    if ours or others:
        lines.heading("waiting")
    for study in ours:
        lines.wrap(f"{study.name}: {study.waiting}", "warn", limit=3)
    for wish, labels in others.values():
        since = f" for {elapsed(now - wish.since)}" if wish.since is not None else ""
        needs = f", needs {format.size_bytes(wish.expected_bytes)}" if wish.expected_bytes is not None else ""
        lines.wrap(
            f"{_who(wish)}, priority {wish.priority}: waits{since} for {' or '.join(labels[:8])}{needs}", limit=2
        )
