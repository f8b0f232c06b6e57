"""Who is on which device: this study's attempts, other studies' by their claims, and strangers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from htr_tui.devices.board import Claim, file_slug
from htr_tui.devices.nvml import DeviceReport, GpuProcess
from htr_tui.devices.process_tree import by_runner, known_bytes, process_facts
from htr_tui.devices.units import DeviceUnit, device_units, find_units
from htr_tui.executors.claims import ClaimBoard
from htr_tui.files import read_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.study.resources_spec import ResourcesSpec
from htr_tui.supervisor.expectation import Expectation, in_force
from htr_tui.supervisor.placing import Tenant, gigabytes

STRANGERS: Final = 2
"""Processes of nobody's trial that a reason names."""


class Occupancy:
    """Finds the device of every attempt again, also after a restart and when cards are gone."""

    def __init__(
        self, resources: ResourcesSpec, paths: StudyPaths, expectation: Expectation, board: ClaimBoard
    ) -> None:
        self._given = None if resources.expect_gpu_gb is None else int(resources.expect_gpu_gb * 1e9)
        self._paths = paths
        self._expectation = expectation
        self._board = board
        self._device: dict[tuple[int, int], str] = {}
        """Device id by trial and attempt, as this supervisor gave them."""
        self._runners: dict[tuple[int, int], int] = {}
        self._seen: dict[str, DeviceUnit] = {}

    def moved_in(self, trial: int, attempt: int, device: str) -> None:
        """An attempt was given a device."""
        self._device[trial, attempt] = device

    def is_gone(self, trial: TrialRecord, attempt: AttemptRecord, units: Sequence[DeviceUnit]) -> bool:
        """Whether the device that an attempt was given is none of these any more."""
        given = self._device.get((trial.number, attempt.number))
        return given is not None and all(unit.id != given for unit in units)

    def runner(self, trial: int, attempt: int) -> int | None:
        """Pid of an attempt's runner, once it runs."""
        key = (trial, attempt)
        if key not in self._runners:
            identity = ProcessIdentity.from_json(read_json(self._paths.attempt(trial, attempt).runner))
            if identity is not None and identity.is_here():
                self._runners[key] = identity.pid
        return self._runners.get(key)

    def own(
        self,
        report: DeviceReport,
        units: Sequence[DeviceUnit],
        claims: Sequence[Claim],
        running: Sequence[tuple[TrialRecord, AttemptRecord]],
    ) -> dict[str, list[Tenant]]:
        """This study's running attempts by device id. One on a device that is gone stands under that one's id."""
        self._forget({(trial.number, attempt.number) for trial, attempt in running})
        by_id = {unit.id: unit for unit in units}
        everything = device_units(report) or tuple(units)
        found: dict[str, list[Tenant]] = {}
        for trial, attempt in running:
            for device in self._devices_of(report, everything, claims, trial.number, attempt):
                unit = by_id.get(device)
                processes = by_runner(unit.processes, self._pids(trial.number, attempt.number)) if unit else {}
                found.setdefault(device, []).append(self._tenant(trial, attempt, processes))
        return found

    def _pids(self, trial: int, attempt: int) -> tuple[int, ...]:
        runner = self.runner(trial, attempt)
        return () if runner is None else (runner,)

    def _tenant(
        self, trial: TrialRecord, attempt: AttemptRecord, processes: dict[int | None, list[GpuProcess]]
    ) -> Tenant:
        ours = [process for runner, found in processes.items() if runner is not None for process in found]
        used, is_settled, params = known_bytes(ours), attempt.epoch is not None, in_force(trial, attempt)
        if is_settled and used:
            self._expectation.observe("gpu", params, used)  # what it takes is known before it ends
        need = self._expectation.need("gpu", params, self._given)
        return Tenant(f"trial {trial.number}", need.bytes, used, is_settled)

    def _devices_of(
        self,
        report: DeviceReport,
        units: Sequence[DeviceUnit],
        claims: Sequence[Claim],
        trial: int,
        attempt: AttemptRecord,
    ) -> Iterator[str]:
        """By our memory, else by the claim that its runner holds, else by the numbers in the journal."""
        given = self._device.get((trial, attempt.number))
        if given is not None:
            yield given
            return
        for claim in claims:
            if self._board.is_ours(claim) and (claim.trial, claim.attempt) == (trial, attempt.number):
                device = next((unit.id for unit in units if file_slug(unit.id) == claim.device), claim.device)
                self._device[trial, attempt.number] = device
                yield device
                return
        for name in attempt.devices:
            yield from (unit.id for unit in units if name in (unit.cuda, unit.id))
            if not any(name in (unit.cuda, unit.id) for unit in units):
                yield from (unit.id for unit in find_units(report, units, name))

    def _forget(self, running: Collection[tuple[int, int]]) -> None:
        for known in (self._device, self._runners):
            for key in [key for key in known if key not in running]:
                del known[key]

    def others(self, unit: DeviceUnit, claims: Sequence[Claim]) -> list[Tenant]:
        """Attempts of other studies on a device."""
        foreign = [c for c in claims if not self._board.is_ours(c) and c.device == file_slug(unit.id)]
        if not foreign:
            return []
        processes = by_runner(unit.processes, [claim.runner for claim in foreign if claim.runner is not None])
        return [
            Tenant(
                claim.who,
                claim.expected_bytes,
                known_bytes(processes.get(claim.runner, [])) if claim.runner is not None else None,
            )
            for claim in foreign
        ]

    def strangers(self, unit: DeviceUnit, runners: Collection[int]) -> str:
        """The largest processes that belong to no trial, like "pid 4711 (anna, python) holds 9.9 GB"."""
        rest = by_runner(unit.processes, runners).get(None, [])
        rest.sort(key=lambda process: -(process.used_bytes or 0))
        parts = [f"{process_facts(process.pid).who} holds {_size(process.used_bytes)}" for process in rest[:STRANGERS]]
        if len(rest) > STRANGERS:
            parts.append(f"{len(rest) - STRANGERS} more processes")
        return ", ".join(parts)

    def vanished(self, report: DeviceReport) -> list[DeviceUnit]:
        """Devices that were here once and that the driver no longer lists; each told once."""
        if report.error is not None:
            return []
        now = {unit.id: unit for unit in device_units(report)}
        places = {(unit.index, unit.instance) for unit in now.values() if unit.is_lost}
        gone = [
            unit for key, unit in self._seen.items() if key not in now and (unit.index, unit.instance) not in places
        ]
        self._seen = now
        return gone


def _size(size: int | None) -> str:
    return "an unknown part" if size is None else gigabytes(size)
