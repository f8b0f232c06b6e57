"""One story of epochs, told by trainers of every kind: what the contract suite of the metrics readers runs on."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from htr_tui.metrics.collector import Source
from htr_tui.metrics.csv_source import CsvSource
from htr_tui.metrics.epochs import EpochRule
from htr_tui.metrics.growing import Place
from htr_tui.metrics.json_source import JsonSource
from htr_tui.metrics.log_source import LogSource, compile_pattern
from htr_tui.metrics.tensorboard_source import TensorboardSource
from htr_tui.metrics.tfevents import masked_crc32c
from htr_tui.tracking.client import KIND
from htr_tui.tracking.plan import Point
from htr_tui.tracking.read_back import MlflowSource, ReadOptions
from tests.fakes.tracking_store import FakeStore

Epochs = list[dict[str, float]]
"""Metrics of the epochs 1, 2, ..."""


class Teller(Protocol):
    """A trainer that tells its metrics in its own way."""

    name: str
    grows: bool
    """Whether it appends bytes (else it writes its file anew for each epoch)."""
    broken: bytes
    """A piece that holds no metrics although it looks like it; empty where there is none."""

    def __init__(self, folder: Path) -> None: ...

    @property
    def file(self) -> Path:
        """The one file that it writes."""

    def text(self, epochs: Epochs) -> bytes:
        """The file after these epochs."""

    def tell(self, epochs: Epochs) -> None:
        """Write the whole file as it is after these epochs."""

    def source(self) -> Source:
        """A new reader of it, as a supervisor that was started again makes one."""


class FileTeller:
    """Those that write one file."""

    name = ""
    grows = True
    broken = b""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder

    @property
    def place(self) -> Place:
        return Place(str(self.file))

    @property
    def file(self) -> Path:
        return self.folder / "metrics"

    def text(self, epochs: Epochs) -> bytes:
        raise NotImplementedError

    def source(self) -> Source:
        raise NotImplementedError

    def tell(self, epochs: Epochs) -> None:
        """As trainers do: appended if that makes it, else written anew."""
        self.put(self.text(epochs))

    def put(self, data: bytes) -> None:
        before = self.file.read_bytes() if self.file.exists() else b""
        if before and data.startswith(before):
            with open(self.file, "ab") as file:
                file.write(data[len(before) :])
        elif data != before:
            self.file.write_bytes(data)


class LogTeller(FileTeller):
    """Keras's way: an epoch's head, a progress bar over itself in colours, then the result; CRLF here and there."""

    name = "log"
    broken = b"epoch 2/3\r\nloss=NaNa broken=abc\n"

    def text(self, epochs: Epochs) -> bytes:
        text = "INFO:root: starting \x1b[31mred\x1b[0m \xb1\n"
        for epoch, values in enumerate(epochs, 1):
            shown = " ".join(f"{name}={value!r}" for name, value in values.items())
            text += f"Epoch {epoch}/{len(epochs)}\n\x1b[1m 1/10\x1b[0m [=>..]\r 5/10 [==>.]\b\b\b\b\r"
            text += f"10/10 \x1b[32m[====]\x1b[0m {shown}\r\n"
        return text.replace(f"/{len(epochs)}\n", "/3\n").encode("latin-1")

    def source(self) -> Source:
        patterns = [r"(?i)epoch (?P<epoch>\d+)/\d+", r"(?P<name>[\w/]+)=(?P<value>[-+.\w]+)"]
        return LogSource(self.place, [compile_pattern(p) for p in patterns], EpochRule())


class CsvTeller(FileTeller):
    """Keras's CSVLogger: epochs from 0, a column a metric."""

    name = "csv"
    broken = b'7,"open\n1,2,3,4,5,6,7,8,9\n'
    columns = ("loss", "val/psnr", "val/cer")

    def text(self, epochs: Epochs) -> bytes:
        lines = [",".join(("epoch", *self.columns))]
        for epoch, values in enumerate(epochs):
            lines.append(",".join((str(epoch), *(repr(values[n]) if n in values else "" for n in self.columns))))
        return "".join(f"{line}\r\n" for line in lines).encode()

    def source(self) -> Source:
        return CsvSource(self.place, EpochRule(first=0))


class PandasTeller(CsvTeller):
    """A data frame that is written anew each epoch: row numbers, no epoch, semicolons."""

    name = "pandas"
    grows = False

    def text(self, epochs: Epochs) -> bytes:
        lines = [";".join(("", *self.columns))]
        for epoch, values in enumerate(epochs):
            lines.append(";".join((str(epoch), *(repr(values[n]) if n in values else "" for n in self.columns))))
        return "".join(f"{line}\n" for line in lines).encode()

    def source(self) -> Source:
        return CsvSource(self.place, EpochRule())


