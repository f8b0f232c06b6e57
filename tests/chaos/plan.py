"""What a round does, drawn from its seed alone: a study, its troubles, and when each of them strikes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

RETRIES = {
    "lost": 50, "preempted": 50, "crash": 50, "host_oom": 50, "gpu_oom": 2, "disk_full": 50, "bad_config": 50,
    "data_missing": 50, "shm": 50, "import_error": 50, "nan_loss": 50,
}  # fmt: skip
"""Wide enough that whatever we do to a trial, it is complete or pruned in the end."""
NARROW_RETRIES = {**RETRIES, "lost": 1, "crash": 1, "host_oom": 1}

FAULTS: tuple[tuple[str, ...], ...] = (
    (),
    ("--crash-at", "2", "--until-attempt", "1"),
    ("--oom-batch", "8"),
    ("--signal", "9", "--until-attempt", "1"),
    ("--status", "7", "--until-attempt", "1", "--only-trial", "1"),
    ("--garbage", "--binary"),
    ("--ignore-term",),
)
SAMPLERS: tuple[dict[str, Any], ...] = ({"random": {"seed": 3}}, {"tpe": {"seed": 3}})
SPACE = {"lr": {"float": [0.001, 0.1], "log": True}, "width": {"int": [4, 16]}, "kind": {"categorical": ["a", "b"]}}
SOURCES: dict[str, Any] = {
    "events": "events",
    "csv": {"csv": "{attempt_dir}/log.csv"},
    "json": {"json": "{attempt_dir}/history.json"},
    "log": {"log": [r"epoch=(?P<epoch>\d+)", r"(?P<name>[a-z]+/[a-z]+)=(?P<value>\S+)"]},
}
"""`trainer.metrics` by the way in which the trainer tells its metrics."""
FOREIGN = tuple(tells for tells in SOURCES if tells != "events")
PRUNER = {"median": {"n_startup_trials": 1, "n_warmup_steps": 0}}


@dataclass(frozen=True, slots=True)
class Strike:
    """One trouble: its kind, seconds after the start, and the seed of its details."""

    kind: str
    at: float
    seed: int


@dataclass(frozen=True, slots=True)
class Round:
    """Everything that a round is, and all of it follows from `seed`."""

    seed: int
    options: tuple[str, ...]
    """Options of the fake trainer."""
    study: dict[str, Any]
    """Keys of the study file that differ from the fake study's."""
    strikes: tuple[Strike, ...]
    small_disk: bool
    """`runs` is a file system of a few megabytes."""
    panel: bool
    tracking: str
    """none, sqlite (MLflow's own store), or http (a server that comes and goes)."""
    real_start: bool
    """Supervisors are started as `htr-tui run` does it; else as forks of the driver, which is quicker."""
    tells: str
    """How the trainer tells its metrics: events, or csv, json, log as one that knows nothing of us."""
    deaths: bool
    """Supervisors also die by their own hand, just before or after one of their records."""

    @property
    def trials(self) -> int:
        """The study's budget."""
        return int(self.study["budget"]["trials"])

    @property
    def is_narrow(self) -> bool:
        """Whether trials may fail for good, because their retries are used up."""
        return bool(self.study["retries"]["lost"] == NARROW_RETRIES["lost"])


@dataclass(frozen=True, slots=True)
class Shares:
    """How often the costly parts are drawn, 0 to 1."""

    small_disk: float = 0.10
    panel: float = 0.05
    tracking: float = 0.08
    http: float = 0.04
    real_start: float = 0.03
    foreign: float = 0.25


NEEDS = {"fill_disk": "disk", "kill_panel": "panel", "kill_mirror": "tracking", "kill_mlflow": "http"}
"""Kinds that strike only where the round has what they strike at."""


