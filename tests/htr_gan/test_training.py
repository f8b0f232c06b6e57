"""Real training of the micro preset, in this process."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from htr_gan import errors
from htr_gan.__main__ import main
from htr_gan.config.load import load_config
from htr_gan.training import shared_recogniser
from htr_gan.training.checkpoint_folder import find_checkpoint, load_arrays, state_sha256
from htr_gan.training.stepped import learned_variables
from tests.htr_gan.conftest import write_micro
from tests.htr_gan.runs import NO_JUDGE, events, state, stop_at, train

pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with micro configurations, a cache that fills, and runs."""
    folder = tmp_path_factory.mktemp("shared")
    write_micro(folder)
    return folder


@pytest.fixture(autouse=True)
def shared_cache(shared: Path, monkeypatch: pytest.MonkeyPatch, own_signals_and_cache: None) -> None:
    monkeypatch.setenv("HTR_GAN_CACHE", str(shared / "cache"))


@pytest.fixture(scope="module")
def whole(shared: Path) -> Path:
    """One uninterrupted run with every loss term."""
    return train_once(shared, "whole", "loss.ctc=0.1")


@pytest.fixture(scope="module")
def plain(shared: Path) -> Path:
    """One uninterrupted run without a discriminator."""
    return train_once(shared, "plain", NO_JUDGE)


def train_once(shared: Path, out: str, *overrides: str) -> Path:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HTR_GAN_CACHE", str(shared / "cache"))
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        assert train(shared, out, *overrides) == 0
        for number, handler in before.items():
            signal.signal(number, handler)
    return shared / out


def test_events_tell_the_whole_run(whole: Path) -> None:
    (start,) = events(whole, "start")
    assert (start["epochs"], start["steps"], start["resumed_epoch"]) == (3, 4, None)
    assert start["params"]["train.batch"] == 4
    assert start["params"]["model.use_cudnn"] is True
    metrics = events(whole, "metrics")
    assert [(event["epoch"], event["step"]) for event in metrics] == [(1, 4), (2, 8), (3, 12)]
    wanted = {"val/psnr", "val/ssim", "val/cer", "val/wer", "val/degraded_cer", "lr"}
    wanted |= {f"loss/{term}" for term in ("total", "pixel", "rec_feat", "ctc", "adv", "discriminator")}
    for event in metrics:
        assert wanted <= event["values"].keys()
        assert all(isinstance(value, float) for value in event["values"].values())
        assert 0 <= event["values"]["val/ssim"] <= 1
        weighted = 100 * event["values"]["loss/pixel"] + 50 * event["values"]["loss/rec_feat"]
        weighted += 0.1 * event["values"]["loss/ctc"] + event["values"]["loss/adv"]
        assert event["values"]["loss/total"] == pytest.approx(weighted, rel=1e-4)
    assert [event["kind"] for event in events(whole)][-1] == "end"
    assert events(whole, "end")[0]["status"] == "complete"
    assert [event["epoch"] for event in events(whole, "checkpoint")] == [1, 2, 3]
    assert any("recogniser trained, sha256" in event["message"] for event in events(whole, "note"))


def test_samples_are_pictures_of_three_panels(whole: Path) -> None:
    samples = events(whole, "sample")
    assert [event["epoch"] for event in samples] == [1, 2, 3]
    for event in samples:
        assert event["panels"] == ["degraded", "restored", "clean"]
        with Image.open(whole / event["path"]) as picture:
            assert picture.width > 3 * 64
            assert picture.height > 2 * 16
            assert len(np.unique(np.asarray(picture))) > 10


