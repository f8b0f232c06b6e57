"""What is wrong with lines of a source: collected while reading, told all at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

NAMED_PER_KIND = 5
"""How many lines of a kind of fault a message names; the report file names all."""


class FaultKind(StrEnum):
    """Ways in which a line cannot be trained on."""

    EMPTY_TEXT = "empty text"
    ID_OUT_OF_RANGE = "label id out of range"
    ZERO_INSIDE = "zero inside the label"
    TOO_LONG = "text too long"
    NO_KNOWN_LETTER = "no letter of the charset"
    UNREADABLE_PICTURE = "unreadable picture"
    SIZES_DIFFER = "degraded and clean pictures differ in size"
    NAME_TWICE = "name used twice"
    BAD_RECORD = "unreadable record"
    NO_BASELINE = "no baseline"


@dataclass(frozen=True, slots=True)
class Fault:
    """One line that cannot be used, and why."""

    kind: FaultKind
    name: str
    detail: str = ""

    def describe(self) -> str:
        """The name, with the detail if there is one."""
        return f"{self.name} ({self.detail})" if self.detail else self.name


@dataclass
class Faults:
    """All faults found so far."""

    found: list[Fault] = field(default_factory=list)

    def add(self, kind: FaultKind, name: str, detail: str = "") -> None:
        """Remember that the line `name` cannot be used."""
        self.found.append(Fault(kind, name, detail))

    def __len__(self) -> int:
        return len(self.found)

    def counts(self) -> dict[str, int]:
        """Lines of each kind of fault."""
        return dict(Counter(fault.kind.value for fault in self.found))

    def summary(self) -> str:
        """One line a kind: how many, and the first by name."""
        return "\n".join(self._summary_of(kind) for kind in FaultKind if any(f.kind is kind for f in self.found))

    def _summary_of(self, kind: FaultKind) -> str:
        faults = [fault for fault in self.found if fault.kind is kind]
        named = ", ".join(fault.describe() for fault in faults[:NAMED_PER_KIND])
        more = len(faults) - NAMED_PER_KIND
        return f"{kind.value}: {len(faults)}: {named}" + (f", and {more} more" if more > 0 else "")
