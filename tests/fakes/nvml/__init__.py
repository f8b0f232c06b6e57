"""A fake libnvidia-ml: `build` compiles it, `environment` makes a process load it instead of a driver's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("nvml.c")


def has_compiler() -> bool:
    return shutil.which("gcc") is not None


def build(folder: Path) -> Path:
    """The folder that holds the library; for LD_LIBRARY_PATH."""
    library = folder / "libnvidia-ml.so.1"
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-O1",
        "-Wall",
        "-Werror",
        "-Wl,-soname,libnvidia-ml.so.1",
        "-o",
        str(library),
    ]
    subprocess.run([*command, str(SOURCE)], check=True, timeout=120)
    return folder


def environment(library_folder: Path, machine: Path) -> dict[str, str]:
    """What a process needs to see the cards that the text file `machine` lists."""
    return {"LD_LIBRARY_PATH": str(library_folder), "FAKE_NVML": str(machine)}
