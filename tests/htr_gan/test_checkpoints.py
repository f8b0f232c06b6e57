"""Checkpoints as folders; no TensorFlow in here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from htr_gan.config.schema import GanConfig, flatten
from htr_gan.errors import CheckpointError, MissingFileError
from htr_gan.events import EventLog
from htr_gan.training.checkpoint_folder import (
    Arrays,
    Checkpoint,
    check_fit,
    find_checkpoint,
    find_intact,
    load_arrays,
    save_checkpoint,
    state_sha256,
)
from htr_gan.training.progress import Progress
from htr_gan.training.resume import changed_keys, check_task, choose_checkpoint


def arrays(value: float = 0.0) -> Arrays:
    return {"generator/a/kernel": np.full((2, 3), value, np.float32), "opt/iteration": np.asarray(3, np.int64)}


def saved(folder: Path, *scores: float, steps: int = 0) -> Progress:
    folder.mkdir(exist_ok=True)
    progress = Progress()
    for epoch, score in enumerate(scores, start=1):
        progress.global_step = epoch * 10
        progress.finish_epoch({"val/psnr": score}, score)
        save_checkpoint(folder, arrays(epoch), progress, {"config": {"task": "gan"}})
    if steps:
        progress.steps_done = steps
        save_checkpoint(folder, arrays(99), progress, {"config": {"task": "gan"}})
    return progress


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_state_and_progress_come_back(tmp_path: Path) -> None:
    progress = saved(tmp_path, 1.0, 2.0)
    found = find_checkpoint(tmp_path)
    assert found is not None
    assert found.progress == progress
    assert found.progress.history[1] == {"epoch": 2, "step": 20, "values": {"val/psnr": 2.0}}
    back = load_arrays(found.path)
    assert state_sha256(back) == state_sha256(arrays(2))
    assert state_sha256(back) != state_sha256(arrays(1))


def test_the_last_two_and_the_best_stay(tmp_path: Path) -> None:
    saved(tmp_path, 1.0, 5.0, 2.0, 3.0, 4.0)
    assert names(tmp_path) == ["epoch-0002", "epoch-0004", "epoch-0005"]


def test_a_checkpoint_within_an_epoch_is_newer_than_that_epoch(tmp_path: Path) -> None:
    saved(tmp_path, 1.0, 2.0, steps=7)
    found = find_checkpoint(tmp_path)
    assert found is not None
    assert found.path.name == "epoch-0002+00007"
    assert (found.progress.epochs_done, found.progress.steps_done) == (2, 7)


@pytest.mark.parametrize("damage", ["meta", "state", "garbage", "schema", "leftover"])
def test_what_a_kill_leaves_is_passed_over(tmp_path: Path, damage: str) -> None:
    saved(tmp_path, 1.0, 2.0)
    newest = tmp_path / "checkpoints" / "epoch-0002"
    if damage == "meta":
        (newest / "meta.json").write_text('{"schema": 1')
    elif damage == "state":
        (newest / "state.npz").unlink()
    elif damage == "garbage":
        (newest / "meta.json").write_text('{"schema": 1, "progress": 3}')
    elif damage == "schema":
        (newest / "meta.json").write_text('{"schema": 99}')
    else:
        newest.rename(newest.with_name(".epoch-0003.123.tmp"))
    found = find_checkpoint(tmp_path)
    assert found is not None
    assert found.path.name == "epoch-0001"


def test_a_run_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path) is None
    (tmp_path / "checkpoints").write_text("a file")
    assert find_checkpoint(tmp_path) is None


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = saved(tmp_path, 1.0)

    def full(*_args: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("htr_gan.training.checkpoint_folder.np.savez", full)
    progress.finish_epoch({}, 2.0)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, arrays(), progress, {})
    assert names(tmp_path) == ["epoch-0001"]


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    saved(tmp_path, 1.0)
    path = tmp_path / "checkpoints" / "epoch-0001"
    meta = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps({**meta, "sha256": "0" * 64}))
    with pytest.raises(CheckpointError, match="damaged"):
        load_arrays(path)
    (path / "state.npz").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_arrays(path)


def test_the_first_difference_of_a_network_is_named(tmp_path: Path) -> None:
    wider = {**arrays(), "generator/a/kernel": np.zeros((2, 4), np.float32)}
    with pytest.raises(CheckpointError) as caught:
        check_fit(tmp_path, arrays(), wider, ["model.width: 12 -> 16"])
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert "generator/a/kernel is (2, 3) in the checkpoint and (2, 4) here" in text
    assert "model.width: 12 -> 16" in text
    with pytest.raises(CheckpointError, match="checkpoint mismatch"):
        check_fit(tmp_path, arrays(), {**arrays(), "more": np.zeros(1)}, [])
    with pytest.raises(CheckpointError, match="checkpoint mismatch"):
        check_fit(tmp_path, {**arrays(), "less": np.zeros(1)}, arrays(), [])
    check_fit(tmp_path, arrays(1), arrays(2), [])


def test_where_to_go_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = EventLog(tmp_path / "events.jsonl")
    earlier, own = tmp_path / "earlier", tmp_path / "own"
    saved(earlier, 5.0, 1.0, 2.0, 3.0)
    own.mkdir()
    assert choose_checkpoint(own, None, events) is None
    monkeypatch.setenv("HTR_TUI_RESUME_FROM", str(earlier))
    found = choose_checkpoint(own, None, events)
    assert found is not None
    assert found.path == own / "checkpoints" / "epoch-0004"
    assert names(own) == ["epoch-0001", "epoch-0004"], "the newest and the best, so that the folder is complete"
    assert state_sha256(load_arrays(found.path)) == state_sha256(arrays(4))
    saved(earlier, 5.0, 1.0, 2.0, 3.0, 4.0)
    again = choose_checkpoint(own, None, events)
    assert again is not None
    assert again.progress.epochs_done == 4, "the run's own checkpoints come first"
    explicit = choose_checkpoint(own, earlier, events)
    assert explicit is not None
    assert explicit.progress.epochs_done == 5, "unless --resume says otherwise"


def test_nothing_to_resume_is_said_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = EventLog(tmp_path / "events.jsonl")
    with pytest.raises(MissingFileError, match="No such file"):
        choose_checkpoint(tmp_path / "out", tmp_path / "gone", events)
    monkeypatch.setenv("HTR_TUI_RESUME_FROM", str(tmp_path / "gone"))
    assert choose_checkpoint(tmp_path / "out", None, events) is None
    assert "starting afresh" in (tmp_path / "events.jsonl").read_text()


def test_changes_are_named_and_another_task_is_refused(gan_config: GanConfig, tmp_path: Path) -> None:
    before = {**flatten(gan_config), "train.batch": 8}
    checkpoint = Checkpoint(tmp_path, Progress(), {"config": before})
    assert changed_keys(checkpoint, gan_config) == ["train.batch: 8 -> 4"]
    check_task(checkpoint, gan_config)
    with pytest.raises(CheckpointError, match="recognizer"):
        check_task(Checkpoint(tmp_path, Progress(), {"config": {"task": "recognizer"}}), gan_config)


KILLED_WHILE_SAVING = """
import json, os, shutil, signal, sys, zipfile
from pathlib import Path

