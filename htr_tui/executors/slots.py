"""Slots: places for attempts that run side by side, each with the GPU that it sees."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one attempt."""

    number: int
    """The lowest that no running attempt has; for people, who like to see what runs beside what."""
    devices: tuple[str, ...] = ()
    """GPU ids for CUDA_VISIBLE_DEVICES; empty on a machine without GPUs."""


def lowest_free(taken: Collection[int]) -> int:
    """The number of the next slot."""
    return next(number for number in range(len(taken) + 1) if number not in taken)
