"""Which device a trial gets, or why it waits: pure, from what the devices hold to a choice or to obstacles in words.

What is promised here: memory that was given to one attempt is never given to another, and a machine that is empty
never refuses a trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from htr_tui.devices.units import DeviceUnit

MARGIN: Final = 1.1
"""A measured peak is asked for with a tenth more: no two trials are quite alike."""
WHOLE: Final = 0.8
"""A trial whose measured peak is this part of a card may have taken all there was (TensorFlow does), so that the peak
tells what was free then, not what it needs: it is started alone, where WHOLE_FREE of the card is free."""
WHOLE_FREE: Final = 0.7
GIVEN_WHOLE: Final = 0.9
"""A trial that is said to need more than this part of a card is started alone where this part is free."""
UNKNOWN_FREE: Final = 0.5
"""A trial of which nothing is known is started alone where this part of a card is free."""

SHARE: Final = 0.9
"""Where the driver never tells what a trial holds, trials of a study share this part of a card evenly."""

Source = Literal["given", "measured", "unknown", "share"]
Kind = Literal["lost", "mode", "full", "claimed", "unknown", "memory", "ahead", "limit", "small"]


@dataclass(frozen=True, slots=True)
class Need:
    """The memory that a trial will take at its peak, in bytes, and how that is known.

    `share`: trials have run to the end of an epoch and the driver told nothing, so nothing will ever be measured here.
    """

    bytes: int | None = None
    source: Source = "unknown"


@dataclass(frozen=True, slots=True)
class Tenant:
    """An attempt on a device."""

    who: str
    expected: int | None = None
    """Its peak in bytes; None while nothing is known."""
    used: int | None = None
    """What it holds now, in bytes; None where the driver does not tell."""
    is_settled: bool = False
    """It has been through an epoch, so that it holds what it will hold."""

    @property
    def outstanding(self) -> int | None:
        """Bytes that it will still take; None while that cannot be told."""
        if self.used is None and self.is_settled:
            return 0
        if self.expected is None:
            return None
        return max(0, self.expected - (self.used or 0))


@dataclass(frozen=True, slots=True)
class Seat:
    """A device with everybody on it."""

    unit: DeviceUnit
    own: tuple[Tenant, ...] = ()
    """Attempts of this study."""
    others: tuple[Tenant, ...] = ()
    """Attempts of other studies, by their claims."""
    is_shared: bool = False
    """This study and all of those others let each other onto their devices."""
    ahead: str | None = None
    """Another study that waits for the device and comes first."""

    @property
    def tenants(self) -> tuple[Tenant, ...]:
        """All attempts on it."""
        return self.own + self.others


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a device is not given now."""

    unit: DeviceUnit
    kind: Kind
    text: str

    def words(self, more: str = "") -> str:
        """Like "gpu0: needs about 11.2 GB, 6.1 GB free"."""
        return f"{self.unit.label}: {self.text}" + (f"; {more}" if more else "")


@dataclass(frozen=True, slots=True)
class Choice:
    """The device that a trial gets."""

    unit: DeviceUnit
    headroom: int = 0
    """Bytes that are free and promised to nobody, before the trial starts."""
    warning: str = ""


def gigabytes(size: int) -> str:
    """Like 11.2 GB."""
    return f"{size / 1e9:.1f} GB"


def judge(seat: Seat, need: Need, *, per_gpu: int) -> Choice | Obstacle:
    """Whether the trial may start on this device now."""
    unit = seat.unit
    if unit.is_lost:
        return Obstacle(unit, "lost", "no longer answers the driver (lost); a reboot brings it back")
    if unit.mode == "prohibited":
        return Obstacle(unit, "mode", "nobody may compute on it (compute mode, or its container's rights)")
    if len(seat.own) >= per_gpu:
        return Obstacle(unit, "full", f"has {_names(seat.own)}")
    if seat.others and not seat.is_shared:
        return Obstacle(unit, "claimed", f"held by {_names(seat.others)}")
    if unit.mode == "exclusive" and (seat.tenants or unit.processes):
        return Obstacle(unit, "mode", "takes one process at a time (compute mode), and has one")
    found = _by_memory(seat, need, per_gpu)
    if isinstance(found, Choice) and seat.ahead is not None:
        return Obstacle(unit, "ahead", f"kept for {seat.ahead}")
    return found