class JsonTeller(FileTeller):
    """A list of records somewhere in a file that is written anew."""

    name = "json"
    grows = False

    def text(self, epochs: Epochs) -> bytes:
        records = [{"epoch": epoch, **values} for epoch, values in enumerate(epochs, 1)]
        return json.dumps({"best": 3, "runs": [{"log_history": records}]}, indent=1).encode()

    def source(self) -> Source:
        return JsonSource(self.place, EpochRule(), ("runs", 0, "log_history"))


class HistoryTeller(FileTeller):
    """Keras's `history.history`: a list a metric, the same length or not."""

    name = "history"
    grows = False

    def text(self, epochs: Epochs) -> bytes:
        names = sorted({name for values in epochs for name in values})
        return json.dumps({name: [values.get(name) for values in epochs] for name in names}).encode()

    def source(self) -> Source:
        return JsonSource(self.place, EpochRule())


class JsonLinesTeller(FileTeller):
    """An object on a line, mappings in it."""

    name = "jsonl"
    broken = b'{"epoch": {"a": 1}, "loss": 1}\n'

    def text(self, epochs: Epochs) -> bytes:
        lines = []
        for epoch, values in enumerate(epochs, 1):
            record: dict[str, object] = {"epoch": float(epoch), "step": epoch * 10}
            record |= {name: value for name, value in values.items() if "/" not in name}
            record["val"] = {name[4:]: value for name, value in values.items() if name.startswith("val/")}
            lines.append(json.dumps(record) + "\n")
        return "".join(lines).encode()

    def source(self) -> Source:
        return JsonSource(self.place, EpochRule())


class TensorboardTeller(FileTeller):
    """An event file, written in the simple form of PyTorch or as tensors as TensorFlow 2 does."""

    name = "tensorboard"
    broken = b""

    @property
    def file(self) -> Path:
        return self.folder / "logs" / "events.out.tfevents.1700000000.host"

    def text(self, epochs: Epochs) -> bytes:
        data = record(field(1, 1.7e9) + field(3, b"brain.Event:2"))
        for epoch, values in enumerate(epochs, 1):
            for index, (name, value) in enumerate(values.items()):
                data += scalar(name, epoch, value, as_tensor=index % 2 == 0)
        return data

    def tell(self, epochs: Epochs) -> None:
        self.file.parent.mkdir(exist_ok=True)
        super().tell(epochs)

    def put(self, data: bytes) -> None:
        self.file.parent.mkdir(exist_ok=True)
        super().put(data)

    def source(self) -> Source:
        return TensorboardSource(Place(str(self.folder / "logs")), EpochRule())


class MlflowTeller(FileTeller):
    """A run in a tracking store; it has no file, so nothing of it can be torn."""

    name = "mlflow"
    grows = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store = FakeStore()
        self.run_id = self.store.create_run("1", "run", {KIND: "trial"}, 0)

    def tell(self, epochs: Epochs) -> None:
        points = [
            Point(name, value, 1_700_000_000_000 + 10 * epoch, epoch)
            for epoch, values in enumerate(epochs, 1)
            for name, value in values.items()
        ]
        self.store.log(self.run_id, [p for p in points if not self._is_there(p)], {}, {})

    def _is_there(self, point: Point) -> bool:
        known = [p for p in self.store.history(self.run_id, point.name) if p.step == point.step]
        return bool(known) and (known[-1].value == point.value or math.isnan(known[-1].value))

    def source(self) -> Source:
        return MlflowSource(self.store, self.run_id, ReadOptions(EpochRule("step")))


TELLERS: Sequence[Callable[[Path], Teller]] = (
    LogTeller, CsvTeller, PandasTeller, JsonTeller, HistoryTeller, JsonLinesTeller, TensorboardTeller, MlflowTeller,
)  # fmt: skip
FILE_TELLERS = [teller for teller in TELLERS if teller is not MlflowTeller]


# -- event files -----------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    data = b""
    while value > 0x7F:
        data += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return data + bytes((value,))


def field(number: int, value: int | float | bytes) -> bytes:
    """A field of a protobuf message: whole numbers as varints, floats as doubles."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    return varint(number << 3) + varint(value)


def record(data: bytes) -> bytes:
    """Framed as event files are."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, crc(length), data, crc(data)))


def crc(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(data))


def scalar(tag: str, step: int, value: float, *, as_tensor: bool, t: float = 1.7e9) -> bytes:
    """An event with one scalar: doubles, so that a value stays what it is."""
    packed = struct.pack("<d", value)
    content = field(8, field(1, 2) + field(2, b"") + field(4, packed))
    if as_tensor:
        content += field(9, field(1, field(1, b"scalars")))
    summary = field(1, field(1, tag.encode()) + content)
    return record(field(1, t) + field(2, step) + field(5, summary))
