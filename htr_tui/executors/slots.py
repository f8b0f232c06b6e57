"""Slots: how many attempts run side by side, and which GPUs each one sees."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one attempt."""

    number: int
    devices: tuple[str, ...] = ()
    """GPU ids for CUDA_VISIBLE_DEVICES; empty on a machine without GPUs."""


def plan_slots(gpus: Sequence[str], trials_per_gpu: int, parallel: int | None) -> list[Slot]:
    """All slots, spread over the GPUs first.

    With GPUs there are len(gpus) * trials_per_gpu of them, cut to `parallel` if given; without, `parallel` or 1.
    """
    if not gpus:
        return [Slot(n) for n in range(parallel or 1)]
    places = [gpu for _ in range(trials_per_gpu) for gpu in gpus]
    if parallel is not None:
        places = places[:parallel]
    return [Slot(n, (gpu,)) for n, gpu in enumerate(places)]


def free_slots(slots: Sequence[Slot], taken: Collection[int]) -> list[Slot]:
    """Slots that no running attempt holds."""
    return [slot for slot in slots if slot.number not in taken]
