"""Checkpoints as folders; no TensorFlow in here."""

from __future__ import annotations

import json
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