def _by_memory(seat: Seat, need: Need, per_gpu: int) -> Choice | Obstacle:
    unit = seat.unit
    total, free = unit.total_bytes, unit.free_bytes
    if not total or free is None:
        return Choice(unit)  # a driver that tells nothing: the study file alone decides
    if need.source == "share" and seat.tenants:
        need = Need(int(SHARE * total / per_gpu), "given")
    if need.bytes is None:
        return _unknown(seat, total, free)
    if need.source == "measured" and need.bytes >= WHOLE * total:
        return _alone(seat, need.bytes, total, free, WHOLE_FREE)
    if need.source != "measured" and need.bytes > GIVEN_WHOLE * total:
        return _alone(seat, need.bytes, total, free, GIVEN_WHOLE)
    return _beside(seat, need, free)


def _unknown(seat: Seat, total: int, free: int) -> Choice | Obstacle:
    """The first one runs alone, and shows what the next ones will need."""
    if seat.tenants:
        text = f"{_names(seat.tenants)} must finish or report an epoch first, to show how much memory a trial takes"
        return Obstacle(seat.unit, "unknown", f"{text} (or say it: resources.expect_gpu_gb)")
    if free >= UNKNOWN_FREE * total:
        return Choice(seat.unit, free)
    text = f"{gigabytes(free)} of {gigabytes(total)} free, less than half, and nothing is known of what a trial takes"
    return Obstacle(seat.unit, "memory", f"{text} (say it: resources.expect_gpu_gb)")


def _alone(seat: Seat, wanted: int, total: int, free: int, part: float) -> Choice | Obstacle:
    need = f"needs about {gigabytes(wanted)} of {gigabytes(total)}, the card for itself"
    if seat.tenants:
        return Obstacle(seat.unit, "memory", f"{need}; {_names(seat.tenants)} runs there")
    if free < part * total:
        return Obstacle(seat.unit, "memory", f"{need}; {gigabytes(free)} free")
    warning = f"needs about {gigabytes(wanted)}, more than {seat.unit.label} has ({gigabytes(total)}); started alone"
    return Choice(seat.unit, free, warning if wanted > total else "")


def _beside(seat: Seat, need: Need, free: int) -> Choice | Obstacle:
    promised = 0
    for tenant in seat.tenants:
        outstanding = tenant.outstanding
        if outstanding is None:
            return Obstacle(seat.unit, "unknown", f"{tenant.who} runs there, and what it will take is not known yet")
        promised += outstanding
    wanted = int((need.bytes or 0) * (MARGIN if need.source == "measured" else 1.0))
    if free - promised >= wanted:
        return Choice(seat.unit, free - promised)
    text = f"needs about {gigabytes(wanted)}, {gigabytes(free)} free"
    if promised:
        text += f", {gigabytes(promised)} of it promised to {_names(seat.tenants)}"
    return Obstacle(seat.unit, "memory", text)


def choose(seats: Sequence[Seat], need: Need, *, per_gpu: int, at_most: int | None = None) -> Choice | list[Obstacle]:
    """The device for a trial, or every device's obstacle.

    Devices without attempts of this study first, then the one with the most memory free. `at_most`: how many devices
    the study may use at the same time.
    """
    is_full = at_most is not None and sum(1 for seat in seats if seat.own) >= at_most
    fits: list[tuple[int, int, int, Choice]] = []
    obstacles: list[Obstacle] = []
    for order, seat in enumerate(seats):
        if is_full and not seat.own:
            obstacles.append(Obstacle(seat.unit, "limit", f"the study uses its {at_most} GPUs already"))
            continue
        found = _too_small(seat, need, seats) or judge(seat, need, per_gpu=per_gpu)
        if isinstance(found, Choice):
            fits.append((len(seat.own), -found.headroom, order, found))
        else:
            obstacles.append(found)
    return min(fits)[3] if fits else obstacles


def _too_small(seat: Seat, need: Need, seats: Sequence[Seat]) -> Obstacle | None:
    """A card on which the trial would surely run out of memory, while the study has another one that holds it.

    A measured peak that is nearly all of the largest card says nothing: it may be what was free there.
    """
    total, wanted = seat.unit.total_bytes, need.bytes
    if not total or wanted is None or wanted <= total:
        return None
    others = (s.unit.total_bytes or 0 for s in seats if not s.unit.is_lost and s.unit.mode != "prohibited")
    largest = max(others, default=0) * (WHOLE if need.source == "measured" else 1.0)
    if wanted >= largest:
        return None
    return Obstacle(seat.unit, "small", f"has {gigabytes(total)}, the trial needs about {gigabytes(wanted)}")


def worth_waiting(seat: Seat, obstacle: Obstacle) -> bool:
    """Whether other studies shall leave this device to us: what stands in the way is one of theirs."""
    return obstacle.kind in ("claimed", "ahead") or (obstacle.kind in ("memory", "unknown") and bool(seat.others))


def _names(tenants: Sequence[Tenant]) -> str:
    names = [tenant.who for tenant in tenants[:3]]
    more = len(tenants) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
