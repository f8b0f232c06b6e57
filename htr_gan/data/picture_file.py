"""An `.npy` file of pictures that grows by one picture at a time, so that a set need not fit into memory."""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray


class PictureFile:
    """A new file of uint8 [pictures, height, width]; complete once closed."""

    def __init__(self, path: Path, height: int, width: int) -> None:
        self._shape = (height, width)
        self._count = 0
        self._file = open(path, "wb")  # noqa: SIM115 closed by close()
        self._file.write(self._header())

    def __enter__(self) -> PictureFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _header(self) -> bytes:
        # NumPy pads the header so that the first axis may grow without moving the data.
        buffer = io.BytesIO()
        description = {"descr": "|u1", "fortran_order": False, "shape": (self._count, *self._shape)}
        np.lib.format.write_array_header_1_0(buffer, description)
        return buffer.getvalue()

    def append(self, picture: NDArray[np.uint8]) -> None:
        """Add one picture; ValueError for another size."""
        if picture.shape != self._shape or picture.dtype != np.uint8:
            raise ValueError(f"a picture of {picture.shape} and {picture.dtype} in a file of {self._shape}")
        self._file.write(np.ascontiguousarray(picture).tobytes())
        self._count += 1

    def close(self) -> None:
        """Write the number of pictures into the header."""
        if self._file.closed:
            return
        self._file.seek(0)
        self._file.write(self._header())
        self._file.close()
