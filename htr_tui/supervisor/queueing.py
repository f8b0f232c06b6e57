"""This study among others on the board of devices: who comes first, what is waited for, what is kept, who holds what."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from htr_tui.devices.board import Board, Claim, file_slug, read_board
from htr_tui.devices.units import DeviceUnit
from htr_tui.errors import StorageError
from htr_tui.executors.claims import ClaimBoard, HeldFile, OpenBoard
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor.placing import Need, Obstacle, Seat, worth_waiting


class DeviceQueue:
    """Keeps the study's place among those that want the same devices."""

    def __init__(self, spec: StudySpec, board: ClaimBoard, runner: Callable[[int, int], int | None]) -> None:
        self._priority = spec.priority
        self._shares = spec.resources.share
        self._wants_gpus = spec.resources.gpus != "none"
        self._board = board
        self._runner = runner
        self._untold: dict[tuple[int, int], str] | None = None
        """Claims that do not say their runner yet, by trial and attempt; None before the board was looked at."""

    def ahead(self, board: Board, unit: DeviceUnit) -> str | None:
        """Who waits for the device and comes first: a higher priority, or the same and earlier."""
        since = self._board.wish_since or time.time()
        for wish in board.wishes:
            if self._board.is_ours(wish) or file_slug(unit.id) not in wish.devices:
                continue
            is_earlier = not wish.is_keeping and wish.priority == self._priority and wish.since < since
            if wish.priority > self._priority or is_earlier:
                return wish.who
        return None

    def is_shared(self, board: Board, unit: DeviceUnit) -> bool:
        """Whether this study and all others on the device let each other onto theirs."""
        return self._shares and all(claim.is_shared for claim in self._others(board, unit))

    def is_contested(self, board: Board, unit: DeviceUnit) -> bool:
        """Whether another study holds the device, and not all agree to share it."""
        return bool(self._others(board, unit)) and not self.is_shared(board, unit)

    def _others(self, board: Board, unit: DeviceUnit) -> list[Claim]:
        device = file_slug(unit.id)
        return [claim for claim in board.claims if claim.device == device and not self._board.is_ours(claim)]

    # -- after a decision ------------------------------------------------------------------------------------------

    def placed(self, board: OpenBoard | None, seats: Sequence[Seat], unit: DeviceUnit) -> None:
        """A trial got a device: the study waits no more, and goes on with what it has."""
        self._board.withdraw()
        self._keep(board, [*(seat.unit for seat in seats if seat.own), unit])

    def refused(
        self, board: OpenBoard | None, seats: Sequence[Seat], obstacles: Sequence[Obstacle], need: Need
    ) -> None:
        """A trial waits: queue up where it is for another study, and keep only what the study uses."""
        by_id = {seat.unit.id: seat for seat in seats}
        wanted = [found.unit for found in obstacles if worth_waiting(by_id[found.unit.id], found)]
        if not wanted or board is None:
            self._board.withdraw()
        else:
            self._board.wish(board, frozenset(file_slug(unit.id) for unit in wanted), need.bytes)
        self._keep(board, [seat.unit for seat in seats if seat.own])

    def _keep(self, board: OpenBoard | None, units: Sequence[DeviceUnit]) -> None:
        if board is not None:
            self._board.keep(board, frozenset(file_slug(unit.id) for unit in units))

    # -- claims and their runners ----------------------------------------------------------------------------------

    def claimed(self, trial: int, attempt: int, claim: HeldFile) -> None:
        """A claim that will be a runner's."""
        self._untold = {**(self._untold or {}), (trial, attempt): claim.name}

    def tend(self, running: Collection[tuple[int, int]]) -> None:
        """Write into our claims who holds them, so that others find our processes on a device."""
        self._board.renew_keep()
        if self._untold is None:
            self._untold = self._left_untold()
        for key, file in list(self._untold.items()):
            runner = self._runner(*key) if key in running else None
            if key in running and runner is None:
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
