"""The supervisor killed between any two of its steps, again and again: whatever is left, the next one makes it whole.

A step is a journal record, a file put in its place, a start or a stop of an attempt, a word with the search's storage.
The processes are fakes that live on (tests/fakes/attempts_world.py); journal and folders are real, and in a part of the
tests Optuna's database is.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from optuna.storages._rdb import storage

from htr_tui.files import dump_line, iterate_records
from htr_tui.journal.commands import send_command
from htr_tui.journal.fold import JournalReader, StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.search.store import SearchStore
from htr_tui.study.loading import read_study
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor import memory
from htr_tui.supervisor.folder import create_study_folder
from htr_tui.supervisor.ledger import StudyLedger
from htr_tui.supervisor.loop import Supervisor
from tests.fakes.attempts_world import AttemptsWorld, FakeExecutor, Fate, score
from tests.fakes.search_memory import MemoryStore, Remembered

TRIALS = 3
EPOCHS = 2
LIVES = 200
"""More supervisors than this, and the study does not come on."""
NAMES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}


class Killed(BaseException):
    """The supervisor's process died here."""


@dataclass
class Steps:
    """Counts steps; dies at the planned ones, counted from the last death."""

    deaths: list[int]
    torn: bool = False
    """A record at which we die leaves half a line behind."""
    count: int = 0
    died: int = 0
    is_armed: bool = False

    def step(self, journal: Path | None = None, record: dict[str, Any] | None = None) -> None:
        """One more."""
        if not self.is_armed:
            return
        self.count += 1
        if self.died < len(self.deaths) and self.count >= self.deaths[self.died]:
            self.died += 1
            self.count = 0
            self.is_armed = False
            if self.torn and journal is not None and record is not None:
                line = dump_line(record)
                with open(journal, "ab") as file:
                    file.write(line[: len(line) // 2])
            raise Killed

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with a step before and after it."""

        def stepping(*arguments: Any, **named: Any) -> Any:
            self.step()
            result = function(*arguments, **named)
            self.step()
            return result

        return stepping


@dataclass
class Play:
    """A study and all that happens to it."""

    base: Path
    world: AttemptsWorld
    steps: Steps
    search: Remembered | None = None
    """The search's storage; Optuna's own where this is None."""
    commands: dict[int, str] = field(default_factory=dict)
    """Commands by tick."""
    ticks: int = 0
    lives: int = 0

    @property
    def paths(self) -> StudyPaths:
        return StudyPaths(self.base / "runs" / "s")

    def fold(self) -> StudyFold:
        reader = JournalReader(self.paths.journal)
        reader.refresh()
        return reader.fold


@contextmanager
def dying_steps(steps: Steps, search: Remembered | None) -> Iterator[None]:
    """Every step of a supervisor of this process is counted."""
    patch = pytest.MonkeyPatch()
    store: type[Any] = SearchStore if search is None else MemoryStore
    if search is not None:
        patch.setattr(memory, "SearchStore", lambda *_: MemoryStore(search))
    else:  # Alembic reads all its scripts for it each time
        version = head_version()
        patch.setattr(storage._VersionManager, "get_head_version", lambda _: version)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    for name in ("replace", "link"):
        patch.setattr(os, name, steps.around(getattr(os, name)))
    for name in ("connect", "reconcile", "ask", "sync", "should_prune"):
        patch.setattr(store, name, steps.around(getattr(store, name)))
    for name in ("start", "stop"):
        patch.setattr(FakeExecutor, name, steps.around(getattr(FakeExecutor, name)))
    try:
        yield
    finally:
        patch.undo()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def mortal_ledger(steps: Steps) -> type[StudyLedger]:
    """A ledger each of whose records is two steps."""

    class MortalLedger(StudyLedger):
        def record(self, event: str, *, follow_up: dict[str, Any] | None = None, **fields: Any) -> None:
            steps.step(self.paths.journal, {"t": 1.0, "event": event, **fields})
            super().record(event, follow_up=follow_up, **fields)
            steps.step()

    return MortalLedger


def live(play: Play, spec: StudySpec) -> str | None:
    """One supervisor's life: why it ended, or None if it was killed."""
    supervisor = Supervisor(
        play.paths, spec, play.base, executor=FakeExecutor(play.world), make_ledger=mortal_ledger(play.steps)
    )
    play.lives += 1
    try:
        play.steps.is_armed = True
        supervisor._presence.acquire()
        supervisor.open()
        for _ in range(500):
            reason = supervisor.tick()
            if reason is not None:
                return reason
            play.steps.is_armed = False
            play.world.advance()
            play.ticks += 1
            if play.ticks in play.commands:
                name, _, now = play.commands[play.ticks].partition(" ")
                send_command(play.paths, name, now=bool(now))
            if supervisor.ledger.fold.paused is not None:
                send_command(play.paths, "continue")
            play.steps.is_armed = True
        raise AssertionError("the study does not come to an end")
    except Killed:
        return None
    finally:
        play.steps.is_armed = False
        bury(supervisor)


def bury(supervisor: Supervisor) -> None:
    """What the kernel does for a dead process: descriptors and locks go, nothing is written."""
    supervisor._memory.close()
    supervisor._admission.close()
    supervisor.ledger.close()
    signal.set_wakeup_fd(-1)
    for descriptor in (*supervisor._wake, supervisor._presence._fd, supervisor._presence._folder_fd):
        if descriptor is not None and descriptor >= 0:
            os.close(descriptor)


def play_to_the_end(play: Play, spec: StudySpec) -> StudyFold:
    """Supervisors follow each other until one says that the study is finished."""
    with dying_steps(play.steps, play.search):
        while live(play, spec) != "finished":
            assert play.lives < LIVES, "the study does not come on"
            play.world.advance()  # nobody is there, and the attempts go on
    return play.fold()


def make_play(
    base: Path,
    steps: Steps,
    fates: dict[tuple[int, int], Fate],
    search: Remembered | None,
    pruner: dict[str, Any] | str = "none",
) -> tuple[Play, StudySpec]:
    content = {
        "study": "s",
        "trainer": {"command": ["true", "{overrides}"]},
        "search": {"sampler": {"random": {"seed": 1}}, "pruner": pruner, "space": {"x": {"float": [0, 1]}}},
        "objective": {"maximize": "score", "from": "last"},
        "budget": {"trials": TRIALS},
        "resources": {"gpus": "none", "parallel": 2},
        "retries": {"crash": 5, "lost": 5, "preempted": 5},
        "tracking": "none",
        "pause_after": 0,
    }
    file = base / "s.yaml"
    file.write_text(yaml.safe_dump(content))
    spec = read_study(file).spec
    (base / "runs").mkdir()
    if search is None:
        shutil.copy(empty_database(), base / "runs" / "optuna.db")
    create_study_folder(base / "runs", spec, file.read_bytes(), file, base)
    world = AttemptsWorld(lambda trial, attempt: fates.get((trial, attempt), "complete"), EPOCHS)
    return Play(base, world, steps, search), spec


@cache
def head_version() -> str:
    """Of Optuna's tables."""
    return str(storage.RDBStorage(f"sqlite:///{empty_database()}").get_head_version())


_EMPTY: list[Path] = []


def empty_database() -> Path:
    """Optuna's tables, made once: that takes longer than a whole study here."""
    if not _EMPTY:
        folder = Path(tempfile.mkdtemp(prefix="htr-tui-test-"))
        optuna.storages.RDBStorage(f"sqlite:///{folder}/optuna.db").engine.dispose()
        _EMPTY.append(folder / "optuna.db")
    return _EMPTY[0]


@pytest.fixture(scope="module", autouse=True)
def remove_empty_database() -> Iterator[None]:
    yield
    while _EMPTY:
        shutil.rmtree(_EMPTY.pop().parent)


def check(play: Play, fold: StudyFold) -> None:
    """Nothing was lost, nothing was done twice, and everybody says the same."""
    assert fold.skipped <= (play.steps.died if play.steps.torn else 0)
    assert sorted(fold.trials) == list(range(TRIALS))
    assert all(count == 1 for count in play.world.starts.values()), "an attempt was started twice"
    for trial in fold.trials.values():
        assert trial.state in NAMES
        assert [a.number for a in trial.attempts] == list(range(1, len(trial.attempts) + 1))
        assert all(a.state != "running" for a in trial.attempts)
        if trial.state == "complete":
            assert trial.value == pytest.approx(score(trial.params, EPOCHS))
    for attempt in play.world.attempts.values():
        assert attempt.is_over
        number = int(attempt.paths.root.name.partition("-")[2])
        assert any(a.number == number for a in fold.trials[int(attempt.paths.root.parent.name)].attempts)
    told = [(r["event"], r["trial"], r.get("attempt")) for r in iterate_records(play.paths.journal)
            if r["event"] in ("trial_created", "attempt_started")]  # fmt: skip
    assert len(told) == len(set(told))
    if play.search is None:
        check_optuna(play, fold)
    else:
        assert play.search.states == {n: t.state for n, t in fold.trials.items()}
        assert play.search.params == {n: t.params for n, t in fold.trials.items()}


def check_optuna(play: Play, fold: StudyFold) -> None:
    """Optuna's own client sees the same."""
    with_optuna = optuna.load_study(study_name="s", storage=f"sqlite:///{play.base}/runs/optuna.db")
    known = with_optuna.get_trials(deepcopy=False)
    assert [t.state.name for t in known] == [NAMES[fold.trials[n].state] for n in range(TRIALS)]
    for frozen in known:
        assert frozen.params == pytest.approx(fold.trials[frozen.number].params)
        assert frozen.value == pytest.approx(fold.trials[frozen.number].value) or frozen.state.name != "COMPLETE"
    with_optuna._storage._backend.engine.dispose()  # type: ignore[attr-defined]


NO_SHRINKING = (Phase.explicit, Phase.generate)
"""A smaller example tells little more here, and finding it takes minutes."""
FATES = st.dictionaries(
    st.tuples(st.integers(0, TRIALS - 1), st.integers(1, 3)),
    st.sampled_from(["crash", "lost", "preempted", "never_started"]),
    max_size=4,
)
COMMANDS = st.dictionaries(
    st.integers(1, 8), st.sampled_from(["stop", "stop now", "pause", "continue", "budget", "nonsense"]), max_size=3
)


@settings(max_examples=60, phases=NO_SHRINKING)
@given(
    deaths=st.lists(st.integers(1, 60), max_size=12),
    torn=st.booleans(),
    fates=FATES,
    commands=COMMANDS,
    prunes=st.booleans(),
)
def test_killed_between_any_two_steps(
    deaths: list[int], torn: bool, fates: dict[tuple[int, int], Fate], commands: dict[int, str], prunes: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play, spec = make_play(Path(folder), Steps(deaths, torn), fates, Remembered(prunes=prunes))
        play.commands = commands
        check(play, play_to_the_end(play, spec))


@settings(max_examples=8, phases=NO_SHRINKING)
@given(deaths=st.lists(st.integers(1, 45), min_size=2, max_size=8), fates=FATES, commands=COMMANDS)
def test_killed_between_any_two_steps_with_optuna(
    deaths: list[int], fates: dict[tuple[int, int], Fate], commands: dict[int, str]
) -> None:
    pruner = {"median": {"n_startup_trials": 1, "n_warmup_steps": 0}}
    with tempfile.TemporaryDirectory() as folder:
        play, spec = make_play(Path(folder), Steps(deaths), fates, None, pruner)
        play.commands = commands
        check(play, play_to_the_end(play, spec))


TROUBLED: dict[tuple[int, int], Fate] = {(0, 1): "crash", (1, 1): "lost", (2, 1): "never_started"}


@pytest.mark.parametrize("torn", [False, True])
def test_killed_once_at_each_step(tmp_path: Path, torn: bool) -> None:
    """A troubled study has so and so many steps; it is killed once at each of them, in turn."""
    for at in range(1, 1000):
        base = tmp_path / str(at)
        base.mkdir()
        play, spec = make_play(base, Steps([at], torn), TROUBLED, Remembered())
        fold = play_to_the_end(play, spec)
        check(play, fold)
        assert fold.counts["complete"] == TRIALS
        if play.steps.died == 0:
            assert at > 80  # fewer steps, and this would test little
            return
        shutil.rmtree(base)


def test_killed_later_in_each_life(tmp_path: Path) -> None:
    """Each life ends one step later than the one before."""
    play, spec = make_play(tmp_path, Steps(list(range(1, 120))), TROUBLED, None)
    fold = play_to_the_end(play, spec)
    check(play, fold)
    assert fold.counts["complete"] == TRIALS
    assert play.steps.died > 20
