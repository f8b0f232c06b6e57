"""The place where a round happens: a study in a folder of its own, its processes, and what is to be undone later."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from htr_tui.cli.run import forget_old_stops
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.study.loading import read_study
from htr_tui.supervisor.folder import create_study_folder
from tests.chaos.launcher import Death, Launcher
from tests.chaos.lock import DatabaseLock
from tests.chaos.plan import SOURCES, Round
from tests.chaos.processes import Census, census, end_all, reap_orphans, send
from tests.chaos.servers import BadServer
from tests.fakes.launching import FakeStudy, fake_study
from tests.fakes.terminal import Terminal

DISK_BYTES = 6 << 20


@dataclass(slots=True)
class Later:
    """Something to do at a time of the steady clock."""

    at: float
    what: str
    action: Callable[[], None]


@dataclass(slots=True)
class Stage:
    """One round's world. Files and processes are the state; this only remembers what we did."""

    plan: Round
    base: Path
    study: FakeStudy
    launcher: Launcher
    chance: Random
    started: float = field(default_factory=time.monotonic)
    told: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    """Strikes that hit something, by kind."""
    later: list[Later] = field(default_factory=list)
    absent_until: float = 0.0
    """No supervisor is started before."""
    deaths_left: int = 0
    was_cut: bool = False
    folders_removed: bool = False
    strangers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """Processes that must never be signalled."""
    commands_run: list[subprocess.Popen[str]] = field(default_factory=list)
    """Commands that we ran and wait for ourselves."""
    stop_seconds: list[float] = field(default_factory=list)
    """How long each `stop --now` took."""
    panel: Terminal | None = None
    server: BadServer | None = None
    locks: list[DatabaseLock] = field(default_factory=list)

    @property
    def paths(self) -> StudyPaths:
        """The study's files."""
        return self.study.paths

    @property
    def clock(self) -> Path:
        """Seconds by which the supervisor's clock is wrong."""
        return self.base / "clock"

    @property
    def database(self) -> Path:
        """Optuna's."""
        return self.base / "runs" / "optuna.db"

    def tell(self, what: str) -> None:
        """Into the round's story."""
        self.told.append(f"{time.monotonic() - self.started:7.3f}  {what}")

    def do_later(self, delay: float, what: str, action: Callable[[], None]) -> None:
        """Undo something, after a while or at the end of the strikes."""
        self.later.append(Later(time.monotonic() + delay, what, action))

    def do_due(self, *, everything: bool = False) -> None:
        """What is due now; everything when the strikes are over."""
        now = time.monotonic()
        due = [item for item in self.later if everything or item.at <= now]
        self.later = [item for item in self.later if item not in due]
        for item in sorted(due, key=lambda item: item.at):
            self.tell(item.what)
            item.action()

    # -- looking ---------------------------------------------------------------------------------------------------

    def fold(self) -> StudyFold:
        """The study's state by its journal."""
        return self.study.fold()

    def census(self) -> Census:
        """The processes."""
        return census(self.base)

    def supervisors(self) -> list[int]:
        """Those that live."""
        return self.launcher.living()

    def is_finished(self) -> bool:
        """The supervisor said so and is gone."""
        return not self.supervisors() and self.fold().ended_reason == "finished"

    # -- acting ----------------------------------------------------------------------------------------------------

    def keep_supervised(self) -> None:
        """Start a supervisor where none is, as a person would with `htr-tui run`."""
        self.keep_house()
        if time.monotonic() < self.absent_until or self.supervisors():
            return
        if self.fold().ended_reason == "finished":
            return
        self.start_supervisor()

    def keep_house(self) -> None:
        """Zombies, and a terminal that nobody reads."""
        self.launcher.poll()
        if self.panel is not None:
            self.panel.listen()
        reap_orphans(self._waited_for())

    def start_supervisor(self) -> None:
        """One more of them."""
        death = None
        if self.deaths_left:
            self.deaths_left -= 1
            death = Death(self.chance.randint(1, 14), self.chance.choice(("before", "after")))
        try:
            forget_old_stops(self.paths)
        except Exception as error:  # a full disk: `htr-tui run` would have said so, and a person would try again
            self.tell(f"cannot start: {error}")
            self.absent_until = time.monotonic() + 0.3
            return
        made = self.launcher.start(death)
        self.tell(f"supervisor {made.pid} starts" + (f", dies {death.side} record {death.at}" if death else ""))
        if death:
            self.done["die_at_record"] += 1
        self.absent_until = time.monotonic() + 0.3

    def kill_supervisors(self) -> bool:
        """KILL; False if there was none."""
        pids = self.supervisors()
        for pid in pids:
            send(pid, signal.SIGKILL)
        while self.supervisors():
            time.sleep(0.005)
        return bool(pids)

    def start_panel(self) -> None:
        """A real panel on a terminal of its own."""
        self.panel = Terminal([sys.executable, "-m", "htr_tui", "--dir", str(self.base)], columns=100, rows=30)

    def stranger(self) -> int:
        """A process that has nothing to do with us."""
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"])
        self.strangers.append(child)
        return child.pid

    def close(self, *, keep: bool) -> None:
        """End everything, give the disk back, and remove the folder unless it is evidence."""
        if self.panel is not None:
            self.panel.close()
        for stranger in self.strangers:
            stranger.kill()
            stranger.wait()
        for lock in self.locks:
            lock.release()
        if self.server is not None:
            self.server.close()
        end_all()
        self.launcher.poll()
        runs = self.base / "runs"
        if self.plan.small_disk:
            if keep:
                shutil.copytree(runs, self.base / "runs-kept", ignore=shutil.ignore_patterns("filler"))
            unmount(runs)
        if not keep:
            shutil.rmtree(self.base, ignore_errors=True)

    def _waited_for(self) -> set[int]:
        known = {item.pid for item in self.launcher.launched if item.status is None}
        known |= {child.pid for child in self.commands_run}
        known |= {stranger.pid for stranger in self.strangers} | {lock.pid for lock in self.locks}
        if self.panel is not None:
            known.add(self.panel.process.pid)
        if self.server is not None:
            known.add(self.server.pid)
        return known


