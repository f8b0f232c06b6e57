"""Whether a trial may start now, and where: slots, cores, memory, devices, and what other studies hold.

It reads (NVML, /proc, the machine's board of devices) and lets `placing` decide. It owns nothing that the next supervisor
could not read again: who runs where stands in the journal and in the claims that the runners hold.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from htr_tui.devices.board import Board, board_folder
from htr_tui.devices.host import HostRoom, host_room
from htr_tui.devices.units import Allowed, DeviceUnit, allowed_units
from htr_tui.errors import BusyError, StorageError
from htr_tui.executors.claims import ClaimBoard, HeldFile, OpenBoard
from htr_tui.executors.slots import Slot, lowest_free
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.study.resources_spec import ResourcesSpec
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor.expectation import Expectation
from htr_tui.supervisor.gpus import GpuRecorder
from htr_tui.supervisor.hosting import HostGate
from htr_tui.supervisor.occupancy import Occupancy
from htr_tui.supervisor.placing import Choice, Need, Obstacle, Seat, choose
from htr_tui.supervisor.queueing import DeviceQueue

Running = Sequence[tuple[TrialRecord, AttemptRecord]]
Noted = Callable[[str, str], None]
"""Takes a level and a message for the user."""

REPEAT_S: Final = 300.0
"""The same obstacles are told with new numbers after so long; between, the reason stays as it was."""
SHOWN: Final = 4
"""Devices whose obstacles are named in a reason."""
GB: Final = 1e9


@dataclass(frozen=True, slots=True)
class Waiting:
    """A trial cannot start now."""

    reason: str


@dataclass(slots=True)
class Placement:
    """A trial may start: the slot that it gets, and the claim that its runner must inherit."""

    slot: Slot
    claim: HeldFile | None = None
    warning: str = ""

    @property
    def keep_open(self) -> tuple[int, ...]:
        """Descriptors for the runner."""
        return () if self.claim is None else (self.claim.fd,)

    def handed_over(self) -> None:
        """The runner has started: from now on the claim is its own, and ends with it."""
        if self.claim is not None:
            self.claim.close()


class Admission:
    """One study's way to slots and devices."""

    def __init__(
        self,
        spec: StudySpec,
        paths: StudyPaths,
        gpus: GpuRecorder,
        note: Noted,
        *,
        board: ClaimBoard | None = None,
        env: Mapping[str, str] | None = None,
        host: Callable[[], HostRoom] = host_room,
    ) -> None:
        self._resources: ResourcesSpec = spec.resources
        self._paths = paths
        self._gpus = gpus
        self._note = note
        self._env = os.environ if env is None else env
        self._board = board or ClaimBoard(
            board_folder(self._env),
            study=spec.study,
            path=paths.root.resolve(),
            priority=spec.priority,
            share=spec.resources.share,
        )
        self._expectation = Expectation(spec.trainer.knobs)
        self._host = HostGate(spec.resources, paths, self._expectation, host)
        self._occupancy = Occupancy(spec.resources, paths, self._expectation, self._board)
        self._queue = DeviceQueue(spec, self._board, self._occupancy.runner)
        self._pending: Placement | None = None
        self._told: set[str] = set()
        self._reason: tuple[tuple[Any, ...], float, str] | None = None

    # -- quick questions -------------------------------------------------------------------------------------------

    def capacity(self, fold: StudyFold) -> int:
        """How many trials could run side by side, as far as slots and devices go."""
        parallel = self._resources.parallel
        places = self._places(self._allowed(fold)) if self._wants_gpus else 0
        if places:
            return places if parallel == "auto" else min(places, parallel)
        return self._host.capacity() if parallel == "auto" else parallel

    def _places(self, allowed: Allowed) -> int:
        count = len(allowed.units)
        return min(count, count if allowed.at_most is None else allowed.at_most) * self._resources.trials_per_gpu

    def has_room(self, fold: StudyFold, running: Running) -> bool:
        """Whether it is worth asking for a trial to start."""
        parallel = self._resources.parallel
        if not running:
            return True  # one at least is always asked for: what it waits for is then told
        if parallel != "auto" and len(running) >= parallel:
            return False
        allowed = self._allowed(fold) if self._wants_gpus else Allowed(())
        if not allowed.units:
            return parallel != "auto" or len(running) < self._host.capacity()
        there = [pair for pair in running if not self._occupancy.is_gone(*pair, allowed.units)]
        return len(there) < self._places(allowed)

    @property
    def _wants_gpus(self) -> bool:
        return self._resources.gpus != "none"

    def _allowed(self, fold: StudyFold) -> Allowed:
        self._expectation.learn(fold)
        return allowed_units(self._gpus.report(), self._env, self._resources.gpus)

    # -- the decision ----------------------------------------------------------------------------------------------

    def place(
        self, trial: TrialRecord, overrides: Mapping[str, Any], fold: StudyFold, running: Running
    ) -> Placement | Waiting:
        """Where the trial may start now, or what it waits for.

        `overrides`: what the next attempt changes of the trial's parameters. The placement is for the next start only:
        one that was not handed over is taken back by the next call.
        """
        self._take_back()
        self._expectation.learn(fold)
        params = {**trial.params, **overrides}
        found = self._place(trial, params, fold, running)
        if isinstance(found, Placement):
            self._reason = None
        return found

    def rest(self) -> None:
        """The study starts nothing for now: others need not leave it anything."""
        self._board.withdraw()
        self._board.let_go()

    def tend(self, running: Running) -> None:
        """Keep what stands on the board true. To be called at every tick."""
        self._queue.tend({(trial.number, attempt.number) for trial, attempt in running})

    def close(self) -> None:
        """Give back what was not used, and wait for nothing."""
        self._take_back()
        self.rest()

    def _take_back(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None and pending.claim is not None and pending.claim.fd >= 0:
            pending.claim.remove()

    def _place(
        self, trial: TrialRecord, params: Mapping[str, Any], fold: StudyFold, running: Running
    ) -> Placement | Waiting:
        number = lowest_free({attempt.slot for _, attempt in running})
        host = self._host.obstacle(params, running)
        if host.reason is not None:
            self._board.withdraw()
            return self._waiting((trial.number, host.kind), host.reason)
        if host.warning:
            self._once("warning", host.warning)
        if not self._wants_gpus:
            return Placement(Slot(number))
        allowed = self._allowed(fold)
        self._tell_devices(allowed)
        if not allowed.units:
            return self._without_gpus(number)
        need = self._expectation.need("gpu", params, _bytes(self._resources.expect_gpu_gb))
        return self._on_a_gpu(trial, number, allowed, need, running)

    def _without_gpus(self, slot: int) -> Placement | Waiting:
        """No GPU is there: a study that never asked for one runs on the CPU, any other one waits for it."""
        report = self._gpus.report()
        if report.is_silent:
            self._once("error", "the GPU driver does not answer; trials wait for it")
            return self._waiting(("silent",), f"{report.error}; look with `nvidia-smi`, a reboot may be needed")
        error = report.error or "none is visible"
        wanted = self._resources.gpus
        if wanted == "auto" and not self._expectation.has_used_gpus:
            self._once("info", f"no GPU, trials run on the CPU ({error})")
            return Placement(Slot(slot))
        why = "its earlier trials ran on one" if wanted == "auto" else "the study file asks for it"
        return self._waiting(("no gpu",), f"no GPU, and {why} ({error}); look with `htr-tui doctor`")

    def _on_a_gpu(
        self, trial: TrialRecord, slot: int, allowed: Allowed, need: Need, running: Running
    ) -> Placement | Waiting:
        try:
            with self._board.choosing() as board:
                is_locked = board.is_locked
                found = self._choose(trial, slot, allowed, need, running, board)
        except BusyError as error:
            return self._waiting(("busy",), error.title)
        except (StorageError, OSError) as error:
            self._take_back()
            title = error.title if isinstance(error, StorageError) else str(error)
            self._once("warning", f"devices are not locked, other studies may take the same ones: {title}")
            found = self._choose(trial, slot, allowed, need, running, None)
        else:
            if not is_locked:
                self._once(
                    "warning", f"somebody never lets go of the lock of {self._board.folder}: going on without it"
                )
        if isinstance(found, Placement) and found.warning:
            self._once("warning", found.warning)
        return found

    def _choose(
        self,
        trial: TrialRecord,
        slot: int,
        allowed: Allowed,
        need: Need,
        running: Running,
        board: OpenBoard | None,
    ) -> Placement | Waiting:
        found = board.read() if board is not None else Board()
        seats = self._seats(allowed.units, found, running)
        per_gpu = self._resources.trials_per_gpu
        choice = choose(seats, need, per_gpu=per_gpu, at_most=allowed.at_most)
        if isinstance(choice, Choice):
            placed = self._take(trial, slot, choice, need, board)
            if board is not None and self._queue.is_contested(board.read(), choice.unit):
                # Only without the mutex, or after a stop within it: who sees the other one steps back.
                self._take_back()
                return self._waiting(("contested",), f"{choice.unit.label}: another study took it at the same moment")
            self._queue.placed(board, seats, choice.unit)
            return placed
        self._queue.refused(board, seats, choice, need)
        return self._waiting((trial.number, *map(_key, choice)), self._words(choice, found, running))

    def _take(self, trial: TrialRecord, slot: int, choice: Choice, need: Need, board: OpenBoard | None) -> Placement:
        unit = choice.unit
        attempt = trial.attempts[-1].number + 1 if trial.attempts else 1
        placed = Placement(
            Slot(slot, (unit.cuda,)), warning=f"trial {trial.number} {choice.warning}" if choice.warning else ""
        )
        if board is not None:
            placed.claim = self._board.claim(
                board, unit.id, label=unit.label, trial=trial.number, attempt=attempt, expected_bytes=need.bytes
            )
            self._queue.claimed(trial.number, attempt, placed.claim)
        self._pending = placed  # from here on it is taken back, whatever goes wrong
        self._occupancy.moved_in(trial.number, attempt, unit.id)
        return placed

    def _seats(self, units: Sequence[DeviceUnit], board: Board, running: Running) -> list[Seat]:
        report = self._gpus.report()
        own = self._occupancy.own(report, units, board.claims, running)
        return [
            Seat(
                unit=unit,
                own=tuple(own.get(unit.id, ())),
                others=tuple(self._occupancy.others(unit, board.claims)),
                is_shared=self._queue.is_shared(board, unit),
                ahead=self._queue.ahead(board, unit),
            )
            for unit in units
        ]

    # -- words -----------------------------------------------------------------------------------------------------

    def _waiting(self, key: tuple[Any, ...], reason: str) -> Waiting:
        """The reason; told again with new numbers only now and then, as each telling is a line of the journal."""
        now = time.monotonic()
        if self._reason is None or self._reason[0] != key or now - self._reason[1] > REPEAT_S:
            self._reason = (key, now, reason)
        return Waiting(self._reason[2])

    def _words(self, obstacles: Sequence[Obstacle], board: Board, running: Running) -> str:
        runners = {claim.runner for claim in board.claims} | {
            self._occupancy.runner(t.number, a.number) for t, a in running
        }
        known = {pid for pid in runners if pid is not None}
        parts = [
            obstacle.words(
                self._occupancy.strangers(obstacle.unit, known) if obstacle.kind in ("memory", "mode") else ""
            )
            for obstacle in obstacles[:SHOWN]
        ]
        if len(obstacles) > SHOWN:
            parts.append(f"and {len(obstacles) - SHOWN} more devices")
        return "; ".join(parts)

    def _tell_devices(self, allowed: Allowed) -> None:
        for unit in allowed.units:
            if unit.is_lost:
                self._once("error", f"{unit.label} ({unit.id}) no longer answers: no new trial starts there")
        for name in allowed.missing:
            self._once("warning", f"the study file names GPU {name}, which is not here or is hidden")
        for unit in self._occupancy.vanished(self._gpus.report()):
            self._once("error", f"{unit.label} ({unit.id}) is gone: no new trial starts there")

    def _once(self, level: str, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._note(level, message)


def _key(found: Obstacle) -> tuple[str, ...]:
    """What must change for a reason to be told anew; the numbers of memory change all the time."""
    return found.unit.id, found.kind, "" if found.kind == "memory" else found.text


def _bytes(size: float | None) -> int | None:
    return None if size is None else int(size * GB)