import numpy as np

from htr_gan.training import checkpoint_folder
from htr_gan.training.progress import Progress

base, keep_last, epochs_before, epoch = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])


def state(value):
    return {"generator/a/kernel": np.full((2, 3), value, np.float32), "opt/iteration": np.asarray(3, np.int64)}


def save(folder, until):
    progress = Progress()
    for number in range(1, until + 1):
        progress.finish_epoch({}, 1.0 / number)
    checkpoint_folder.save_checkpoint(folder, state(until), progress, {}, keep_last)


def killing(original, calls, at):
    def call(*arguments, **named):
        calls.append(original)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    return call


def die_at(at):
    calls = []
    places = [(os, name) for name in ("fsync", "rename", "replace", "rmdir", "unlink", "mkdir")]
    for place, name in [*places, (zipfile.ZipFile, "open"), (checkpoint_folder, "state_sha256")]:
        setattr(place, name, killing(getattr(place, name), calls, at))


found = []
for at in range(1, 200):
    folder = base / str(at)
    folder.mkdir(parents=True)
    for number in range(1, epochs_before + 1):
        save(folder, number)
    child = os.fork()
    if not child:
        die_at(at)
        save(folder, epoch)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    left = checkpoint_folder.find_intact(folder, lambda message: sys.exit(message))
    found.append(left and left.progress.epochs_done)
    save(folder, epoch)
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert not [name for name in names if name.endswith(".tmp")], names
    if not status:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
