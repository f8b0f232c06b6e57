"""What the deciding lines name: a package, a path, an amount of memory, and who holds the GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = r"([\d.]+) ?([KMGT]?)i?B"
_OTHERS = re.compile(rf"Process \d+ has {_SIZE} memory in use")
_OWN = re.compile(rf"this process has {_SIZE} memory in use")
_OLD = re.compile(rf"{_SIZE} total capac\w*; {_SIZE} already allocated; {_SIZE} free(?:; {_SIZE} (?:reserved|cached))?")
_REQUEST = re.compile(rf"(?:[Tt]ried to allocate|[Tt]rying to allocate|[Uu]nable to allocate) {_SIZE}")
_REQUEST_BYTES = re.compile(r"(?:tried|trying) to allocate (\d+) ?bytes|allocating ([\d,]+) bytes", re.IGNORECASE)
_MODULE = re.compile(r"No module named ['\"]?([A-Za-z_][\w.]*)|cannot import name .{1,80} from ['\"]?([A-Za-z_][\w.]*)")
_PATHS = (
    re.compile(
        r"(?:No such file or directory|No space left on device|quota exceeded|cannot find the \w+ specified)[^:]*: b?['\"]([^'\"]{1,500})['\"]"
    ),
    re.compile(r"name = '([^']{1,500})'"),
    re.compile(r"([\w./~-]*/[\w./~+-]+); No such file"),
    re.compile(r"(?:No file or directory found at|does not exist at:?|writing file) ([\w./~+-]+)"),
    re.compile(r"([\w./~-]*/[\w./~+-]+): (?:No such file or directory|No space left on device)"),
    re.compile(r"['\"]((?:/|\./|[\w.-]+/)[^'\"]{1,500})['\"]"),
)
DISTRIBUTIONS: Final = {
    "cv2": "opencv-python", "PIL": "pillow", "sklearn": "scikit-learn", "skimage": "scikit-image", "yaml": "pyyaml",
    "Crypto": "pycryptodome", "bs4": "beautifulsoup4", "git": "GitPython", "Levenshtein": "python-Levenshtein",
    "pytorch_lightning": "pytorch-lightning", "tensorflow_addons": "tensorflow-addons", "attr": "attrs",
}  # fmt: skip
"""Module -> the package that holds it, where the names differ."""


@dataclass(frozen=True, slots=True)
class GpuShare:
    """What an out-of-memory text says about the card, in bytes."""

    own: int
    others: int


def _bytes(number: str, unit: str) -> int:
    try:
        return int(float(number) * UNITS[unit])
    except (ValueError, OverflowError):
        return 0


def missing_package(text: str) -> str | None:
    """The package to install, from the line of an import error."""
    match = _MODULE.search(text)
    if not match:
        return None
    module = (match[1] or match[2]).partition(".")[0]
    return DISTRIBUTIONS.get(module, module)


def named_path(text: str) -> str | None:
    """The file or folder that an error line names."""
    return next((match[1] for regex in _PATHS if (match := regex.search(text))), None)


def requested_bytes(text: str) -> int | None:
    """How much memory the failed request was for."""
    if match := _REQUEST.search(text):
        return _bytes(match[1], match[2])
    if match := _REQUEST_BYTES.search(text):
        return int((match[1] or match[2]).replace(",", "") or 0)
    return None


def gpu_share(text: str) -> GpuShare | None:
    """Who held the card, as PyTorch's texts of all versions tell it."""
    if others := _OTHERS.findall(text):
        own = _OWN.search(text)
        return GpuShare(_bytes(own[1], own[2]) if own else 0, sum(_bytes(*other) for other in others))
    if match := _OLD.search(text):
        total, allocated, free = (_bytes(match[i], match[i + 1]) for i in (1, 3, 5))
        own_bytes = max(allocated, _bytes(match[7], match[8]) if match[7] else 0)
        return GpuShare(own_bytes, max(0, total - own_bytes - free))
    return None


def human_bytes(count: float) -> str:
    """1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
