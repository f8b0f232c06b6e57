"""The runner: one small process an attempt, which outlives the supervisor so that no exit status is ever lost.

Started as `python -I -S runner.py ATTEMPT_FOLDER`; standard library only, and little of it: a trial waits for these imports
(pathlib, socket and typing would be a third of them). It claims the attempt, starts the trainer in a
session of its own, adopts whatever the trainer leaves behind, passes the stop on, samples memory, and writes
`exit.json` when nothing of the trainer is left.

Signals: TERM asks the trainer to stop and kills after the grace time; USR1 stops it now (a short grace, whole group).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PR_SET_CHILD_SUBREAPER = 36
NOW_GRACE_S = 5.0
"""Between TERM and KILL of `stop --now`."""
SWEEP_ROUNDS = 250
FREEZE_ROUNDS = 50
"""How often we look for processes that were forked while we stopped the others."""
TELL_S = 3600.0
"""How long a full disk may keep exit.json from being written."""
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD}
CLAIM_REFUSED = 3
"""Exit status of a runner that found its attempt claimed by another one or given up by the supervisor."""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _stat_fields(pid: int) -> list[str]:
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _identity() -> dict[str, Any]:
    fields = _stat_fields(os.getpid())
    return {
        "pid": os.getpid(),
        "ticks": int(fields[19]) if len(fields) > 19 else 0,
        "boot": _read("/proc/sys/kernel/random/boot_id").strip(),
        "host": os.uname().nodename,
    }


def _oom_kills() -> int:
    for line in _read("/proc/vmstat").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def children(pid: int) -> list[int]:
    """Direct children of every thread of `pid`."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        found += [int(child) for child in _read(f"/proc/{pid}/task/{thread}/children").split()]
    return found


def descendants(pid: int) -> list[int]:
    """Every process below `pid`, nearest first."""
    found: list[int] = []
    todo = children(pid)
    while todo:
        found += todo
        todo = [grandchild for child in todo for grandchild in children(child)]
    return found