def set_stage(plan: Round, root: Path, template: Path | None) -> Stage:
    """Make the round's folder, its disk, its study."""
    base = Path(tempfile.mkdtemp(prefix=f"round-{plan.seed}-", dir=root))
    chance = Random(plan.seed ^ 0x5EED)
    if plan.small_disk:
        (base / "runs").mkdir()
        mount(base / "runs", DISK_BYTES)
    server = BadServer() if plan.tracking == "http" else None
    changes = dict(plan.study)
    if server is not None:
        server.start()
        changes["tracking"] = {"uri": f"http://127.0.0.1:{server.port}", "experiment": "chaos"}
    elif plan.tracking == "sqlite":
        assert template is not None
        (base / "runs").mkdir()
        shutil.copy(template, base / "runs" / "mlflow.db")
        changes["tracking"] = {"uri": "sqlite:///runs/mlflow.db", "experiment": "chaos"}
    study = fake_study(base, *plan.options, metrics=SOURCES[plan.tells], **changes)
    loaded = read_study(study.file)
    create_study_folder(base / "runs", loaded.spec, loaded.text.encode(), study.file, base)
    launcher = Launcher(study.paths, base, base / "clock", real=plan.real_start)
    stage = Stage(plan, base, study, launcher, chance, server=server)
    stage.deaths_left = chance.randint(1, 4) if plan.deaths else 0
    if plan.panel:
        stage.start_panel()
    return stage


def can_mount() -> bool:
    """Whether this user may mount a small disk here."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            mount(Path(folder), 1 << 20)
        except (OSError, subprocess.CalledProcessError):
            return False
        unmount(Path(folder))
    return True


def mount(folder: Path, size: int) -> None:
    """A tmpfs of `size` bytes."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "htr-chaos", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def unmount(folder: Path) -> None:
    """Give it back, whoever still looks at it."""
    subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
