"""The troubles: each strikes the stage once, says whom it hit (None: nobody was there), and plans its own undoing."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from htr_tui.errors import StorageError
from htr_tui.files import read_json
from htr_tui.journal.commands import send_command
from tests.chaos.launcher import Launched
from tests.chaos.lock import DatabaseLock
from tests.chaos.processes import send
from tests.chaos.stage import Stage

Strike = Callable[[Stage, Random], str | None]
ABSENCES_S = (0.0, 0.0, 0.2, 0.8, 2.0)
"""How long nobody starts a supervisor again."""


def _kill_one(stage: Stage, pids: list[int], chance: Random, who: str) -> str | None:
    if not pids:
        return None
    pid = chance.choice(pids)
    return f"KILL {who} {pid}" if send(pid, signal.SIGKILL) else None


def kill_supervisor(stage: Stage, chance: Random) -> str | None:
    """And nobody is there for a while."""
    if not stage.kill_supervisors():
        return None
    absence = chance.choice(ABSENCES_S)
    stage.absent_until = time.monotonic() + absence
    return f"KILL supervisor, nobody there for {absence} s"


def kill_runner(stage: Stage, chance: Random) -> str | None:
    """Its trainer is an orphan now."""
    return _kill_one(stage, stage.census().runners, chance, "runner")


def kill_trainer(stage: Stage, chance: Random) -> str | None:
    """As an out-of-memory killer does."""
    return _kill_one(stage, stage.census().trainers, chance, "trainer")


def kill_grandchild(stage: Stage, chance: Random) -> str | None:
    """A loader of the trainer."""
    return _kill_one(stage, stage.census().grandchildren, chance, "grandchild")


def kill_mirror(stage: Stage, chance: Random) -> str | None:
    """The process that talks to MLflow."""
    return _kill_one(stage, stage.census().mirrors, chance, "mirror")


def kill_everybody(stage: Stage, chance: Random) -> str | None:
    """Supervisor, runners, trainers and all, in any order."""
    found = stage.census()
    pids = [*stage.supervisors(), *found.runners, *found.trainers, *found.grandchildren, *found.mirrors]
    chance.shuffle(pids)
    for pid in pids:
        send(pid, signal.SIGKILL)
    stage.absent_until = time.monotonic() + chance.choice(ABSENCES_S)
    return f"KILL all {len(pids)}" if pids else None


def kill_panel(stage: Stage, chance: Random) -> str | None:
    """While it looks at the study."""
    if stage.panel is None or stage.panel.process.poll() is not None:
        return None
    stage.panel.process.kill()
    stage.panel.process.wait()
    return "KILL panel"


def kill_mlflow(stage: Stage, chance: Random) -> str | None:
    """The tracking server; it comes back."""
    server = stage.server
    if server is None or not server.kill():
        return None
    stage.do_later(chance.uniform(0.2, 2.0), "MLflow server is back", server.start)
    return "KILL MLflow server"


def freeze(stage: Stage, chance: Random) -> str | None:
    """SIGSTOP somebody, SIGCONT after a while."""
    found = stage.census()
    groups = {
        "supervisor": stage.supervisors(),
        "runner": found.runners,
        "trainer": found.trainers,
        "grandchild": found.grandchildren,
        "mirror": found.mirrors,
    }
    there = [name for name, pids in groups.items() if pids]
    if not there:
        return None
    who = chance.choice(there)
    pid, seconds = chance.choice(groups[who]), chance.uniform(0.2, 2.5)
    if not send(pid, signal.SIGSTOP):
        return None
    stage.do_later(seconds, f"CONT {who} {pid}", lambda: _go_on(pid))
    return f"STOP {who} {pid} for {seconds:.1f} s"


def _go_on(pid: int) -> None:
    send(pid, signal.SIGCONT)


def fill_disk(stage: Stage, chance: Random) -> str | None:
    """To the last byte; freed after a while."""
    if not stage.plan.small_disk:
        return None
    filler = stage.base / "runs" / "filler"
    try:
        with open(filler, "ab", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
    except OSError:
        pass
    stage.do_later(chance.uniform(0.3, 2.5), "disk has room again", lambda: filler.unlink(missing_ok=True))
    return "disk is full"


def lock_database(stage: Stage, chance: Random) -> str | None:
    """BEGIN EXCLUSIVE in Optuna's database for a while."""
    if not stage.database.exists():
        return None
    lock = DatabaseLock(stage.database)
    if not lock.acquire():
        return None
    stage.locks.append(lock)
    seconds = chance.choice((0.3, 1.0, 3.0, 6.0))
    stage.do_later(seconds, "database unlocked", lock.release)
    return f"database locked for {seconds} s"