def test_history_and_configuration_lie_beside_the_checkpoints(whole: Path, shared: Path) -> None:
    history = json.loads((whole / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history["epochs"]] == [1, 2, 3]
    assert history["best_epoch"] in (1, 2, 3)
    assert load_config(whole / "config.json") == load_config(shared / "gan.yaml", ["loss.ctc=0.1"])


def test_interrupted_within_an_epoch_it_ends_with_the_same_bytes(
    whole: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognisers = remember_recognisers(monkeypatch)
    stop_at(monkeypatch, global_step=6)
    assert train(shared, "halves", "loss.ctc=0.1") == errors.EXIT_STOPPED
    monkeypatch.undo()
    assert_never_changed(recognisers, shared)
    monkeypatch.setenv("HTR_GAN_CACHE", str(shared / "cache"))
    assert events(shared / "halves", "end")[-1]["status"] == "stopped"
    found = find_checkpoint(shared / "halves")
    assert found is not None
    assert found.path.name == "epoch-0001+00002"
    monkeypatch.setenv("HTR_TUI_RESUME_FROM", str(shared / "halves"))
    monkeypatch.setenv("HTR_TUI_EVENTS", str(shared / "second" / "events.jsonl"))
    assert train(shared, "second", "loss.ctc=0.1") == 0
    assert state(shared / "second") == state(whole)
    (start,) = events(shared / "second", "start")
    assert start["resumed_epoch"] == 1
    metrics = events(shared / "second", "metrics")
    assert [(event["epoch"], event["step"]) for event in metrics] == [(2, 8), (3, 12)]
    for ours, theirs in zip(metrics, events(whole, "metrics")[1:], strict=True):
        for name, value in theirs["values"].items():
            if not name.startswith(("seconds/", "memory/")):
                assert ours["values"][name] == value, name
    history = json.loads((shared / "second" / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history["epochs"]] == [1, 2, 3]


def remember_recognisers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The recognisers that runs load from now on."""
    seen: list[Any] = []
    original = shared_recogniser.load_recogniser

    def remember(*arguments: Any) -> Any:
        seen.append(original(*arguments))
        return seen[-1]

    monkeypatch.setattr("htr_gan.training.session.load_recogniser", remember)
    return seen


def assert_never_changed(recognisers: list[Any], shared: Path) -> None:
    """Their bytes, moving averages included, are those on disk after training and validation."""
    (folder,) = (path for path in (shared / "cache" / "recognizers").iterdir() if path.is_dir())
    stored = shared_recogniser.find_recogniser(folder)
    assert stored is not None
    (recogniser,) = recognisers
    arrays = {variable.path: variable.numpy() for variable in learned_variables(recogniser)}
    assert any("moving_mean" in name for name in arrays)
    assert state_sha256(arrays) == stored.sha256
    assert not recogniser.trainable_variables


def test_stopped_at_the_end_of_an_epoch_it_ends_with_the_same_bytes(
    plain: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(monkeypatch, global_step=8)
    assert train(shared, "paused", NO_JUDGE) == errors.EXIT_STOPPED
    monkeypatch.undo()
    monkeypatch.setenv("HTR_GAN_CACHE", str(shared / "cache"))
    assert [event["epoch"] for event in events(shared / "paused", "metrics")] == [1, 2], "validated before it stopped"
    assert train(shared, "paused", NO_JUDGE) == 0, "its own folder is enough to go on"
    assert state(shared / "paused") == state(plain)
    assert [event["epoch"] for event in events(shared / "paused", "metrics")] == [1, 2, 3]
    reused = [
        event["message"] for event in events(shared / "paused", "note") if "recogniser reused" in event["message"]
    ]
    assert len(reused) == 2
    assert "CER" in reused[0]

    assert train(shared, "paused", NO_JUDGE) == 0
    assert events(shared / "paused", "metrics")[-1]["epoch"] == 3, "nothing left to do: the last epoch is told again"
    assert state(shared / "paused") == state(plain)


def test_a_smaller_batch_with_accumulation_may_go_on_but_not_another_network(
    whole: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole, shared / "fixed")
    fix = ("train.batch=2", "train.accumulation=2", "model.use_cudnn=false", "train.epochs=4", "loss.pixel=50")
    assert train(shared, "fixed", *fix) == 0
    assert events(shared / "fixed", "metrics")[-1]["epoch"] == 4
    assert events(shared / "fixed", "start")[-1]["params"]["train.accumulation"] == 2
    capsys.readouterr()
    assert train(shared, "wider", "model.width=3", resume=whole) == 2
    message = capsys.readouterr().err
    assert "checkpoint mismatch" in message
    assert "first difference: generator/" in message
    assert "model.width: 2 -> 3" in message


def test_a_term_of_weight_zero_is_not_computed(shared: Path) -> None:
    assert train(shared, "pixel", NO_JUDGE, "loss.rec_feat=0", "train.epochs=1", "train.samples=0") == 0
    (metrics,) = events(shared / "pixel", "metrics")
    assert {name for name in metrics["values"] if name.startswith("loss/")} == {"loss/total", "loss/pixel"}
    assert not events(shared / "pixel", "sample")


def test_a_loss_that_is_nan_ends_the_run_and_keeps_the_checkpoint(
    shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTR_GAN_INJECT", "nan@epoch2")
    assert train(shared, "spoilt", NO_JUDGE) == 1
    assert "nan_loss: loss is nan at epoch 2 step 1" in capsys.readouterr().err
    found = find_checkpoint(shared / "spoilt")
    assert found is not None
    assert found.progress.epochs_done == 1
    assert all(np.isfinite(array).all() for array in load_arrays(found.path).values())
    notes = [event["message"] for event in events(shared / "spoilt", "note")]
    assert any("nan_loss" in note for note in notes)
    assert not events(shared / "spoilt", "end")


def test_an_injected_out_of_memory_is_tensorflows_own_and_spares_small_batches(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    monkeypatch.setenv("HTR_GAN_INJECT", "oom:batch>=4@epoch2")
    with pytest.raises(tf.errors.ResourceExhaustedError, match="OOM when allocating tensor"):
        train(shared, "large", NO_JUDGE)
    assert [event["epoch"] for event in events(shared / "large", "metrics")] == [1]
    assert train(shared, "large", NO_JUDGE, "train.batch=2", "train.accumulation=2") == 0
    assert [event["epoch"] for event in events(shared / "large", "metrics")] == [1, 2, 3]


def test_the_task_recogniser_leaves_a_recogniser_for_others(shared: Path) -> None:
    out = shared / "reader"
    assert main(["train", str(shared / "recognizer.yaml"), "--out", str(out), "--set", "train.accumulation=2"]) == 0
    metrics = events(out, "metrics")
    assert [event["epoch"] for event in metrics] == [1, 2]
    assert {"val/cer", "val/wer", "loss/ctc", "loss/total"} <= metrics[0]["values"].keys()
    stored = shared_recogniser.find_recogniser(out / "recognizer")
    assert stored is not None
    overrides = (NO_JUDGE, f"recognizer.path={out / 'recognizer'}", "train.epochs=1")
    assert train(shared, "guided", *overrides) == 0
    assert any(stored.sha256[:16] in event["message"] for event in events(shared / "guided", "note"))
    assert train(shared, "lost", f"recognizer.path={out / 'gone'}") == 1
    (out / "recognizer" / "weights.npz").write_bytes(b"not a zip")
    assert train(shared, "broken", *overrides) == 1


def test_a_shared_recogniser_survives_a_stop_and_damage(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = (NO_JUDGE, "loss.rec_feat=0", "train.epochs=1", f"cache_dir={tmp_path / 'cache'}")
    with monkeypatch.context() as stopping:
        stop_at(stopping, global_step=5, model="recogniser_training")
        assert train(shared, "before", *short) == errors.EXIT_STOPPED
    (work,) = (tmp_path / "cache" / "recognizers").glob("*.work")
    left = find_checkpoint(work)
    assert left is not None
    assert (left.progress.epochs_done, left.progress.steps_done) == (1, 2)
    assert train(shared, "before", *short) == 0
    (weights,) = (tmp_path / "cache" / "recognizers").glob("*/weights.npz")
    first = weights.read_bytes()
    weights.write_bytes(first[: len(first) // 2])
    assert train(shared, "after", *short) == 0
    assert any("recogniser trained" in event["message"] for event in events(shared / "after", "note"))
    with np.load(weights) as trained_at_once:
        (tmp_path / "first.npz").write_bytes(first)
        with np.load(tmp_path / "first.npz") as trained_in_two:
            assert state_sha256(dict(trained_at_once)) == state_sha256(dict(trained_in_two))
    assert state(shared / "before") == state(shared / "after")
