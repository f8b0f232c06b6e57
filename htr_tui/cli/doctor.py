"""`htr-tui doctor`: what works here and what to do about the rest; imports nothing heavy, not even for a version."""

from __future__ import annotations

import argparse
import locale
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from htr_tui.cli.output import print_json
from htr_tui.text import clean_text

if TYPE_CHECKING:
    from htr_tui.devices.nvml import GpuInstance, GpuSample

Status = Literal["ok", "warn", "missing"]
MIN_DISK: Final = 2 << 30
MIN_SHM: Final = 1 << 30
PACKAGES: Final = (
    ("tensorflow", "the trainer that ships", "install htr-tui[train]"),
    ("keras", "the trainer that ships", "install htr-tui[train]"),
    ("optuna", "the sampler", "install htr-tui again: it is a dependency"),
    ("mlflow-skinny", "tracking", "install htr-tui again: it is a dependency"),
    ("mlflow", "MLflow's own web pages; tracking works without", "install htr-tui[mlflow]"),
    ("textual", "the panel", "install htr-tui again: it is a dependency"),
    ("pillow", "pictures in the panel", "install htr-tui[images]"),
)
LOGIND: Final = (Path("/etc/systemd/logind.conf"), Path("/usr/lib/systemd/logind.conf"))


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at."""

    name: str
    status: Status
    found: str
    remedy: str = ""
    """What to do, where the status is not ok."""


def configure(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(args: argparse.Namespace) -> int:
    """Look at everything; 0 whatever is missing, as most of it is optional."""
    rows = list(_rows(args.dir))
    if args.json:
        print_json({"ok": all(row.status == "ok" for row in rows), "rows": [asdict(row) for row in rows]})
        return 0
    width = max(len(row.name) for row in rows)
    for row in rows:
        print(f"{row.status:<7}  {row.name:<{width}}  {clean_text(row.found, 200)}")
        if row.remedy:
            print(f"{'':<7}  {'':<{width}}  > {clean_text(row.remedy, 200)}")
    return 0


def _rows(folder: Path) -> Iterator[Row]:
    yield _python()
    yield from _gpu()
    yield from (_package(*package) for package in PACKAGES)
    yield from _places(folder)
    yield from _terminal()
    yield from _session()


def _python() -> Row:
    found = f"{sys.version.split()[0]} at {sys.executable}"
    return Row("python", "ok", found)


def _gpu() -> Iterator[Row]:
    from htr_tui.devices.patience import PatientSampler
    from htr_tui.devices.units import device_units, visible_units

    report = PatientSampler().sample()
    if report.is_silent:
        yield Row("gpu", "warn", report.error or "", "a card may have fallen off the bus: look at dmesg, reboot")
        return
    if report.error is not None:
        yield Row(
            "gpu", "missing", report.error, "training works without one, slowly; with a card, install NVIDIA's driver"
        )
        return
    yield Row("driver", "ok", f"NVIDIA {report.driver or 'of unknown version'}")
    if not report.gpus:
        yield Row(
            "gpu", "missing", "the driver lists no card", "check that the card is visible to this container or job"
        )
    for gpu in report.gpus:
        yield _card(gpu)
        yield from (_instance(gpu, part) for part in gpu.instances)
    hidden = len(device_units(report)) - len(visible_units(report, os.environ))
    if hidden:
        shown = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        yield Row("visible gpus", "warn", f"CUDA_VISIBLE_DEVICES={shown!r} hides {hidden}", "unset it to use all cards")
    yield _device_board()


def _card(gpu: GpuSample) -> Row:
    size = "memory unknown" if gpu.total_bytes is None else f"{gpu.total_bytes / 1e9:.1f} GB"
    name, found = f"gpu {gpu.index}", f"{gpu.name}, {size}"
    if gpu.is_lost:
        return Row(name, "warn", found, "reboot: the card no longer answers")
    if gpu.mode == "prohibited":
        return Row(name, "warn", f"{found}, not for computing", f"nvidia-smi -i {gpu.index} -c DEFAULT, as root")
    if gpu.is_mig and not gpu.instances:
        return Row(name, "warn", f"{found}, MIG is on and no instance is made", "nvidia-smi mig -cgi ..., or MIG off")
    if gpu.mode == "exclusive":
        found += ", one process at a time (so one trial)"
    if gpu.is_mig:
        found += f", cut into {len(gpu.instances)} MIG instances"
    return Row(name, "ok", f"{found}, memory shared with the processor" if gpu.has_shared_memory else found)


def _instance(gpu: GpuSample, part: GpuInstance) -> Row:
    size = "memory unknown" if part.total_bytes is None else f"{part.total_bytes / 1e9:.1f} GB"
    return Row(f"gpu {gpu.index}/{part.number}", "ok", f"{part.uuid}, {size}")


def _device_board() -> Row:
    """Whether studies can tell each other which devices they hold."""
    from htr_tui.devices.board import board_folder, folder_trouble

    folder = board_folder(os.environ)
    trouble = folder_trouble(folder)
    if trouble is None:
        return Row("device locks", "ok", f"{folder}")
    return Row("device locks", "warn", f"{folder}: {trouble}", "studies may take the same GPU until that is mended")


def _package(name: str, use: str, remedy: str) -> Row:
    try:
        return Row(name, "ok", f"{metadata.version(name)} ({use})")
    except metadata.PackageNotFoundError:
        return Row(name, "missing", f"not installed ({use})", remedy)


def _places(folder: Path) -> Iterator[Row]:
    from htr_tui.devices.host import disk_space

    free, _ = disk_space(folder)
    if free is None:
        yield Row("disk", "warn", f"free space of {folder} cannot be told")
    else:
        scarce = free < MIN_DISK
        remedy = "free some space: checkpoints of a study take gigabytes" if scarce else ""
        yield Row("disk", "warn" if scarce else "ok", f"{free / 1e9:.1f} GB free at {folder.absolute()}", remedy)
    yield _writable(folder)
    shm = Path("/dev/shm")
    _, total = disk_space(shm) if shm.is_dir() else (None, None)
    if total is None:
        yield Row("/dev/shm", "missing", "not there", "loader workers of PyTorch need it")
    elif total < MIN_SHM:
        yield Row("/dev/shm", "warn", f"{total / 1e6:.0f} MB", "in a container give --shm-size=8g or --ipc=host")
    else:
        yield Row("/dev/shm", "ok", f"{total / 1e9:.1f} GB")


def _writable(folder: Path) -> Row:
    runs = folder.absolute() / "runs"
    place = next(p for p in (runs, *runs.parents) if p.exists())
    if os.access(place, os.W_OK | os.X_OK) and place.is_dir():
        return Row("runs folder", "ok", f"{runs} can be written")
    return Row("runs folder", "missing", f"{place} cannot be written", "choose another folder with --dir")


def _terminal() -> Iterator[Row]:
    term = os.environ.get("TERM", "")
    size = shutil.get_terminal_size(fallback=(0, 0))
    if not sys.stdout.isatty():
        yield Row(
            "terminal", "warn", "the output is no terminal", "start the panel in a terminal; the commands work anywhere"
        )
    elif term in ("", "dumb"):
        yield Row("terminal", "warn", f"TERM={term or 'unset'}", "set TERM, for example to xterm-256color")
    elif size.columns < 80 or size.lines < 24:
        yield Row("terminal", "warn", f"{term}, {size.columns}x{size.lines}", "the panel wants 80x24 or more")
    else:
        yield Row("terminal", "ok", f"{term}, {size.columns}x{size.lines}")
    yield _colours(term)
    encoding = locale.getpreferredencoding(False)
    if encoding.lower().replace("-", "") == "utf8":
        yield Row("encoding", "ok", encoding)
    else:
        yield Row("encoding", "warn", encoding, "set LC_ALL=C.UTF-8 for finer charts; plain signs are drawn without")


def _colours(term: str) -> Row:
    if "NO_COLOR" in os.environ:
        return Row("colours", "ok", "none, as NO_COLOR asks")
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Row("colours", "ok", "16 million")
    if "256" in term:
        return Row("colours", "ok", "256", "set COLORTERM=truecolor if the terminal can")
    return Row("colours", "warn", "16", "set COLORTERM=truecolor or TERM=xterm-256color if the terminal can")


def _session() -> Iterator[Row]:
    """Does a study outlive the end of the SSH session?"""
    if "TMUX" in os.environ or "STY" in os.environ:
        yield Row("multiplexer", "ok", "inside tmux or screen; not needed, studies run detached")
    try:
        cgroup = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if "session-" not in cgroup or ".scope" not in cgroup:
        return
    remedy = "loginctl enable-linger, and start studies with systemd-run --user --scope"
    setting = _kill_user_processes()
    if setting == "yes":
        yield Row("logout", "warn", "KillUserProcesses=yes: systemd ends studies when you log out", remedy)
    elif setting == "no":
        yield Row("logout", "ok", "KillUserProcesses=no: studies outlive the session")
    else:
        yield Row("logout", "warn", "KillUserProcesses is not set; its default differs between systems", remedy)


def _kill_user_processes() -> str | None:
    """The first setting that logind's files make; None if none does."""
    drop_ins = [p for folder in LOGIND for p in sorted(folder.with_name("logind.conf.d").glob("*.conf"))]
    for path in (*drop_ins, *LOGIND):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            key, _, value = line.partition("=")
            if key.strip() == "KillUserProcesses":
                return "yes" if value.strip().lower() in ("yes", "true", "1", "on") else "no"
    return None
