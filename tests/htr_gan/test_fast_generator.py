"""The lean generator and Muon: what they are, and that training with them keeps the promises of the others."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from htr_gan import errors
from htr_gan.__main__ import main
from htr_gan.config.load import load_config
from htr_gan.config.schema import GanConfig
from htr_gan.errors import ConfigError
from htr_gan.models.lean_unet import build_lean_generator
from htr_gan.training.checkpoint_folder import find_checkpoint, load_arrays, state_sha256
from htr_gan.training.gan_task import new_generator
from htr_gan.training.muon import ADAM_SHARE, KernelMuon, is_orthogonalised
from htr_gan.training.schedule import WarmupCosine
from tests.htr_gan.conftest import write_micro

FAST = ("model.generator=lean", "train.optimizer=muon", "train.lr=2e-2", "loss.adv=0", "train.samples=0")


def test_the_lean_generator_normalises_once_a_block_and_starts_near_white() -> None:
    generator = build_lean_generator(32, 64, channels=2, levels=3)
    restored = generator(tf.random.uniform((2, 32, 64, 1), seed=1))
    assert restored.shape == (2, 32, 64, 1)
    assert float(tf.reduce_min(restored)) > 0.5
    norms = [layer for layer in generator.layers if isinstance(layer, layers.BatchNormalization)]
    assert len(norms) == 2 * 3 + 1, "one a block: down, bottom, up"


def test_the_tiny_preset_has_the_size_the_docs_say() -> None:
    config = load_config(Path(__file__).parents[2] / "configs" / "gan" / "tiny.yaml")
    assert isinstance(config, GanConfig)
    assert config.model.generator == "lean"
    assert build_lean_generator(32, 256).count_params() == 271_957


@pytest.mark.parametrize(("norm", "kind"), [("group", layers.GroupNormalization), ("batch", layers.BatchNormalization)])
def test_norms_of_the_lean_generator(norm: str, kind: type[Any]) -> None:
    generator = build_lean_generator(16, 32, channels=4, levels=1, norm=norm)
    assert sum(isinstance(layer, kind) for layer in generator.layers) == 3


def test_without_norm_every_convolution_has_a_bias() -> None:
    generator = build_lean_generator(16, 32, channels=2, levels=1, norm="none")
    assert all(layer.use_bias for layer in generator.layers if isinstance(layer, layers.Conv2D))
    assert not any("norm" in layer.name for layer in generator.layers)


@pytest.mark.parametrize("option", ["model.residual=true", "model.attention=true", "model.passes=2"])
def test_options_that_the_lean_generator_lacks_are_refused(micro: Path, option: str) -> None:
    with pytest.raises(ConfigError, match="1 mistake"):
        load_config(micro, ["model.generator=lean", option])
    load_config(micro, [option])


def test_configurations_that_name_no_generator_keep_theirs(gan_config: GanConfig) -> None:
    assert (gan_config.model.generator, gan_config.train.optimizer) == ("unet", "adam")


def stepped(shape: tuple[int, ...], gradients: list[Any], rate: float = 0.1) -> Any:
    """What steps of Muon with these gradients add to a variable of zeros."""
    variable = keras.Variable(np.zeros(shape, np.float32), name="kernel")
    optimizer = KernelMuon(rate, clipnorm=1e9, name="muon")
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient)], [variable])
    return variable.numpy()


def test_a_kernel_moves_by_a_nearly_orthogonal_matrix() -> None:
    gradient = np.random.default_rng(0).normal(size=(3, 3, 8, 16)).astype(np.float32)
    gradient *= np.geomspace(1.0, 50.0, 16, dtype=np.float32)  # one direction far ahead of the others
    before = np.linalg.svd(gradient.reshape(72, 16), compute_uv=False)
    assert before[0] > 20 * before[-1]
    after = np.linalg.svd(stepped(gradient.shape, [gradient]).reshape(72, 16), compute_uv=False)
    scale = 0.1 * 0.2 * 72**0.5
    assert np.all(after > 0.3 * scale)
    assert np.all(after < 1.4 * scale)


def test_a_step_goes_down_and_does_not_depend_on_the_size_of_the_gradient() -> None:
    gradient = np.random.default_rng(1).normal(size=(2, 2, 4, 8)).astype(np.float32)
    step = stepped(gradient.shape, [gradient])
    assert float(np.sum(step * gradient)) < 0
    np.testing.assert_allclose(stepped(gradient.shape, [gradient * 100]), step, atol=1e-4)


def test_momentum_is_remembered() -> None:
    first, second = np.random.default_rng(2).normal(size=(2, 1, 1, 4, 4)).astype(np.float32)
    both, alone = stepped(first.shape, [first, second]), stepped(first.shape, [second])
    assert not np.allclose(both - stepped(first.shape, [first]), alone, atol=1e-3)


def test_vectors_and_narrow_kernels_are_moved_by_adam() -> None:
    assert is_orthogonalised((3, 3, 12, 24))
    assert not any(is_orthogonalised(shape) for shape in [(12,), (3, 3, 1, 12), (1, 1, 12, 1), ()])
    step = stepped((5,), [np.array([1.0, -2.0, 3.0, -40.0, 500.0], np.float32)])
    np.testing.assert_allclose(step, -0.1 * ADAM_SHARE * np.array([1, -1, 1, -1, 1]), rtol=1e-3)


def test_the_rate_follows_its_schedule() -> None:
    gradient = np.random.default_rng(3).normal(size=(1, 1, 4, 4)).astype(np.float32)
    variable = keras.Variable(np.zeros((1, 1, 4, 4), np.float32), name="kernel")
    optimizer = KernelMuon(WarmupCosine(0.1, 4, 0.0, 0.0), clipnorm=1e9, name="muon")
    sizes = []
    for _ in range(5):
        before = variable.numpy()
        optimizer.apply([tf.constant(gradient)], [variable])
        sizes.append(float(np.linalg.norm(variable.numpy() - before)))
    assert sizes[0] > sizes[2] > sizes[3] > sizes[4]


def train(folder: Path, out: str, *overrides: str) -> int:
    sets = [part for override in (*FAST, *overrides) for part in ("--set", override)]
    return main(["train", str(folder / "gan.yaml"), "--out", str(folder / out), *sets])


def state(run: Path) -> dict[str, Any]:
    found = find_checkpoint(run)
    assert found is not None
    return load_arrays(found.path)


@pytest.mark.smoke
def test_interrupted_it_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from htr_gan.training.callbacks.step_guard import StepGuard

    write_micro(tmp_path)
    assert train(tmp_path, "whole", "train.epochs=2") == 0
    original = StepGuard.on_train_batch_end

    def stop_in_step_six(self: Any, batch: int, logs: Any = None) -> None:
        if self.model.name == "restoration_gan" and self._progress.global_step + 1 == 6:
            signal.raise_signal(signal.SIGTERM)
        original(self, batch, logs)

    monkeypatch.setattr(StepGuard, "on_train_batch_end", stop_in_step_six)
    assert train(tmp_path, "halves", "train.epochs=2") == errors.EXIT_STOPPED
    monkeypatch.setattr(StepGuard, "on_train_batch_end", original)
    assert train(tmp_path, "halves", "train.epochs=2") == 0
    whole = state(tmp_path / "whole")
    assert state_sha256(state(tmp_path / "halves")) == state_sha256(whole)
    assert any("generator_muon" in name and np.any(array) for name, array in whole.items()), "momenta are kept"


def test_a_stored_run_is_rebuilt_with_its_generator(micro: Path) -> None:
    config = load_config(micro, ["model.generator=lean"])
    assert isinstance(config, GanConfig)
    names = {layer.name for layer in new_generator(config.data, config.model).layers}
    assert "up0_grow" in names
    assert "up0_narrow" not in names


def test_black_output_still_learns_to_be_white() -> None:
    """A saturated sigmoid has no gradient: rows that once turned black stayed black."""
    generator = build_lean_generator(16, 32, channels=4, levels=1)
    last = generator.get_layer("restored")
    kernel, bias = last.get_weights()
    last.set_weights([kernel * 0.0, bias * 0.0 - 200.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(1.0 - generator(tf.ones((1, 16, 32, 1))))
    assert abs(float(tape.gradient(loss, last.bias.value)[0])) > 1e-3