def draw(seed: int, kinds: dict[str, float], *, can_mount: bool, shares: Shares | None = None) -> Round:
    """The round of a seed. `kinds`: weight of each kind of strike."""
    chance, shares = Random(seed), shares or Shares()
    tracking_draw, tracking = chance.random(), "none"
    if tracking_draw < shares.tracking:
        tracking = "sqlite"
    elif tracking_draw < shares.tracking + shares.http:
        tracking = "http"
    small_disk = chance.random() < shares.small_disk and can_mount and tracking == "none"
    panel = chance.random() < shares.panel
    has = {"disk": small_disk, "panel": panel, "tracking": tracking != "none", "http": tracking == "http"}
    usable = [kind for kind in kinds if has.get(NEEDS.get(kind, ""), True)]
    wanted = chance.choices(usable, [kinds[kind] for kind in usable], k=chance.randint(2, 5))
    wanted += [kind for kind, need in NEEDS.items() if has[need] and kind not in wanted]
    real_start = chance.random() < shares.real_start and not small_disk
    tells = chance.choice(FOREIGN) if chance.random() < shares.foreign else "events"
    has_all = {"small_disk": small_disk, "panel": panel, "real_start": real_start}
    return _round(seed, chance, wanted, tracking=tracking, tells=tells, **has_all)


def tour(first_seed: int, kinds: Iterable[str], *, can_mount: bool) -> list[Round]:
    """A few rounds that strike in every way: the short version of it all."""
    chance = Random(first_seed)
    plain = [kind for kind in kinds if kind not in NEEDS]
    chance.shuffle(plain)
    groups = [plain[start : start + 3] for start in range(0, len(plain), 3)]
    for place, kind in enumerate(NEEDS):
        if kind != "fill_disk" or can_mount:
            groups[place].append(kind)
    rounds = []
    for place, group in enumerate(groups):
        tracking = "http" if "kill_mlflow" in group else "sqlite" if "kill_mirror" in group else "none"
        seed = first_seed + place
        disk, panel = "fill_disk" in group, "kill_panel" in group
        tells = tuple(SOURCES)[place % len(SOURCES)]
        rounds.append(_round(seed, Random(seed), group, small_disk=disk, panel=panel, tracking=tracking, tells=tells))
    return rounds


def _round(
    seed: int,
    chance: Random,
    kinds: list[str],
    *,
    small_disk: bool,
    panel: bool,
    tracking: str,
    tells: str,
    real_start: bool = False,
) -> Round:
    epochs, trials, parallel = chance.randint(2, 4), chance.randint(3, 5), chance.randint(1, 3)
    pace = chance.choice((0.05, 0.15, 0.3))
    options = ("--epochs", str(epochs), "--pace", str(pace), *chance.choice(FAULTS))
    if chance.random() < 0.25 or "kill_grandchild" in kinds:
        options += ("--grandchild",)
        kinds = kinds if "kill_grandchild" in kinds else [*kinds, "kill_grandchild"]
    if tells != "events":
        options += ("--tell", tells)
    study: dict[str, Any] = {
        "search": {
            "sampler": chance.choice(SAMPLERS),
            "pruner": PRUNER if chance.random() < 0.4 else "none",
            "space": SPACE,
        },
        "budget": {"trials": trials},
        "resources": {"gpus": "none", "parallel": parallel},
        "retries": NARROW_RETRIES if chance.random() < 0.12 else RETRIES,
        "pause_after": 0,
    }
    length = 1.0 + trials * (0.3 + epochs * pace) / parallel
    return Round(
        seed=seed,
        options=options,
        study=study,
        strikes=tuple(sorted((_strike(chance, kind, length) for kind in kinds), key=lambda strike: strike.at)),
        small_disk=small_disk,
        panel=panel,
        tracking=tracking,
        real_start=real_start,
        tells=tells,
        deaths=chance.random() < 0.25,
    )


def _strike(chance: Random, kind: str, length: float) -> Strike:
    return Strike(kind, chance.uniform(0.1, length), chance.getrandbits(32))
