"""Devices that a trial can be given: whole cards and MIG instances, and which of them a study may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from htr_tui.devices.nvml import ComputeMode, DeviceReport, GpuInstance, GpuProcess, GpuSample

Wanted = str | int | tuple[int | str, ...]
"""`resources.gpus` of a study file: auto, none, a count, or indices and UUIDs."""


@dataclass(frozen=True, slots=True)
class DeviceUnit:
    """One device at one moment; sizes in bytes, None where the driver does not tell."""

    id: str
    """What claims name it by: its UUID, or "index-N" where the driver tells none."""
    label: str
    """For people: "gpu0", and "gpu0/1" for an instance of a card."""
    cuda: str
    """What CUDA_VISIBLE_DEVICES takes."""
    index: int
    """Of the card, as NVML and `nvidia-smi` count."""
    instance: int | None = None
    total_bytes: int | None = None
    used_bytes: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    is_lost: bool = False
    has_shared_memory: bool = False
    mode: ComputeMode = "default"

    @property
    def free_bytes(self) -> int | None:
        """What nobody holds now."""
        if self.total_bytes is None or self.used_bytes is None:
            return None
        return max(0, self.total_bytes - self.used_bytes)


def device_units(report: DeviceReport) -> tuple[DeviceUnit, ...]:
    """Every device of the machine. A card that is cut into instances is not one itself, not even without any.

    A card is called by its number, which every framework understands; by its UUID where CUDA may count otherwise than
    NVML: beside a lost card and beside MIG.
    """
    by_uuid = any(gpu.is_lost or gpu.is_mig for gpu in report.gpus)
    units: list[DeviceUnit] = []
    for gpu in report.gpus:
        if gpu.is_mig and not gpu.is_lost:
            units += [_instance_unit(gpu, part) for part in gpu.instances if part.uuid]
        else:
            units.append(_card_unit(gpu, by_uuid))
    return tuple(units)


def _card_unit(gpu: GpuSample, by_uuid: bool) -> DeviceUnit:
    return DeviceUnit(
        id=gpu.uuid or f"index-{gpu.index}",
        label=f"gpu{gpu.index}",
        cuda=gpu.uuid if by_uuid and gpu.uuid else str(gpu.index),
        index=gpu.index,
        total_bytes=gpu.total_bytes,
        used_bytes=gpu.used_bytes,
        processes=gpu.processes,
        is_lost=gpu.is_lost,
        has_shared_memory=gpu.has_shared_memory,
        mode=gpu.mode,
    )


def _instance_unit(gpu: GpuSample, part: GpuInstance) -> DeviceUnit:
    return DeviceUnit(
        id=part.uuid,
        label=f"gpu{gpu.index}/{part.number}",
        cuda=part.uuid,
        index=gpu.index,
        instance=part.number,
        total_bytes=part.total_bytes,
        used_bytes=part.used_bytes,
        processes=part.processes,
        mode=gpu.mode,
    )


def visible_units(report: DeviceReport, env: Mapping[str, str]) -> tuple[DeviceUnit, ...]:
    """The devices that CUDA_VISIBLE_DEVICES leaves, in its order.

    As CUDA reads it: indices, or beginnings of UUIDs of cards or instances; the first wrong entry ends the list, one
    named twice hides all; "" and -1 hide all. A card that is cut stands for its instances.
    """
    units = device_units(report)
    wanted = env.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return units
    chosen: list[DeviceUnit] = []
    for entry in (part.strip() for part in wanted.split(",")):
        named = find_units(report, units, entry)
        if not named:
            break
        if any(unit in chosen for unit in named):
            return ()
        chosen += named
    return tuple(chosen)


def find_units(report: DeviceReport, units: Iterable[DeviceUnit], name: str) -> list[DeviceUnit]:
    """The devices that an index or the beginning of a UUID means; none if it is wrong or means several cards."""
    if name.isascii() and name.isdecimal():
        return [unit for unit in units if unit.index == int(name)]
    if name.startswith("MIG-"):
        parts = [unit for unit in units if unit.instance is not None and unit.id.startswith(name)]
        return parts if len(parts) == 1 else []
    if not name.startswith("GPU-"):
        return []
    cards = {gpu.index for gpu in report.gpus if gpu.uuid.startswith(name)}
    return [unit for unit in units if unit.index in cards] if len(cards) == 1 else []


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a study may use of the devices that are there."""

    units: tuple[DeviceUnit, ...]
    at_most: int | None = None
    """How many of them at the same time; None for all."""
    missing: tuple[str, ...] = ()
    """Named in the study file, and not here or hidden by CUDA_VISIBLE_DEVICES."""


def allowed_units(report: DeviceReport, env: Mapping[str, str], wanted: Wanted) -> Allowed:
    """The study's devices. A count is how many at the same time: any of those that are visible."""
    if wanted == "none":
        return Allowed(())
    if isinstance(wanted, tuple) and report.error is not None and not report.is_silent:
        # No NVML (another vendor, a bare container): the list is believed, memory stays unknown.
        return Allowed(tuple(_blind_unit(str(name)) for name in wanted))
    visible = visible_units(report, env)
    if isinstance(wanted, tuple):
        return _listed(report, visible, [str(name) for name in wanted])
    return Allowed(visible, wanted if isinstance(wanted, int) else None)


def _listed(report: DeviceReport, visible: Sequence[DeviceUnit], names: Sequence[str]) -> Allowed:
    units: list[DeviceUnit] = []
    missing: list[str] = []
    for name in names:
        found = find_units(report, visible, name)
        units += [unit for unit in found if unit not in units]
        if not found:
            missing.append(name)
    return Allowed(tuple(units), None, tuple(missing))


def _blind_unit(name: str) -> DeviceUnit:
    is_index = name.isascii() and name.isdecimal()
    return DeviceUnit(
        id=f"index-{name}" if is_index else name,
        label=f"gpu{name}" if is_index else name,
        cuda=name,
        index=int(name) if is_index else -1,
    )
