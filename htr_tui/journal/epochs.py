"""Values by epoch in little room, for trials that have ended: a long study keeps very many of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping


class EpochValues(Mapping[int, float]):
    """Values of epochs that follow each other; 8 bytes each, where a dictionary takes 60."""

    __slots__ = ("_first", "_values")

    def __init__(self, first: int, values: array[float]) -> None:
        self._first = first
        self._values = values

    def __getitem__(self, epoch: int) -> float:
        """The value of an epoch."""
        index = epoch - self._first
        if not 0 <= index < len(self._values):
            raise KeyError(epoch)
        return self._values[index]

    def __iter__(self) -> Iterator[int]:
        """The epochs, in order."""
        return iter(range(self._first, self._first + len(self._values)))

    def __len__(self) -> int:
        """How many epochs."""
        return len(self._values)

    def __repr__(self) -> str:
        """As a dictionary's."""
        return repr(dict(self))


def compact(values: Mapping[int, float]) -> Mapping[int, float]:
    """The same values in less room; unchanged where epochs are missing or out of order."""
    if not values or isinstance(values, EpochValues):
        return values
    first = next(iter(values))
    if any(epoch != first + i for i, epoch in enumerate(values)):
        return values
    return EpochValues(first, array("d", values.values()))
