"""Frozen records that feeds put into the store and screens draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from htr_tui.journal.records import TRIAL_STATES, Note, Pause, StudyFacts, StudyState, TrialRecord, TrialState

Liveness = Literal["alive", "dead", "elsewhere", "none"]

NO_COUNTS: Final[dict[TrialState, int]] = dict.fromkeys(TRIAL_STATES, 0)


@dataclass(frozen=True, slots=True)
class SupervisorView:
    """Who supervises a study, as far as this machine can tell."""

    liveness: Liveness = "none"
    """`elsewhere`: on another machine, where only the heartbeat can tell."""
    pid: int | None = None
    host: str = ""
    started: float | None = None
    heartbeat: float | None = None
    """Unix seconds of the last sign of life it wrote."""


@dataclass(frozen=True, slots=True)
class StudyView:
    """A study as a row of the Studies screen and the header of the others."""

    name: str
    path: Path
    state: StudyState = "stopped"
    is_loaded: bool = False
    """False while its journal is still being folded."""
    facts: StudyFacts = field(default_factory=StudyFacts)
    counts: Mapping[TrialState, int] = field(default_factory=lambda: NO_COUNTS)
    best: TrialRecord | None = None
    pareto: frozenset[int] = frozenset()
    """Trials of a study with several objectives that no other is better than."""
    running: tuple[int, ...] = ()
    failures: tuple[tuple[str, int], ...] = ()
    """Categories of failed trials with their number, the most frequent first."""
    supervisor: SupervisorView = field(default_factory=SupervisorView)
    stop_requested: str | None = None
    paused: Pause | None = None
    """Why it starts nothing new until somebody continues it."""
    waiting: str | None = None
    """What its next start waits for, in words."""
    notes: tuple[Note, ...] = ()
    """Warnings and errors among its newest notes, oldest first."""
    tracking_error: str | None = None
    skipped: int = 0
    """Lines of its journal that could not be understood."""
    last_t: float = 0.0
    """Unix seconds of the last thing that happened."""
    problem: str | None = None
    """Why its journal cannot be read."""
    version: int = 0

    @property
    def total(self) -> int:
        """Trials that exist."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """Trials that came to an end (complete, pruned or failed)."""
        return self.counts["complete"] + self.counts["pruned"] + self.counts["failed"]

    @property
    def is_active(self) -> bool:
        """Whether somebody supervises it, so that it may change at any moment."""
        return self.state in ("running", "paused")

    @property
    def is_busy(self) -> bool:
        """Whether news are likely within seconds: something runs, or is about to."""
        return self.is_active and (bool(self.running) or (self.state == "running" and not self.waiting))

    @property
    def has_paused_itself(self) -> bool:
        """Whether it waits for the user because its trials kept failing."""
        return self.paused is not None and self.paused.by != "user"

    @property
    def has_many_objectives(self) -> bool:
        """Whether there is a front instead of a best trial."""
        return len(self.facts.directions) > 1

    @property
    def has_nothing_feasible(self) -> bool:
        """Whether it has complete trials, and each of them breaks a constraint."""
        is_empty = self.best is None and not self.pareto
        return bool(self.facts.constraints and self.counts["complete"]) and self.is_loaded and is_empty

    @property
    def budget(self) -> int | None:
        """Trials it may make; None without a limit."""
        return self.facts.trials


@dataclass(frozen=True, slots=True)
class LiveAttempt:
    """What a running attempt told last."""

    trial: int
    attempt: int
    epoch: int | None = None
    """The epoch that is being worked on."""
    epochs: int | None = None
    step: int | None = None
    of: int | None = None
    rate: float | None = None
    """Steps a second."""
    last_t: float | None = None
    """Unix seconds of its last event."""
    gpu_bytes: int | None = None

    @property
    def fraction(self) -> float | None:
        """How much of the current epoch is done, 0 to 1."""
        if not self.of or self.step is None:
            return None
        return max(0.0, min(1.0, self.step / self.of))


@dataclass(frozen=True, slots=True)
class SampleView:
    """One picture of an attempt."""

    attempt: int
    path: Path
    epoch: int | None
    caption: str
    panels: tuple[str, ...]
    rows: tuple[tuple[int, int], ...] = ()
    """(top, height) in pixels of the lines in each panel, if the trainer tells."""


@dataclass(frozen=True, slots=True)
class AttemptFiles:
    """What the files of one attempt say, read as far as they go."""

    number: int
    path: Path
    epochs: tuple[tuple[int, Mapping[str, float]], ...] = ()
    """Metrics by epoch, ascending."""
    total_epochs: int | None = None
    resumed_epoch: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    """Values in force, as the trainer told at its start."""
    samples: tuple[SampleView, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    """Level and message of what the trainer noted."""
    system: tuple[tuple[float, float, float], ...] = ()
    """Unix seconds, resident bytes, CPU percent of the process tree; thinned."""
    devices: tuple[tuple[float, float, float], ...] = ()
    """Unix seconds, GPU bytes in use, load in percent, over the attempt's devices; thinned."""
    finding: Mapping[str, Any] | None = None
    exit: Mapping[str, Any] | None = None
    command: Mapping[str, Any] | None = None
    skipped: int = 0
    """Lines of its events that could not be understood."""
    is_loaded: bool = False


