"""A trainer by the protocol, standard library only, that can succeed at any pace and fail in every way we know.

Faults strike in the attempts up to `--until-attempt`, and only in the trials of `--only-trial`, so that a retry
can succeed. `train.epochs` from `--set` replaces `--epochs`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import struct
import sys
import time
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

STEPS = 4
"""Steps of a training epoch."""

OOM_TEXT = """\
2026-11-20 10:00:00.000000: W external/local_xla/xla/tsl/framework/bfc_allocator.cc:501] Allocator (GPU_0_bfc) ran \
out of memory trying to allocate 1.17GiB (rounded to 1258291200)requested by op gradient_tape/generator/conv2d
2026-11-20 10:00:00.000001: W external/local_xla/xla/tsl/framework/bfc_allocator.cc:512] ****************x*****
Traceback (most recent call last):
  File "/opt/trainer/train.py", line 210, in <module>
    main()
  File "/opt/trainer/train.py", line 188, in train_step
    gradients = tape.gradient(loss, variables)
tensorflow.python.framework.errors_impl.ResourceExhaustedError: Graph execution error:

OOM when allocating tensor with shape[{batch},64,128,1024] and type float on \
/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [Op:__inference_train_step_48210]
"""


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """The options; what each fault does is told beside it."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--pace", type=float, default=0.0, help="seconds an epoch")
    p.add_argument("--gate", type=Path, help="before each epoch > 1 wait until this file holds a number >= the epoch")
    p.add_argument("--set", action="append", default=[], metavar="K=V", dest="sets")
    p.add_argument("--out", type=Path, help="attempt folder where HTR_TUI_TRIAL_DIR is not set")
    p.add_argument("--crash-at", type=int, metavar="EPOCH")
    p.add_argument("--crash-text", default="Traceback (most recent call last):\nRuntimeError: injected crash")
    p.add_argument("--status", type=int, help="exit status of the crash, or of the end where there is no crash")
    p.add_argument("--signal", type=int, metavar="N", help="kill itself with N at the crash's epoch (default 1)")
    p.add_argument("--hang-at", type=int, metavar="EPOCH", help="wait for ever, until TERM")
    p.add_argument("--ignore-term", action="store_true")
    p.add_argument("--eat-mb", type=int, default=0)
    p.add_argument("--grandchild", action="store_true", help="leave two processes behind, one of another session")
    p.add_argument("--storm", type=int, default=0, metavar="N", help="N children born again when killed, and a hopper")
    p.add_argument("--hide", action="store_true", help="leave a child with an empty environment behind")
    p.add_argument("--print-mb", type=int, default=0)
    p.add_argument("--binary", action="store_true", help="print binary bytes and escape codes")
    p.add_argument("--garbage", action="store_true", help="write garbage and half lines into the events")
    p.add_argument("--nan-at", type=int, metavar="EPOCH", help="the loss is NaN from this epoch on")
    p.add_argument("--oom-batch", type=int, metavar="N", help="out of memory in epoch 2 where train.batch >= N")
    p.add_argument("--no-events", action="store_true")
    p.add_argument("--tell", choices=["csv", "json", "log"], help="metrics in this form alone, as a stranger's trainer")
    p.add_argument("--until-attempt", type=int, default=1 << 30, metavar="K")
    p.add_argument("--only-trial", type=int, action="append", metavar="N")
    return p.parse_args(argv)


def parse_value(text: str) -> Any:
    """A JSON value, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def quality_of(params: dict[str, Any]) -> float:
    """How good a trial is, 0 to 1, by its searched parameters alone."""
    searched = {k: v for k, v in params.items() if k not in ("train.batch", "train.accumulation", "train.epochs")}
    digest = sha256(json.dumps(searched, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def metrics_at(quality: float, epoch: int) -> dict[str, float]:
    """Metrics of an epoch: they improve with epochs, and more in better trials."""
    progress = 1.0 - math.exp(-epoch / 5.0)
    return {
        "val/psnr": round(14.0 + (6.0 + 4.0 * quality) * progress, 6),
        "val/ssim": round(0.5 + (0.3 + 0.1 * quality) * progress, 6),
        "val/cer": round(0.9 - (0.4 + 0.3 * quality) * progress, 6),
        "loss/total": round(100.0 * math.exp(-epoch / (4.0 + 4.0 * quality)), 6),
    }


def metrics_of(params: dict[str, Any], epoch: int) -> dict[str, float]:
    """What a trial with these parameters reports at an epoch."""
    return metrics_at(quality_of(params), epoch)


def png(width: int = 144, height: int = 32) -> bytes:
    """A valid grey picture: three panels of the same strokes, more and less readable."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            panel, column = divmod(x, width // 3)
            stroke = abs(y - height / 2 - 8 * math.sin(column / 5)) < 3
            rows.append((150, 90, 20)[min(panel, 2)] if stroke else (190, 230, 255)[min(panel, 2)])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b"")
    )


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)


