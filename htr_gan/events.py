"""What the trainer tells the world: one JSON object a line, appended to a file (docs/trainer.md lists the kinds)."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from htr_gan.files import to_plain

EVENTS_VARIABLE = "HTR_TUI_EVENTS"
FOLDER_VARIABLE = "HTR_TUI_TRIAL_DIR"


class EventSink(Protocol):
    """Where events go."""

    def emit(self, kind: str, **fields: Any) -> None:
        """Tell one event; never raises for a file that cannot be written."""

    def note(self, message: str, level: str = "info") -> None:
        """Tell something that people should know."""


class EventLog:
    """Appends events as whole lines; a disk that is full is said on stderr and does not end the training."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0
        """Events that could not be written."""
        self._torn = self._ends_torn()

    def _ends_torn(self) -> bool:
        try:
            with open(self.path, "rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) != b"\n"
        except OSError:  # missing or empty
            return False

    def emit(self, kind: str, **fields: Any) -> None:
        """Append one event and flush it."""
        record = {"t": round(time.time(), 3), "kind": kind, **fields}
        text = json.dumps(to_plain(record), ensure_ascii=False, allow_nan=False)
        data = text.encode("utf-8", "replace") + b"\n"
        try:
            self._append(data)
        except OSError as error:
            self.lost += 1
            if self.lost == 1:
                sys.stderr.write(f"htr-gan: events cannot be written to {self.path}: {error}; training goes on\n")

    def _append(self, data: bytes) -> None:
        if self._torn:
            data = b"\n" + data
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            written = 0
            while written < len(data):
                count = os.write(fd, data[written:])
                written += count
                self._torn = written < len(data)
        finally:
            os.close(fd)

    def note(self, message: str, level: str = "info") -> None:
        """A note event, and the same on stdout."""
        self.emit("note", level=level, message=message)
        say(message if level == "info" else f"{level}: {message}")


class NestedEvents:
    """Events of a training inside another one (the shared recogniser): they become notes of the outer log."""

    def __init__(self, outer: EventSink, what: str) -> None:
        self._outer, self._what = outer, what

    def emit(self, kind: str, **fields: Any) -> None:
        """Pass the metrics of an epoch on as a note; the outer log has epochs of its own."""
        if kind == "metrics":
            values = fields["values"]
            message = f"{self._what}: epoch {fields['epoch']}, CER {values['val/cer']:.1%}"
            self._outer.emit("note", level="info", message=message)  # stdout has the line of the epoch already

    def note(self, message: str, level: str = "info") -> None:
        """Pass a note on."""
        self._outer.note(f"{self._what}: {message}", level)


def say(line: str) -> None:
    """One line on stdout, at once: a log that is followed should not lag behind."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def events_path(folder: Path) -> Path:
    """$HTR_TUI_EVENTS, else events.jsonl in the run's folder."""
    return Path(os.environ.get(EVENTS_VARIABLE) or folder / "events.jsonl")


def attempt_folder(folder: Path) -> Path:
    """The folder that paths in events are relative to."""
    return Path(os.environ.get(FOLDER_VARIABLE) or folder)