@dataclass(frozen=True, slots=True)
class TrialFiles:
    """The files of the trial that is being looked at."""

    study: str
    trial: int
    attempts: tuple[AttemptFiles, ...] = ()

    def attempt(self, number: int) -> AttemptFiles | None:
        """The files of one attempt."""
        return next((files for files in self.attempts if files.number == number), None)


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process on a device, and whose it is."""

    pid: int
    used_bytes: int | None = None
    user: str = ""
    """Its owner's name; empty where the system does not tell."""
    command: str = ""
    study: str | None = None
    trial: int | None = None
    """The trial that it works for; None for a process of no study."""


@dataclass(frozen=True, slots=True)
class HolderView:
    """A trial that holds a device, or (without a trial) a study that waits for it."""

    study: str
    user: str = ""
    trial: int | None = None
    used_bytes: int | None = None
    expected_bytes: int | None = None
    priority: int = 0
    since: float | None = None
    is_here: bool = False
    """Whether the study is one of this panel's."""


@dataclass(frozen=True, slots=True)
class DeviceView:
    """What a trial can be given: a whole GPU, or an instance (MIG) of one; None where the driver does not say."""

    label: str
    """`gpu0`, and `gpu0/1` for an instance."""
    name: str = ""
    kind: str = "gpu"
    state: str = "ok"
    """ok, lost (it no longer answers), exclusive or prohibited (its compute mode)."""
    is_visible: bool = True
    """Whether CUDA_VISIBLE_DEVICES, as it stood when the panel was started, leaves it."""
    used_bytes: int | None = None
    total_bytes: int | None = None
    load: float | None = None
    """Percent; for an instance that of its whole card, like temperature and power."""
    temperature: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    holders: tuple[HolderView, ...] = ()
    wishes: tuple[HolderView, ...] = ()
    processes: tuple[ProcessView, ...] = ()


@dataclass(frozen=True, slots=True)
class GpuView:
    """One GPU now; None where the driver does not say."""

    index: int
    name: str
    used_bytes: int | None
    total_bytes: int | None
    load: float | None
    """Percent."""
    temperature: float | None
    power_w: float | None = None


@dataclass(frozen=True, slots=True)
class MachineView:
    """The machine that the panel runs on, now."""

    gpus: tuple[GpuView, ...] = ()
    gpu_error: str | None = None
    """Why there is no GPU to show, in words."""
    cpu_percent: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    load: float | None = None
    """Processes that want a core, over the last minute."""
    disk_free: int | None = None
    devices: tuple[DeviceView, ...] = ()
    """What trials can be given: each GPU, or its instances in its place."""
    board_error: str | None = None
    """Why it cannot be told who holds and who waits."""
    driver: str = ""
    history: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict, compare=False)
    """By device: bytes in use and load in percent over the last minutes, oldest first. It alone is no news."""