class Trainer:
    """One attempt: epochs of steps, with the faults that were asked for."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = Path(os.environ.get("HTR_TUI_TRIAL_DIR") or options.out or ".").resolve()
        events = os.environ.get("HTR_TUI_EVENTS") or str(self.folder / "events.jsonl")
        is_silent = options.no_events or options.tell is not None
        self.events = None if is_silent else os.open(events, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.history: dict[str, list[Any]] = {}
        self.params: dict[str, Any] = {"train.batch": 8, "train.accumulation": 1}
        self.params |= {k: parse_value(v) for k, _, v in (item.partition("=") for item in options.sets)}
        self.epochs = int(self.params.get("train.epochs", options.epochs))
        attempt, trial = (int(os.environ.get(f"HTR_TUI_{name}", "0")) for name in ("ATTEMPT", "TRIAL"))
        self.is_faulty = attempt <= options.until_attempt and (not options.only_trial or trial in options.only_trial)
        self.is_stopping = False
        self.eaten = b""

    def emit(self, kind: str, **fields: Any) -> None:
        """One event line; garbage between them if wanted."""
        if self.events is None:
            return
        line = json.dumps({"t": time.time(), "kind": kind, **fields}).encode() + b"\n"
        if self.options.garbage and self.is_faulty:
            line = b'\xff\xfe\x00 not json\n{"kind": "metrics", "epoch": \n[1, 2]\n{"kind": "moon"}\n' + line
        os.write(self.events, line)

    def tell(self, row: dict[str, Any]) -> None:
        """The metrics of an epoch in a stranger's way; a row of CSV comes in two halves, JSON is written anew in place."""
        form, told = self.options.tell, self.history
        for name, value in row.items():
            told.setdefault(name, []).append(value)
        if form == "csv":
            lines = [",".join(row)] if len(told["epoch"]) == 1 else []
            lines.append(",".join(map(str, row.values())))
            text = "\n".join(lines) + "\n"
            with open(self.folder / "log.csv", "a", encoding="utf-8") as file:
                file.write(text[:-9])
                file.flush()
                time.sleep(0.02)
                file.write(text[-9:])
        elif form == "json":
            (self.folder / "history.json").write_text(json.dumps(told), encoding="utf-8")
        elif form == "log":
            print(f"epoch={row['epoch']}", *(f"{k}={v}" for k, v in row.items() if k != "epoch"), flush=True)

    def run(self) -> int:
        """Train; the exit status."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN if self.options.ignore_term else self.on_term)
        resumed = self.resumed_epoch()
        self.emit("start", epochs=self.epochs, steps=STEPS, params=self.params, resumed_epoch=resumed)
        if self.is_faulty:
            self.prepare_faults()
        for epoch in range(resumed + 1, self.epochs + 1):
            self.wait_at_gate(epoch)
            finished = not self.is_stopping and self.train_epoch(epoch)
            if self.is_stopping:
                self.checkpoint(epoch if finished else epoch - 1)
                self.emit("end", status="stopped")
                print(f"stopped in epoch {epoch}", flush=True)
                return 143
        self.emit("end", status="complete")
        print("done", flush=True)
        return int(self.options.status or 0) if self.is_faulty and self.options.crash_at is None else 0

    def on_term(self, *_: object) -> None:
        self.is_stopping = True

    def resumed_epoch(self) -> int:
        """Last epoch of the checkpoints to go on from; 0 for a fresh start."""
        source = os.environ.get("HTR_TUI_RESUME_FROM")
        if not source:
            return 0
        found = [int(path.stem.partition("-")[2]) for path in (Path(source) / "checkpoints").glob("epoch-*.json")]
        return max(found, default=0)

    def wait_at_gate(self, epoch: int) -> None:
        gate: Path | None = self.options.gate
        while gate is not None and epoch > 1 and not self.is_stopping:
            try:
                if float(gate.read_text() or 0) >= epoch:
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.02)

    def train_epoch(self, epoch: int) -> bool:
        """Steps, then metrics, a sample and a checkpoint; False if a stop came before the last step."""
        if self.is_faulty:
            self.strike(epoch)
        for step in range(1, STEPS + 1):
            time.sleep(self.options.pace / STEPS)
            self.emit("progress", epoch=epoch, step=step, of=STEPS, rate=STEPS / max(self.options.pace, 0.001))
            if self.is_stopping and step < STEPS:
                return False
        values: dict[str, Any] = dict(metrics_of(self.params, epoch))
        if self.is_faulty and self.options.nan_at is not None and epoch >= self.options.nan_at:
            values["loss/total"] = "nan"
        self.emit("metrics", epoch=epoch, step=epoch * STEPS, values=values)
        self.tell({"epoch": epoch, **values})
        sample = f"samples/epoch-{epoch:03d}.png"
        write_whole(self.folder / sample, png())
        panels = ["degraded", "restored", "clean"]
        self.emit("sample", path=sample, epoch=epoch, caption=f"epoch {epoch}", panels=panels)
        self.checkpoint(epoch)
        print(f"epoch {epoch}/{self.epochs} loss {values['loss/total']} psnr {values['val/psnr']}", flush=True)
        return True

    def checkpoint(self, epoch: int) -> None:
        """What the next start goes on from."""
        if epoch < 1:
            return
        path = f"checkpoints/epoch-{epoch}.json"
        write_whole(self.folder / path, json.dumps({"epoch": epoch, "params": self.params}).encode())
        self.emit("checkpoint", path=path, epoch=epoch)

    # -- faults ----------------------------------------------------------------------------------------------------

    def prepare_faults(self) -> None:
        """Those that strike at the start."""
        options = self.options
        if options.grandchild:
            self.leave_processes()
        if options.storm:
            mine = signal.getsignal(signal.SIGTERM)
            raise_storm(options.storm)
            signal.signal(signal.SIGTERM, mine)
        if options.hide and os.fork() == 0:
            code = "import signal; signal.signal(15, signal.SIG_IGN); signal.alarm(600); signal.pause()"
            os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", code], {})
        if options.eat_mb:
            self.eaten = os.urandom(1 << 20) * options.eat_mb
        if options.binary:
            os.write(1, bytes(range(256)) + b"\x1b[2J\x1b]0;title\x07\x1b[31mred [/bold] [red]markup\x1b[0m\r\b\n")
        for _ in range(options.print_mb):
            sys.stdout.write(("x" * 1023 + "\n") * 1024)
        sys.stdout.flush()

    def strike(self, epoch: int) -> None:
        """Those that strike at an epoch."""
        options, batch = self.options, self.params.get("train.batch")
        if options.oom_batch is not None and epoch == 2 and isinstance(batch, int) and batch >= options.oom_batch:
            print(OOM_TEXT.format(batch=batch), file=sys.stderr, flush=True)
            sys.exit(1)
        if options.signal is not None and epoch == (options.crash_at or 1):
            os.kill(os.getpid(), options.signal)
        elif epoch == options.crash_at:
            print(options.crash_text, file=sys.stderr, flush=True)
            sys.exit(1 if options.status is None else options.status)
        while epoch == options.hang_at and not self.is_stopping:
            time.sleep(0.02)

    def leave_processes(self) -> None:
        """A child that ignores TERM, and an orphan of another session; their pids in `grandchildren.json`."""
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(write_end)
            linger()
        middle = os.fork()
        if middle == 0:
            os.setsid()
            orphan = os.fork()
            if orphan == 0:
                os.close(write_end)
                linger()
            os.write(write_end, str(orphan).encode())
            os._exit(0)
        os.close(write_end)
        os.waitpid(middle, 0)
        told = os.read(read_end, 20)  # nothing, where somebody killed the one between
        pids = {"child": child} | ({"orphan": int(told)} if told else {})
        os.close(read_end)
        write_whole(self.folder / "grandchildren.json", json.dumps(pids).encode())


STORM_S = 60.0
"""A storm ends by itself, so that a failed test leaves nothing for long."""


def raise_storm(count: int) -> None:
    """A keeper that replaces each dead child at once, and a process that flees into a new one every few milliseconds."""
    end = time.monotonic() + STORM_S
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.fork() == 0:
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            os.setsid()
            time.sleep(0.004)
        os._exit(0)
    if os.fork() == 0:
        for _ in range(count):
            bear()
        while time.monotonic() < end:
            os.wait()
            bear()
        os._exit(0)


def bear() -> None:
    """One more child of a storm."""
    if os.fork() == 0:
        time.sleep(STORM_S)
        os._exit(0)


def linger() -> None:
    """Live on without doing anything; at most ten minutes, so that a failed test leaves nothing for long."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.alarm(600)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(Trainer(parse_arguments(sys.argv[1:])).run())
