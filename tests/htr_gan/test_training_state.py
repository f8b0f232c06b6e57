"""Nothing that training changes is forgotten: dropout, plateau, early stopping, best weights; and what else a run leaves."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from htr_gan import errors
from htr_gan.config.load import load_config
from htr_gan.config.schema import RecognizerConfig
from htr_gan.training import gan_task
from htr_gan.training.checkpoint_folder import find_checkpoint, load_arrays
from htr_gan.training.shared_recogniser import find_recogniser, read_weights
from htr_gan.training.stepped import seed_variables
from tests.htr_gan.conftest import write_micro
from tests.htr_gan.runs import NO_JUDGE, events, state, stop_at, train

pytestmark = [pytest.mark.smoke, pytest.mark.timeout(900)]

HOOKS = """
import json
from pathlib import Path
from htr_gan.training.hooks import Hook

class Diary(Hook):
    def __init__(self, file):
        self.file = file

    def _write(self, *words):
        with open(self.file, "a") as file:
            file.write(" ".join(map(str, words)) + "\\n")

    def train_begin(self, record):
        self._write("train_begin", record.epochs_done, record.params["train.batch"])

    def epoch_begin(self, record):
        self._write("epoch_begin", record.epoch, len(record.values))

    def validation_end(self, record):
        self._write("validation_end", record.epoch, "val/cer" in record.values)

    def early_stop(self, record):
        self._write("early_stop", record.epoch)

    def checkpoint_saved(self, record):
        self._write("checkpoint_saved", record.epochs_done, record.steps_done, record.path.is_dir())

    def epoch_end(self, record):
        self._write("epoch_end", record.epoch)

    def train_end(self, record):
        self._write("train_end", record.status, record.epochs_done)

class Refuser(Hook):
    def train_begin(self, record):
        raise RuntimeError("no")
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with micro configurations and hooks; the cache is in it."""
    write_micro(tmp_path)
    (tmp_path / "diary_for_tests.py").write_text(HOOKS)
    monkeypatch.setenv("HTR_GAN_CACHE", str(tmp_path / "cache"))
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("diary_for_tests", None)


def history(run: Path) -> list[Any]:
    """What was measured, without what the clock and the machine say."""
    record = json.loads((run / "history.json").read_text())
    kept = [
        {name: value for name, value in epoch["values"].items() if not name.startswith(("seconds/", "memory/"))}
        for epoch in record["epochs"]
    ]
    return [record["best_epoch"], kept]


def interrupted(place: Path, out: str, steps: tuple[int, ...], model: str, *overrides: str, config: str) -> Path:
    """A run that a signal stops at each of `steps`, then goes on to its end; each time with new networks."""
    for step in steps:
        with pytest.MonkeyPatch.context() as monkeypatch:
            stop_at(monkeypatch, step, model)
            assert train(place, out, *overrides, config=config) == errors.EXIT_STOPPED
    assert train(place, out, *overrides, config=config) == 0
    return place / out


def test_a_recogniser_with_dropout_goes_on_bit_for_bit_and_its_best_epoch_is_the_result(place: Path) -> None:
    overrides = ("model.dropout=0.3", "train.epochs=3", "train.keep.best=lr", "train.accumulation=2", "train.batch=2")
    assert train(place, "whole", *overrides, config="recognizer.yaml") == 0
    paused = interrupted(place, "paused", (2, 6), "recogniser_training", *overrides, config="recognizer.yaml")
    stops = [event["path"] for event in events(paused, "checkpoint")]
    assert "checkpoints/epoch-0000+00002" in stops, "within an epoch"
    assert len(events(paused, "start")) == 3, "and at the end of one"
    assert state(paused) == state(place / "whole")
    assert history(paused) == history(place / "whole")

    found = find_checkpoint(place / "whole")
    assert found is not None
    arrays = load_arrays(found.path)
    seeds = [name for name in arrays if name.startswith("recogniser_seed/")]
    assert seeds
    assert any(arrays[name][1] >= 9 for name in seeds), "each step draws"

    assert found.progress.best_epoch == 1
    best = load_arrays(place / "whole" / "checkpoints" / "epoch-0001")
    stored = find_recogniser(place / "whole" / "recognizer")
    assert stored is not None
    assert stored.cer == found.progress.history[0]["values"]["val/cer"]
    for name, array in read_weights(stored).items():
        assert array.tobytes() == best[f"recogniser/{name}"].tobytes()
    assert any("is that of epoch 1, the best" in event["message"] for event in events(place / "whole", "note"))


def add_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generators from now on drop some of their input."""
    original = gan_task.new_generator

    def with_dropout(*arguments: Any) -> Any:
        generator = original(*arguments)
        line = keras.Input(generator.input_shape[1:], name="line")
        return keras.Model(line, generator(keras.layers.Dropout(0.2, name="drop")(line)), name="generator")

    monkeypatch.setattr(gan_task, "new_generator", with_dropout)