def cut_journal(stage: Stage, chance: Random) -> str | None:
    """At any byte, while nobody supervises; mostly near its end, seldom in its first line."""
    stage.kill_supervisors()
    data = stage.paths.journal.read_bytes()
    first = 0 if chance.random() < 0.15 else data.find(b"\n") + 1
    if len(data) <= first:
        return None
    lines = data.splitlines(keepends=True)
    near = max(first, len(data) - sum(len(line) for line in lines[-3:]))
    at = chance.randint(near if chance.random() < 0.5 else first, len(data) - 1)
    _replace(stage.paths.journal, data[:at])
    stage.was_cut = True
    stage.absent_until = time.monotonic() + chance.choice(ABSENCES_S)
    return f"journal cut at byte {at} of {len(data)}"


def tear_journal(stage: Stage, chance: Random) -> str | None:
    """Half a line, or garbage, at its end: what a dying machine leaves behind."""
    stage.kill_supervisors()
    tail = chance.choice((b'{"t": 1, "event": "attempt_repor', b"\0" * 64, b"\xff\xfe[", b'{"t": 1}'))
    with open(stage.paths.journal, "ab") as file:
        file.write(tail)
    stage.was_cut = True
    return f"journal ends in {tail[:20]!r}"


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.chaos")
    temporary.write_bytes(data)
    temporary.replace(path)


def jump_clock(stage: Stage, chance: Random) -> str | None:
    """Minutes to decades, either way."""
    seconds = chance.choice((-1, 1)) * chance.choice((60.0, 3600.0, 86400.0, 3.2e7, 6e8))
    stage.clock.write_text(str(seconds))
    return f"clock jumps to {seconds:+.0f} s"


def fake_heartbeat(stage: Stage, chance: Random) -> str | None:
    """supervisor.json tells nonsense."""
    record = read_json(stage.paths.supervisor)
    if record is None:
        return None
    heartbeat = chance.choice((0, 4e9, -1, "yesterday", None, time.time() - 3600))
    _replace(stage.paths.supervisor, _json({**record, "heartbeat": heartbeat}))
    return f"heartbeat is {heartbeat}"


def remove_attempt_folder(stage: Stage, chance: Random) -> str | None:
    """Of a running or an ended attempt."""
    return _remove(stage, chance, sorted(stage.paths.trials.glob("*/attempt-*")))


def remove_trial_folder(stage: Stage, chance: Random) -> str | None:
    """With all its attempts."""
    return _remove(stage, chance, sorted(stage.paths.trials.glob("[0-9]*")))


def remove_commands(stage: Stage, chance: Random) -> str | None:
    """The folder of requests."""
    shutil.rmtree(stage.paths.commands, ignore_errors=True)
    return "removed commands/"


def _remove(stage: Stage, chance: Random, folders: list[Path]) -> str | None:
    # A trial that only its folder still tells of, because the journal was cut, would be lost with it: not promised.
    if not folders or any(strike.kind == "cut_journal" for strike in stage.plan.strikes):
        return None
    folder = chance.choice(folders)
    shutil.rmtree(folder.rename(stage.paths.root / f".removed-{chance.getrandbits(32):x}"), ignore_errors=True)
    stage.folders_removed = True
    return f"removed {folder.relative_to(stage.paths.root)}"


