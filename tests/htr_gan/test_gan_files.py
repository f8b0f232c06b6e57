from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from htr_gan.events import EventLog, NestedEvents, attempt_folder, events_path
from htr_gan.files import folder_written_whole, locked, read_json, write_json
from htr_gan.stop import StopFlag


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "set"

    def fail_half_way() -> None:
        with folder_written_whole(target) as fresh:
            (fresh / "half").write_text("x")
            assert not target.exists()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert not list(tmp_path.iterdir())
    for content in ("first", "second"):
        with folder_written_whole(target) as fresh:
            (fresh / "file").write_text(content)
        assert [path.name for path in tmp_path.iterdir()] == ["set"]
        assert (target / "file").read_text() == content


def test_a_lock_ends_with_its_holder_even_if_killed(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom htr_gan.files import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), lambda s: None):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    waits: list[float] = []

    def while_waiting(waited_s: float) -> None:
        waits.append(waited_s)
        if len(waits) == 2:
            holder.kill()

    with locked(tmp_path / "lock", while_waiting):
        pass
    holder.communicate()
    assert len(waits) >= 2


def test_giving_up_a_lock_raises_what_the_waiter_raises(tmp_path: Path) -> None:
    def give_up(_waited_s: float) -> None:
        raise KeyError("enough")

    with locked(tmp_path / "lock", give_up), pytest.raises(KeyError), locked(tmp_path / "lock", give_up):
        pass


def test_json_files_hold_no_bare_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": float("nan"), "y": [float("inf")], "p": tmp_path})
    assert read_json(tmp_path / "a.json") == {"x": "nan", "y": ["inf"], "p": str(tmp_path)}
    (tmp_path / "b.json").write_text("[1]")
    assert read_json(tmp_path / "b.json") is None
    assert read_json(tmp_path / "missing.json") is None


def test_events_are_whole_lines_also_after_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"kind": "torn')
    log = EventLog(path)
    log.emit("metrics", epoch=1, values={"loss/total": float("nan"), "val/cer": 0.5})
    log.emit("note", message="line\nbreak \u2028 \ud800")
    lines = path.read_bytes().split(b"\n")
    assert lines[0] == b'{"kind": "torn'
    first, second = (json.loads(line) for line in lines[1:3])
    assert first["values"] == {"loss/total": "nan", "val/cer": 0.5}
    assert first["kind"] == "metrics"
    assert first["t"] > 1e9
    assert second["message"].startswith("line\nbreak")
    assert lines[3:] == [b""]


def test_a_full_disk_is_said_once_and_does_not_raise(capsys: pytest.CaptureFixture[str]) -> None:
    log = EventLog(Path("/dev/full"))
    log.emit("progress", step=1)
    log.emit("progress", step=2)
    assert log.lost == 2
    error = capsys.readouterr().err
    assert error.count("No space left on device") == 1


def test_nested_events_become_notes(tmp_path: Path) -> None:
    outer = EventLog(tmp_path / "events.jsonl")
    nested = NestedEvents(outer, "recogniser")
    nested.emit("metrics", epoch=2, values={"val/cer": 0.25})
    nested.emit("checkpoint", epoch=2)
    nested.note("rendering")
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["message"] for event in events] == ["recogniser: epoch 2, CER 25.0%", "recogniser: rendering"]


def test_places_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert events_path(tmp_path) == tmp_path / "events.jsonl"
    assert attempt_folder(tmp_path) == tmp_path
    monkeypatch.setenv("HTR_TUI_EVENTS", str(tmp_path / "e"))
    monkeypatch.setenv("HTR_TUI_TRIAL_DIR", str(tmp_path / "t"))
    assert events_path(tmp_path) == tmp_path / "e"
    assert attempt_folder(tmp_path) == tmp_path / "t"


def test_a_signal_sets_the_flag_and_nothing_else() -> None:
    import signal

    from htr_gan.errors import StopRequested

    stop = StopFlag()
    stop.listen()
    stop.check()
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.is_set
    with pytest.raises(StopRequested, match="SIGTERM"):
        stop.check()
