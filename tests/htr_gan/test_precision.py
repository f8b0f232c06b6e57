"""bfloat16 in the layers, float32 in weights, logits and losses; and where it is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from htr_gan.alphabet import LOWERCASE
from htr_gan.config.schema import GanConfig, RecognizerConfig
from htr_gan.training import precision
from htr_gan.training.advice import advice
from htr_gan.training.precision import choose_policy, has_bfloat16, layer_precision
from htr_gan.training.recogniser_task import RecogniserTask
from htr_gan.training.stepped import variable_arrays
from tests.htr_gan.small_gan import changed, small_lines, small_task, take_steps

LOSSES = {"pixel": 10, "rec_feat": 5, "ctc": 0.1, "adv": 1, "contrastive": 1}


def with_precision(config: Any, name: str) -> Any:
    config = changed(config, "train", precision=name, batch=8)
    return changed(config, "loss", **LOSSES) if isinstance(config, GanConfig) else config


def test_a_gan_in_bfloat16_is_the_same_training_to_its_precision(
    gan_config: GanConfig,
) -> None:
    full_config, half_config = (with_precision(gan_config, name) for name in ("float32", "mixed_bfloat16"))
    full, half = small_task(full_config), small_task(half_config)
    before = {name: variable_arrays(task.model) for name, task in (("full", full), ("half", half))}
    assert before["full"].keys() == before["half"].keys(), "precision may change between two halves of a training"
    for name, array in before["full"].items():
        assert array.dtype == before["half"][name].dtype
        np.testing.assert_array_equal(array, before["half"][name], err_msg=name)
    assert half.model.generator.get_layer("down0a_conv").compute_dtype == "bfloat16"
    assert half.model.recogniser.get_layer("rec1_conv").compute_dtype == "bfloat16"
    assert half.model.recogniser.output["logits"].dtype == "float32"
    assert half.model.discriminator.output.dtype == "float32"
    assert half.model.generator.output.dtype == "float32"
    (expected,), (found,) = take_steps(full, full_config, 0, 1), take_steps(half, half_config, 0, 1)
    assert found == pytest.approx(expected, rel=0.05)
    assert found != expected, "otherwise nothing was computed in bfloat16"
    assert all(array.dtype != tf.bfloat16.as_numpy_dtype for array in variable_arrays(half.model).values())


def test_a_recogniser_in_bfloat16_is_the_same_training_to_its_precision(recognizer_config: RecognizerConfig) -> None:
    configs = [with_precision(recognizer_config, name) for name in ("float32", "mixed_bfloat16")]
    tasks = [RecogniserTask(config, LOWERCASE, small_lines(), small_lines()) for config in configs]
    states = [variable_arrays(task.model) for task in tasks]
    assert {name: array.shape for name, array in states[0].items()} == {n: a.shape for n, a in states[1].items()}
    (full,), (half,) = (take_steps(task, config, 0, 1) for task, config in zip(tasks, configs, strict=True))
    assert half == pytest.approx(full, rel=0.05)
    assert half != full


def test_the_global_policy_is_put_back() -> None:
    before = keras.config.dtype_policy()

    def build_and_fail() -> None:
        with layer_precision("mixed_bfloat16"):
            assert keras.layers.Dense(1).compute_dtype == "bfloat16"
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        build_and_fail()
    assert keras.config.dtype_policy() == before
    assert keras.layers.Dense(1).compute_dtype == "float32"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx512_bf16 sse", True), ("fpu amx_bf16", True), ("fpu avx2 my_avx512_bf16", False), ("", False)],
)
def test_the_cpu_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, expected: bool) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nmodel name\t: a CPU\nflags\t\t: {flags}\n")
    monkeypatch.setattr(precision, "CPU_INFO", info)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert has_bfloat16() is expected
    assert choose_policy("auto") == ("mixed_bfloat16" if expected else "float32")
    assert choose_policy("float32") == "float32"
    assert choose_policy("mixed_bfloat16") == "mixed_bfloat16", "asked for is asked for"
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "none")
    assert has_bfloat16() is False


@pytest.mark.parametrize(("capability", "expected"), [((8, 0), True), ((9, 0), True), ((7, 5), False)])
def test_a_gpu_decides_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: bool
) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"])
    details = {"compute_capability": capability}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    assert has_bfloat16() is expected


def test_people_are_told_what_is_slow_what_was_chosen_and_what_accumulation_does_not_do(
    gan_config: GanConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    assert list(advice(gan_config)) == []
    ((message, level),) = advice(gan_config.model_copy(update=plan(gan_config, precision="mixed_bfloat16")))
    assert level == "warning"
    assert "no bfloat16" in message
    assert list(advice(gan_config.model_copy(update=plan(gan_config, precision="auto")))) == [
        ("precision: float32", "info")
    ]
    contrastive = {"loss": gan_config.loss.model_copy(update={"contrastive": 1.0})}
    parts = gan_config.model_copy(update={**contrastive, **plan(gan_config, accumulation=2)})
    ((message, level),) = advice(parts)
    assert "4 lines" in message
    assert "8" in message
    ((message, level),) = advice(gan_config.model_copy(update={**contrastive, **plan(gan_config, batch=1)}))
    assert level == "warning"


def plan(config: GanConfig, **changed: Any) -> dict[str, Any]:
    return {"train": config.train.model_copy(update=changed)}