def test_a_gan_with_dropout_plateau_and_early_stop_goes_on_bit_for_bit(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_dropout(monkeypatch)
    rule = "{metric: lr, mode: max, patience: 2}"
    overrides = (
        *(NO_JUDGE, "loss.rec_feat=0", "train.epochs=6", "train.schedule=plateau", "train.keep={last: 1, best: lr}"),
        *("train.plateau={metric: 0 * loss/total, patience: 1}", "train.tensorboard=true"),
        f"train.early_stop={{rules: [{rule}], restore_best: true}}",
        f"train.callbacks_from={place}",
    )
    diaries = [
        f"train.callbacks=[{{path: 'diary_for_tests:Diary', options: {{file: '{place / name}'}}}}]"
        for name in ("whole.txt", "paused.txt")
    ]
    assert train(place, "whole", *overrides, diaries[0]) == 0
    whole = place / "whole"
    paused = interrupted(place, "paused", (6, 8), "restoration_gan", *overrides, diaries[1], config="gan.yaml")
    assert "checkpoints/epoch-0001+00002" in [event["path"] for event in events(paused, "checkpoint")]
    assert state(paused) == state(whole)
    assert history(paused) == history(whole)

    check_early_stop(whole)
    check_files(whole)
    assert (paused / "final" / "state.npz").read_bytes() == (whole / "final" / "state.npz").read_bytes()
    check_diaries(place)

    assert train(place, "whole", *overrides, diaries[0]) == 0
    assert any("stopped early at epoch 3 before" in event["message"] for event in events(whole, "note"))
    assert len(events(whole, "metrics")) == 4, "nothing is trained; the last epoch is told again"


def check_early_stop(run: Path) -> None:
    """The rate falls at the ends of epochs 2 and 3; the rule has run out after 3; epoch 1 is the best."""
    metrics = events(run, "metrics")
    assert [event["values"]["lr"] for event in metrics] == pytest.approx([1e-3, 1e-3, 5e-4])
    notes = [event["message"] for event in events(run, "note")]
    assert "stopped early at epoch 3: lr no better than 0.001 for 2 epochs" in notes
    assert any(note.startswith("learning rate lowered to 0.0005") for note in notes)
    assert events(run, "end")[-1]["status"] == "complete"
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["epoch-0001", "epoch-0003"]
    for file in ("state.npz", "meta.json"):
        assert (run / "final" / file).read_bytes() == (run / "checkpoints" / "epoch-0001" / file).read_bytes()


def check_files(run: Path) -> None:
    """Table, summary, events for TensorBoard, and the recogniser."""
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row, event in zip(rows, events(run, "metrics"), strict=True):
        assert {name: float(row[name]) for name in event["values"]} == event["values"]
    assert float(rows[-1]["memory/peak_rss_bytes"]) > 50e6

    summary = (run / "summary.md").read_text()
    assert "3 of 6 epochs of 4 steps" in summary
    assert "| `train.schedule` | plateau | cosine |" in summary
    assert "stopped early at epoch 3" in summary
    assert "| **1** |" in summary
    assert "GiB of main memory" in summary

    (file,) = (run / "tensorboard").iterdir()
    seen = {
        (value.tag, event.step)
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }
    assert {("val/psnr", 1), ("lr", 3), ("samples", 2)} <= seen

    used = find_recogniser(run / "recognizer")
    found = find_checkpoint(run)
    assert used is not None
    assert found is not None
    assert found.meta["recognizer_sha256"] == used.sha256
    read_weights(used)


def check_diaries(place: Path) -> None:
    """What hooks are told, in order."""
    epoch = ["epoch_begin {} 0", "validation_end {} True", "checkpoint_saved {} 0 True", "epoch_end {}"]
    told = [line.format(number) for number in (1, 2, 3) for line in epoch]
    told.insert(told.index("validation_end 3 True") + 1, "early_stop 3")
    expected = ["train_begin 0 4", *told, "train_end complete 3"]
    assert (place / "whole.txt").read_text().splitlines() == expected
    paused = (place / "paused.txt").read_text().splitlines()
    assert paused[5:8] == ["epoch_begin 2 0", "checkpoint_saved 1 2 True", "train_end stopped 1"]
    assert paused[8:10] == ["train_begin 1 4", "epoch_begin 2 0"]


def test_weights_that_the_last_step_spoils_are_never_saved(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loss of the last step was still finite: it was computed before the update."""
    from htr_gan.training.callbacks.step_guard import StepGuard

    original = StepGuard.on_train_batch_end

    def spoiling(self: Any, batch: int, logs: Any = None) -> None:
        if self.model.name == "restoration_gan" and self._progress.global_step + 1 == 8:
            kernel = self.model.generator.trainable_variables[0]
            kernel.assign(kernel * float("nan"))
        original(self, batch, logs)

    monkeypatch.setattr(StepGuard, "on_train_batch_end", spoiling)
    assert train(place, "spoilt", NO_JUDGE, "loss.rec_feat=0", "train.epochs=2") == 1
    assert "nan_loss: loss becomes nan, generator/" in capsys.readouterr().err
    found = find_checkpoint(place / "spoilt")
    assert found is not None
    assert found.progress.epochs_done == 1
    assert [event["epoch"] for event in events(place / "spoilt", "metrics")] == [1]


def test_mistakes_are_told_before_the_first_step(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = (NO_JUDGE, "loss.rec_feat=0")
    assert train(place, "typo", *short, "train.keep.best=val/prsn - val/cer") == 2
    message = capsys.readouterr().err
    assert "train.keep.best: no metric 'val/prsn'; did you mean val/psnr?" in message
    assert "loss/pixel" in message
    overrides = (*short, f"train.callbacks_from={place}", "train.callbacks=[{path: 'diary_for_tests:Refuser'}]")
    assert train(place, "refused", *overrides) == 1
    assert "callback diary_for_tests:Refuser failed in train_begin: RuntimeError: no" in capsys.readouterr().err
    assert not events(place / "refused", "end")


def test_only_seeds_that_are_drawn_from_belong_to_the_state() -> None:
    line = keras.Input((4, 2))
    x = keras.layers.Dropout(0.5)(line)
    x = keras.layers.Dropout(0.0)(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(2))(x)
    plain = keras.layers.LSTM(2, dropout=0.1)
    network = keras.Model(line, plain(keras.layers.RepeatVector(2)(x)))
    seeds = seed_variables(network)
    assert len(seeds) == 2
    before = [seed.numpy().tolist() for seed in seeds]
    network(np.zeros((1, 4, 2), np.float32), training=True)
    assert all(seed.numpy().tolist() != old for seed, old in zip(seeds, before, strict=True))


def test_a_checkpoint_without_seeds_still_loads(place: Path) -> None:
    """As those of the first release."""
    overrides = ("model.dropout=0.3", "train.epochs=1")
    assert train(place, "old", *overrides, config="recognizer.yaml") == 0
    path = place / "old" / "checkpoints" / "epoch-0001"
    arrays = {name: array for name, array in load_arrays(path).items() if "_seed/" not in name}
    from htr_gan.training.checkpoint_folder import state_sha256

    with open(path / "state.npz", "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    meta = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps({**meta, "sha256": state_sha256(arrays)}))
    assert train(place, "old", *overrides, config="recognizer.yaml") == 0
    assert any("no seeds of dropout" in event["message"] for event in events(place / "old", "note"))


def test_init_is_made_absolute(place: Path) -> None:
    (place / "recognizer.yaml").write_text((place / "recognizer.yaml").read_text() + "init: earlier\n")
    config = load_config(place / "recognizer.yaml")
    assert isinstance(config, RecognizerConfig)
    assert config.init == place / "earlier"