def send(pid: int, number: int, parents: set[int]) -> bool:
    """Signal a process below us, and never a stranger who got its number: its parent must be one of `parents`."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        fields = _stat_fields(pid)
        if len(fields) < 2 or fields[0] == "Z" or int(fields[1]) not in parents:
            return False
        signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)
    return True


def kill_below(pid: int) -> int:
    """KILL everything below `pid`; how many. All are stopped first: what is stopped cannot fork any more."""
    frozen: set[int] = set()
    for _ in range(FREEZE_ROUNDS):
        found = descendants(pid)
        parents = {pid, *found}
        fresh = [one for one in found if one not in frozen and send(one, signal.SIGSTOP, parents)]
        frozen.update(fresh)
        if not fresh:
            break
    found = descendants(pid)
    parents = {pid, *found}
    return sum(send(one, signal.SIGKILL, parents) for one in found)


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _remove(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108 - see the imports
    except FileNotFoundError:
        pass


def write_whole(folder: str, name: str, record: dict[str, Any]) -> None:
    """Replace a file by a JSON object, durably."""
    temporary = f"{folder}/.{name}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, f"{folder}/{name}")


class Runner:
    """One attempt from claim to exit.json."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        with open(self.file("command.json"), "rb") as file:
            self.command: dict[str, Any] = json.load(file)
        self.reserve = self.file(".reserve")
        self.trainer: subprocess.Popen[bytes] | None = None
        self.status: int | None = None
        self.max_rss = 0
        self.stop: str | None = None
        self.stop_time: float | None = None
        self.deadline: float | None = None
        self.killed = False
        self.started = time.time()
        self.started_monotonic = time.monotonic()
        self.oom_kills = _oom_kills()
        self.next_sample = 0.0
        self.cpu_before: tuple[float, float] | None = None

    def file(self, name: str) -> str:
        """A file of the attempt."""
        return f"{self.folder}/{name}"

    # -- start -----------------------------------------------------------------------------------------------------

    def claim(self) -> bool:
        """Become the one runner of this attempt; False if another was, or the supervisor gave the attempt up."""
        temporary = self.file(f".runner.{os.getpid()}.tmp")
        _write(temporary, json.dumps({**_identity(), "started": self.started}).encode())
        try:
            os.link(temporary, self.file("runner.json"))
        except FileExistsError:
            return False
        finally:
            _remove(temporary)
        # Room for exit.json, so that a disk that the trainer fills cannot lose its exit status.
        try:
            _write(self.reserve, b"\0" * 8192)
        except OSError:
            pass
        return True

    def start(self) -> None:
        """Start the trainer; a command that cannot start ends like a shell's: 127 or 126, with the reason in the log."""
        log = os.open(self.file("log.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self.trainer = subprocess.Popen(
                self.command["argv"],
                cwd=self.command["cwd"],
                env={**os.environ, **self.command.get("env", {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_restore_signals,  # safe: this process has one thread
            )
        except (OSError, ValueError) as error:
            missing = isinstance(error, FileNotFoundError)
            self.status = 127 if missing else 126
            text = f"htr-tui: cannot start {self.command['argv'][:1]}: {error}\n"
            try:
                os.write(log, text.encode("utf-8", "replace"))
            except OSError:
                pass
        finally:
            os.close(log)

    # -- while it runs ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until the trainer is reaped: signals, deadlines, samples."""
        while self.status is None:
            now = time.monotonic()
            if now >= self.next_sample:
                self.sample(now)
            wake = self.next_sample if self.deadline is None else min(self.next_sample, self.deadline)
            info = signal.sigtimedwait(SIGNALS, max(0.0, wake - time.monotonic()))
            if info is not None and info.si_signo != signal.SIGCHLD:
                self.on_stop("now" if info.si_signo == signal.SIGUSR1 else "stop")
            self.reap()
            if self.deadline is not None and time.monotonic() >= self.deadline and self.status is None:
                self.kill_everything()

    def on_stop(self, why: str) -> None:
        """Pass a stop on: to the trainer alone, or with `now` to its whole group."""
        if self.trainer is None or self.stop == "now":
            return
        grace = NOW_GRACE_S if why == "now" else float(self.command.get("grace_s", 120.0))
        repeated = self.stop is not None and why == "stop"
        self.stop = why
        self.stop_time = self.stop_time or time.time()
        if repeated:
            return
        self.deadline = time.monotonic() + grace
        try:
            if why == "now":
                os.killpg(self.trainer.pid, signal.SIGTERM)
            else:
                os.kill(self.trainer.pid, signal.SIGTERM)
            os.killpg(self.trainer.pid, signal.SIGCONT)  # who is stopped (SIGSTOP) acts on no TERM
        except (ProcessLookupError, PermissionError):
            pass

    def reap(self) -> None:
        """Take every ended child, our own or adopted."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.max_rss = max(self.max_rss, usage.ru_maxrss * 1024)
            if self.trainer is not None and pid == self.trainer.pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.trainer.returncode = self.status

    def kill_everything(self) -> None:
        """KILL the trainer and all below us; asked again soon, for what was forked meanwhile."""
        self.killed = True
        kill_below(os.getpid())
        self.deadline = time.monotonic() + 0.2

    def sweep(self) -> int:
        """End what the trainer left behind (loaders, setsid grandchildren); how many there were."""
        left = 0
        for _ in range(SWEEP_ROUNDS):
            if not descendants(os.getpid()):
                break
            left += kill_below(os.getpid())
            signal.sigtimedwait({signal.SIGCHLD}, 0.02)
            self.reap()
        return left

    def sample(self, now: float) -> None:
        """One line of memory and CPU of the whole tree; seldom once the attempt is long."""
        age = now - self.started_monotonic
        self.next_sample = now + (0.5 if age < 10 else 2.0 if age < 600 else 10.0)
        page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
        rss, cpu, count = 0, 0.0, 0
        for pid in descendants(os.getpid()):
            fields = _stat_fields(pid)
            if len(fields) < 22 or fields[0] == "Z":
                continue
            count += 1
            rss += int(fields[21]) * page
            cpu += (int(fields[11]) + int(fields[12])) / tick
        if not count:
            return
        self.max_rss = max(self.max_rss, rss)
        percent = None
        if self.cpu_before is not None and now > self.cpu_before[0]:
            percent = round(max(0.0, 100.0 * (cpu - self.cpu_before[1]) / (now - self.cpu_before[0])), 1)
        self.cpu_before = (now, cpu)
        line = json.dumps({"t": time.time(), "rss_bytes": rss, "cpu_percent": percent, "processes": count}) + "\n"
        try:
            with open(self.file("system.jsonl"), "a", encoding="utf-8") as file:
                file.write(line)
        except OSError:
            pass

    # -- end -------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Sweep and write exit.json; on a full disk give the reserve back first, then try again for a while."""
        left = self.sweep()
        status = self.status if self.status is not None else 1
        record = {
            "exit_code": status if status >= 0 else None,
            "signal": -status if status < 0 else None,
            "start": self.started,
            "end": time.time(),
            "seconds": time.monotonic() - self.started_monotonic,
            "peak_rss_bytes": self.max_rss or None,
            "oom_kills": max(0, _oom_kills() - self.oom_kills),
            "stop_requested": self.stop,
            "stop_time": self.stop_time,
            "killed": self.killed,
            "leftover": left,
        }
        self.tell(record)
        _remove(self.reserve)

    def tell(self, record: dict[str, Any]) -> None:
        """Write exit.json; a full disk is waited for, unless the stop must be now. A removed folder wants no word."""
        end, pause = time.monotonic() + TELL_S, 0.0
        while True:
            try:
                return write_whole(self.folder, "exit.json", record)
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                    raise
            if time.monotonic() > end:
                return None
            _remove(self.reserve)
            if signal.sigtimedwait({signal.SIGUSR1}, pause) is not None:
                end = 0.0  # one last try
            pause = min(10.0, pause + 1.0)


def _restore_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def main(argv: list[str]) -> int:
    """Run the attempt of the folder named on the command line."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    runner = Runner(argv[1])
    if not runner.claim():
        return CLAIM_REFUSED
    runner.start()
    runner.run()
    runner.finish()
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv))  # all is written; the next trial waits for our end, not for Python's tidying up