def remove_database(stage: Stage, chance: Random) -> str | None:
    """Optuna's, with or without the files beside it."""
    if not stage.database.exists():
        return None
    suffixes = ("", "-wal", "-shm") if chance.random() < 0.7 else ("",)
    for suffix in suffixes:
        stage.database.with_name(stage.database.name + suffix).unlink(missing_ok=True)
    return f"removed optuna.db {' '.join(suffixes)}"


def replace_database(stage: Stage, chance: Random) -> str | None:
    """By an empty file, or by garbage that somebody removes after a while."""
    if not stage.database.exists():
        return None
    is_garbage = chance.random() < 0.5
    replacement = stage.database.with_name(".optuna.db.chaos")
    try:
        replacement.write_bytes(b"not a database at all" * 100 if is_garbage else b"")
    except OSError:  # a full disk
        replacement.unlink(missing_ok=True)
        return None
    for suffix in ("-wal", "-shm"):
        stage.database.with_name(stage.database.name + suffix).unlink(missing_ok=True)
    replacement.replace(stage.database)
    if is_garbage:
        stage.do_later(
            chance.uniform(0.3, 2.0), "garbage database removed", lambda: stage.database.unlink(missing_ok=True)
        )
    return f"optuna.db is {'garbage' if is_garbage else 'empty'}"


def second_supervisor(stage: Stage, chance: Random) -> str | None:
    """One or two more, at the same time as the first or in its absence."""
    made: list[Launched] = [stage.launcher.start() for _ in range(chance.randint(1, 2))]
    return f"{len(made)} more supervisors: {', '.join(str(item.pid) for item in made)}"


def send_stop(stage: Stage, chance: Random) -> str | None:
    """As the panel does; the study is run again afterwards."""
    return _command(stage, "stop", now=chance.random() < 0.5)


def send_continue(stage: Stage, chance: Random) -> str | None:
    """Perhaps in the middle of a stop."""
    return _command(stage, "continue")


def run_stop(stage: Stage, chance: Random) -> str | None:
    """`htr-tui stop` itself, with or without a supervisor, whoever is frozen; when it is back nothing runs."""
    now = chance.random() < 0.7
    if chance.random() < 0.5:
        stage.kill_supervisors()
    command = [sys.executable, "-m", "htr_tui", "--dir", str(stage.base), "stop", "fake", *(["--now"] if now else [])]
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    stage.commands_run.append(child)
    while child.poll() is None:
        stage.keep_house()
        stage.do_due()
        time.sleep(0.02)
    seconds = time.monotonic() - began
    said = child.communicate()[0]
    found = stage.census()
    left = [*found.runners, *found.trainers, *found.grandchildren]
    is_hindered = stage.plan.small_disk or stage.was_cut or stage.folders_removed
    if child.returncode == 0 and left and not is_hindered:
        raise RuntimeError(f"htr-tui stop was done, and {left} live: {said}")
    if now:
        stage.stop_seconds.append(seconds)
    return f"htr-tui stop{' --now' if now else ''}: {seconds:.1f} s, {said.strip()[:100]}"


def remove_lock(stage: Stage, chance: Random) -> str | None:
    """The file of the supervisor's lock, under a living supervisor, and then one more supervisor."""
    stage.paths.lock.unlink(missing_ok=True)
    made = stage.launcher.start()
    return f"lock removed, supervisor {made.pid} starts"


def send_pause(stage: Stage, chance: Random) -> str | None:
    """And go on after a while."""
    stage.do_later(chance.uniform(0.3, 2.0), "command continue", lambda: _continue(stage))
    return _command(stage, "pause")