print(json.dumps(found))
"""


@pytest.mark.parametrize(("keep_last", "before", "epoch"), [(2, 2, 3), (1, 2, 3), (2, 3, 3)])
def test_kill_9_between_any_two_steps_of_a_save_loses_one_epoch_at_most(
    tmp_path: Path, keep_last: int, before: int, epoch: int
) -> None:
    """A real process is killed before each file operation in turn; the same epoch is also written over itself."""
    command = [sys.executable, "-c", KILLED_WHILE_SAVING, str(tmp_path), str(keep_last), str(before), str(epoch)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert len(found) > 10, "so many moments to be killed at"
    assert found[-1] == epoch, "the last one was not killed"
    assert set(found) == {epoch - 1, epoch}


def damage(path: Path) -> None:
    """Turns one bit of the state, as a bad disk does."""
    data = bytearray((path / "state.npz").read_bytes())
    data[data.index(b"\x93NUMPY") + 130] ^= 1
    (path / "state.npz").write_bytes(data)


def test_a_damaged_newest_checkpoint_is_passed_over_with_a_warning(tmp_path: Path) -> None:
    events = EventLog(tmp_path / "events.jsonl")
    saved(tmp_path, 1.0, 2.0)
    damage(tmp_path / "checkpoints" / "epoch-0002")
    found = choose_checkpoint(tmp_path, None, events)
    assert found is not None
    assert found.path.name == "epoch-0001"
    (note,) = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert note["level"] == "warning"
    assert "epoch-0002" in note["message"]
    explicit = choose_checkpoint(tmp_path / "other", tmp_path, events)
    assert explicit is not None
    assert explicit.path == tmp_path / "other" / "checkpoints" / "epoch-0001"


def test_if_all_are_damaged_nothing_is_written_over(tmp_path: Path) -> None:
    saved(tmp_path, 1.0, 2.0)
    for name in ("epoch-0001", "epoch-0002"):
        damage(tmp_path / "checkpoints" / name)
    with pytest.raises(CheckpointError, match="epoch-0002"):
        choose_checkpoint(tmp_path, None, EventLog(tmp_path / "events.jsonl"))


def test_what_was_just_written_stays_though_newer_ones_are_damaged(tmp_path: Path) -> None:
    saved(tmp_path, 9.0, 1.0, 2.0, 3.0)
    for name in ("epoch-0003", "epoch-0004"):
        damage(tmp_path / "checkpoints" / name)
    (tmp_path / "checkpoints" / "epoch-0005").mkdir()
    progress = Progress()
    for score in (9.0, 1.0):
        progress.finish_epoch({}, score)
    save_checkpoint(tmp_path, arrays(7), progress, {}, keep_last=1)
    found = find_intact(tmp_path, lambda message: None)
    assert found is not None
    assert found.path.name == "epoch-0002"
    assert state_sha256(load_arrays(found.path)) == state_sha256(arrays(7))


def test_how_many_stay_and_which_is_newest_by_number(tmp_path: Path) -> None:
    progress = Progress()
    for epoch in range(1, 6):
        progress.finish_epoch({}, -abs(epoch - 2.0))
        save_checkpoint(tmp_path, arrays(epoch), progress, {}, keep_last=1)
    assert names(tmp_path) == ["epoch-0002", "epoch-0005"]
    for epochs_done in (9999, 10000):
        save_checkpoint(tmp_path, arrays(), Progress(epochs_done=epochs_done, best_epoch=2), {}, keep_last=3)
    found = find_checkpoint(tmp_path)
    assert found is not None
    assert found.path.name == "epoch-10000"


def test_seeds_of_dropout_may_be_missing_or_too_many(tmp_path: Path) -> None:
    seeds = {"generator_seed/000": np.zeros(2, np.uint32)}
    check_fit(tmp_path, arrays(), {**arrays(), **seeds}, [])
    check_fit(tmp_path, {**arrays(), **seeds}, arrays(), [])


def test_a_resume_from_elsewhere_does_not_mix_two_runs(tmp_path: Path) -> None:
    events = EventLog(tmp_path / "events.jsonl")
    saved(tmp_path / "own", 1.0, 2.0)
    saved(tmp_path / "other", 1.0)
    other = tmp_path / "other" / "checkpoints"
    shutil.rmtree(other / "epoch-0001")
    progress = Progress()
    for score in (3.0, 4.0):
        progress.finish_epoch({}, score)
    save_checkpoint(tmp_path / "other", arrays(55), progress, {})
    with pytest.raises(CheckpointError, match="is another one than"):
        choose_checkpoint(tmp_path / "own", tmp_path / "other", events)
    assert names(tmp_path / "own") == ["epoch-0001", "epoch-0002"]
