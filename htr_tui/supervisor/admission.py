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

from htr_tui.devices.board import Board, Claim, board_folder, file_slug, read_board
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
from htr_tui.supervisor.placing import Choice, Need, Obstacle, Seat, choose, worth_waiting

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
        self._priority = spec.priority
        self._board = board or ClaimBoard(
            board_folder(self._env),
            study=spec.study,
            path=paths.root.resolve(),
            priority=self._priority,
            share=spec.resources.share,
        )
        self._expectation = Expectation(spec.trainer.knobs)
        self._host = HostGate(spec.resources, paths, self._expectation, host)
        self._occupancy = Occupancy(spec.resources, paths, self._expectation, self._board)
        self._pending: Placement | None = None
        self._untold: dict[tuple[int, int], str] | None = None
        """Claims that do not say their runner yet, by trial and attempt; None before the board was looked at."""
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
            self._pending = found
        return found

    def rest(self) -> None:
        """The study starts nothing for now: others need not leave it anything."""
        self._board.withdraw()
        self._board.let_go()

    def tend(self, running: Running) -> None:
        """Complete our claims: others find our processes on a device by their runner. To be called at every tick."""
        self._board.renew_keep()
        if self._untold is None:
            self._untold = self._left_untold()
        if not self._untold:
            return
        keys = {(trial.number, attempt.number) for trial, attempt in running}
        for key, file in list(self._untold.items()):
            runner = self._occupancy.runner(*key) if key in keys else None
            if key in keys and runner is None:
                continue  # it is just starting
            del self._untold[key]
            if runner is not None:
                self._tell(file, runner)

    def _tell(self, file: str, runner: int) -> None:
        try:
            self._board.tell_runner(file, runner)
        except (StorageError, OSError):
            pass  # the claim holds all the same

    def _left_untold(self) -> dict[tuple[int, int], str]:
        """What an earlier supervisor did not come to."""
        found = read_board(self._board.folder).claims if self._wants_gpus else ()
        return {
            (claim.trial, claim.attempt): claim.file
            for claim in found
            if claim.trial is not None and claim.attempt is not None
            if self._board.is_ours(claim) and claim.runner is None
        }

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
            return self._waiting((host.kind,), host.reason)
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
                return self._choose(trial, slot, allowed, need, running, board)
        except BusyError as error:
            return self._waiting(("busy",), error.title)
        except (StorageError, OSError) as error:
            title = error.title if isinstance(error, StorageError) else str(error)
            self._once("warning", f"devices are not locked, other studies may take the same ones: {title}")
            return self._choose(trial, slot, allowed, need, running, None)

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
            placed = self._take(trial, slot, choice.unit, need, board)
            self._board.withdraw()
            self._keep([*(seat.unit for seat in seats if seat.own), choice.unit], board)
            if choice.warning:
                self._once("warning", f"trial {trial.number} {choice.warning}")
            return placed
        self._wish(seats, choice, need, board)
        self._keep([seat.unit for seat in seats if seat.own], board)
        return self._waiting(self._key(choice), self._words(choice, found, running))

    def _take(self, trial: TrialRecord, slot: int, unit: DeviceUnit, need: Need, board: OpenBoard | None) -> Placement:
        attempt = trial.attempts[-1].number + 1 if trial.attempts else 1
        self._occupancy.moved_in(trial.number, attempt, unit.id)
        claim = None
        if board is not None:
            claim = self._board.claim(
                board, unit.id, label=unit.label, trial=trial.number, attempt=attempt, expected_bytes=need.bytes
            )
            self._untold = {**(self._untold or {}), (trial.number, attempt): claim.name}
        return Placement(Slot(slot, (unit.cuda,)), claim)

    def _seats(self, units: Sequence[DeviceUnit], board: Board, running: Running) -> list[Seat]:
        report = self._gpus.report()
        own = self._occupancy.own(report, units, board.claims, running)
        return [
            Seat(
                unit=unit,
                own=tuple(own.get(unit.id, ())),
                others=tuple(self._occupancy.others(unit, board.claims)),
                is_shared=self._resources.share and all(claim.is_shared for claim in self._foreign(board.claims, unit)),
                ahead=self._ahead(board, unit),
            )
            for unit in units
        ]

    def _foreign(self, claims: Sequence[Claim], unit: DeviceUnit) -> list[Claim]:
        return [claim for claim in claims if not self._board.is_ours(claim) and claim.device == file_slug(unit.id)]

    def _ahead(self, board: Board, unit: DeviceUnit) -> str | None:
        """Who waits for the device and comes first: a higher priority, or the same and earlier."""
        since = self._board.wish_since or time.time()
        for wish in board.wishes:
            if self._board.is_ours(wish) or file_slug(unit.id) not in wish.devices:
                continue
            is_earlier = not wish.is_keeping and wish.priority == self._priority and wish.since < since
            if wish.priority > self._priority or is_earlier:
                return wish.who
        return None

    def _keep(self, units: Sequence[DeviceUnit], board: OpenBoard | None) -> None:
        if board is not None:
            self._board.keep(board, frozenset(file_slug(unit.id) for unit in units))

    def _wish(self, seats: Sequence[Seat], obstacles: Sequence[Obstacle], need: Need, board: OpenBoard | None) -> None:
        by_id = {seat.unit.id: seat for seat in seats}
        wanted = frozenset(
            file_slug(obstacle.unit.id) for obstacle in obstacles if worth_waiting(by_id[obstacle.unit.id], obstacle)
        )
        if not wanted or board is None:
            self._board.withdraw()
        else:
            self._board.wish(board, wanted, need.bytes)

    # -- words -----------------------------------------------------------------------------------------------------

    def _waiting(self, key: tuple[Any, ...], reason: str) -> Waiting:
        """The reason; told again with new numbers only now and then, as each telling is a line of the journal."""
        now = time.monotonic()
        if self._reason is None or self._reason[0] != key or now - self._reason[1] > REPEAT_S:
            self._reason = (key, now, reason)
        return Waiting(self._reason[2])

    def _key(self, obstacles: Sequence[Obstacle]) -> tuple[Any, ...]:
        return tuple((found.unit.id, found.kind, "" if found.kind == "memory" else found.text) for found in obstacles)

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


def _bytes(size: float | None) -> int | None:
    return None if size is None else int(size * GB)