def send_garbage(stage: Stage, chance: Random) -> str | None:
    """Commands that nobody understands."""
    try:
        stage.paths.commands.mkdir(exist_ok=True)
        data = chance.choice((b"\xff not json", b'{"command": "fly"}', b'{"command": "retry", "trial": 10000}', b"{}"))
        (stage.paths.commands / f"{chance.randint(0, 9)}.json").write_bytes(data)
    except OSError:
        return None
    return f"command {data!r}"


def _command(stage: Stage, name: str, **fields: bool) -> str | None:
    try:
        send_command(stage.paths, name, **fields)
    except StorageError:
        return None
    return f"command {name} {fields or ''}"


def _continue(stage: Stage) -> None:
    _command(stage, "continue")


def reboot(stage: Stage, chance: Random) -> str | None:
    """Everything dies, and the ids of the processes are of another boot; their numbers may be anybody's."""
    kill_everybody(stage, chance)
    while any((found := stage.census()).runners or found.trainers or found.grandchildren or stage.supervisors()):
        stage.keep_house()
    hit = 0
    for path in [stage.paths.supervisor, *stage.paths.trials.glob("*/attempt-*/runner.json")]:
        record = read_json(path)
        if record is not None and "boot" in record:
            _replace(path, _json({**record, "boot": "before-the-restart", "pid": stage.stranger()}))
            hit += 1
    return f"machine restarts; {hit} processes are of an earlier boot"


def reuse_pids(stage: Stage, chance: Random) -> str | None:
    """Everything dies, and strangers get the numbers."""
    kill_everybody(stage, chance)
    while stage.supervisors() or stage.census().runners:
        stage.keep_house()
    hit = 0
    for path in [stage.paths.supervisor, *stage.paths.trials.glob("*/attempt-*/runner.json")]:
        record = read_json(path)
        if record is not None and "pid" in record:
            _replace(path, _json({**record, "pid": stage.stranger()}))
            hit += 1
    return f"{hit} pids are strangers'"


def _json(record: dict[str, object]) -> bytes:
    import json

    return json.dumps(record).encode()


STRIKES: dict[str, tuple[Strike, float]] = {
    "kill_supervisor": (kill_supervisor, 5.0),
    "kill_runner": (kill_runner, 4.0),
    "kill_trainer": (kill_trainer, 4.0),
    "kill_grandchild": (kill_grandchild, 1.0),
    "kill_everybody": (kill_everybody, 1.5),
    "kill_panel": (kill_panel, 1.0),
    "kill_mirror": (kill_mirror, 2.0),
    "kill_mlflow": (kill_mlflow, 2.0),
    "freeze": (freeze, 4.0),
    "fill_disk": (fill_disk, 4.0),
    "lock_database": (lock_database, 2.0),
    "cut_journal": (cut_journal, 2.5),
    "tear_journal": (tear_journal, 1.0),
    "jump_clock": (jump_clock, 2.5),
    "fake_heartbeat": (fake_heartbeat, 0.7),
    "remove_attempt_folder": (remove_attempt_folder, 1.0),
    "remove_trial_folder": (remove_trial_folder, 1.0),
    "remove_commands": (remove_commands, 0.6),
    "remove_database": (remove_database, 1.5),
    "replace_database": (replace_database, 1.0),
    "second_supervisor": (second_supervisor, 2.0),
    "send_stop": (send_stop, 2.0),
    "send_continue": (send_continue, 0.7),
    "send_pause": (send_pause, 1.0),
    "run_stop": (run_stop, 1.2),
    "remove_lock": (remove_lock, 0.5),
    "send_garbage": (send_garbage, 0.7),
    "reboot": (reboot, 1.2),
    "reuse_pids": (reuse_pids, 1.0),
}
"""Every kind with its weight in the draw."""


def weights() -> dict[str, float]:
    """Kinds that may be drawn."""
    return {kind: weight for kind, (_, weight) in STRIKES.items() if weight > 0}
