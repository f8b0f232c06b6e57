"""TensorBoard's event files without TensorFlow: records with checksums, and the few fields that hold scalars.

A record is its length (8 bytes), a checksum of that (4), the data, a checksum of the data (4). The data is a protobuf
`Event`; only what scalars need is decoded here, everything else is stepped over.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAX_RECORD = 1 << 16
"""Bytes of a record that is looked into; larger ones hold pictures, histograms or graphs."""
HEADER, FOOTER = 12, 4
MAX_VALUES = 1000
"""Values of one record."""

_POLYNOMIAL = 0x82F63B78
_FORMATS = {1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 17: "H", 19: "e", 22: "I", 23: "Q"}
"""Number types of a tensor (`DataType` of TensorFlow) as `struct` reads them."""


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _table()


def masked_crc32c(data: bytes) -> int:
    """The checksum of records: CRC-32C, turned and shifted."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value of a tag."""

    tag: str
    step: int
    value: float
    t: float | None
    """Unix seconds."""


class Corrupt(ValueError):
    """Not what an event file holds."""


def record_length(header: bytes) -> int:
    """Bytes of data behind a header; Corrupt where its checksum is wrong."""
    length, checksum = struct.unpack("<QI", header)
    if masked_crc32c(header[:8]) != checksum:
        raise Corrupt("the checksum of a length is wrong")
    return int(length)


def check_data(data: bytes, footer: bytes) -> None:
    """Corrupt where the data is not what was written."""
    if struct.pack("<I", masked_crc32c(data)) != footer:
        raise Corrupt("the checksum of a record is wrong")


def scalars_of(data: bytes) -> list[Scalar]:
    """The scalars of a record's data; Corrupt where it is no event."""
    t: float | None = None
    step = 0
    values: list[tuple[str, float]] = []
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes) and len(value) == 8:
            t = struct.unpack("<d", value)[0]
        elif number == 2 and isinstance(value, int):
            step = value
        elif number == 5 and isinstance(value, bytes):
            values += _summary(value)
    usable_t = t if t is not None and math.isfinite(t) and t > 0 else None
    return [Scalar(tag, step, value, usable_t) for tag, value in values] if step < 1 << 63 else []


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of a protobuf message; fixed numbers and lengths as bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            whole, place = _varint(data, place)
            yield number, whole
            continue
        if kind == 2:
            size, place = _varint(data, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise Corrupt("an unknown kind of field")
        if place + size > len(data):
            raise Corrupt("a field is longer than its message")
        yield number, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for index in range(10):
        if place + index >= len(data):
            break
        byte = data[place + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, place + index + 1
    raise Corrupt("a number has no end")


def _summary(data: bytes) -> list[tuple[str, float]]:
    """(tag, value) of the scalars in a `Summary`."""
    found: list[tuple[str, float]] = []
    for number, item in _fields(data):
        if number == 1 and isinstance(item, bytes) and len(found) < MAX_VALUES:
            found += _value(item)
    return found


def _value(data: bytes) -> list[tuple[str, float]]:
    """A `Summary.Value`, if it is a scalar: a simple value (older writers, PyTorch) or a tensor of one number."""
    tag, plugin = "", ""
    value: float | None = None
    for number, item in _fields(data):
        if not isinstance(item, bytes):
            continue
        if number == 1:
            tag = item.decode("utf-8", "replace")
        elif number == 2 and len(item) == 4:
            value = struct.unpack("<f", item)[0]
        elif number == 8:
            value = _tensor(item)
        elif number == 9:
            plugin = _plugin(item)
    return [(tag, value)] if value is not None and plugin in ("", "scalars") else []


def _plugin(metadata: bytes) -> str:
    inner = next((item for number, item in _fields(metadata) if number == 1 and isinstance(item, bytes)), b"")
    name = next((item for number, item in _fields(inner) if number == 1 and isinstance(item, bytes)), b"")
    return name.decode("utf-8", "replace")


def _tensor(data: bytes) -> float | None:
    """The number of a `TensorProto` that holds exactly one."""
    fields = dict(_fields(data))
    kind = fields.get(1)
    form = _FORMATS.get(kind) if isinstance(kind, int) else None
    if form is None:
        return None
    content = fields.get(4)
    if isinstance(content, bytes) and content:
        return _number(form, content)
    return _from_list(form, fields)


def _from_list(form: str, fields: dict[int, int | bytes]) -> float | None:
    """A tensor's number from the list of its type: floats, doubles, or whole numbers as varints."""
    for number, of_list in ((5, "f"), (6, "d")):
        packed = fields.get(number)
        if isinstance(packed, bytes):
            return _number(of_list, packed)
    for number in (7, 10, 11, 16, 17):
        item = fields.get(number)
        if isinstance(item, bytes) and item:
            whole, end = _varint(item, 0)
            item = whole if end == len(item) else None
        if isinstance(item, int):
            return float(item - (1 << 64) if item >> 63 else item)
    return None if form == "e" else 0.0


def _number(form: str, data: bytes) -> float | None:
    return float(struct.unpack(f"<{form}", data)[0]) if len(data) == struct.calcsize(f"<{form}") else None
