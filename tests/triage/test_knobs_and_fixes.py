from __future__ import annotations

from typing import Any

import pytest

from htr_tui.triage.engine import classify
from htr_tui.triage.finding import ExitFacts, Finding, Fix, TriageContext
from htr_tui.triage.knobs import guess_knobs
from htr_tui.triage.reading import Log, LogLine
from tests.triage.wordings import FRAMES, MASK, TF_OOM, TORCH_OTHER, TORCH_OWN

PARAMS: dict[str, Any] = {
    "train.batch": 8,
    "train.accumulation": 1,
    "model.use_cudnn": True,
    "optimizer.lr": 0.001,
    "data.workers": 4,
    "eval.batch": 64,
}


def judge(text: str, params: dict[str, Any] | None = None, code: int = 1, **context: Any) -> Finding:
    lines = [LogLine(i, line) for i, line in enumerate(text.splitlines(), 1)]
    values = PARAMS if params is None else params
    return classify(Log(lines), ExitFacts(exit_code=code), TriageContext(params=values, **context))


def fix(finding: Finding, name: str) -> Fix:
    return next(found for found in finding.fixes if found.name == name)


@pytest.mark.parametrize(
    ("params", "knobs"),
    [
        (PARAMS, {"batch": "train.batch", "accumulation": "train.accumulation", "use_cudnn": "model.use_cudnn",
                  "learning_rate": "optimizer.lr", "workers": "data.workers"}),
        ({"per_device_train_batch_size": 4, "per_device_eval_batch_size": 8, "gradient_accumulation_steps": 2,
          "dataloader_num_workers": 2, "learning_rate": 5e-5},
         {"batch": "per_device_train_batch_size", "accumulation": "gradient_accumulation_steps",
          "workers": "dataloader_num_workers", "learning_rate": "learning_rate"}),
        ({"--batch-size": 4}, {"batch": "--batch-size"}),
        ({"valid.batch_size": 4}, {}),
        ({"batch": "large", "lr": "cosine", "workers": True, "batch_norm": 1}, {}),
        ({}, {}),
    ],
)  # fmt: skip
def test_knobs_are_guessed_from_names_and_values(params: dict[str, Any], knobs: dict[str, str]) -> None:
    assert guess_knobs(params) == knobs


def test_out_of_gpu_memory_halves_the_batch_and_doubles_the_accumulation() -> None:
    finding = judge(TF_OOM)
    first = finding.fixes[0]
    assert first.name == "halve_batch"
    assert first.applicable
    assert first.set == {"train.batch": 4, "train.accumulation": 2}
    assert "batch 8 → 4 with 2 accumulation steps: same effective batch" in first.effect
    assert "batch norm" in first.effect
    assert fix(finding, "memory_growth").env == {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    assert fix(finding, "async_allocator").env == {"TF_GPU_ALLOCATOR": "cuda_malloc_async"}


def test_the_study_names_a_knob_better_than_the_guess() -> None:
    finding = judge(TF_OOM, {"n": 6, "train.batch": 8}, knobs={"batch": "n"})
    assert fix(finding, "halve_batch").set == {"n": 3}
    assert "effective batch becomes smaller" in fix(finding, "halve_batch").effect


def test_an_odd_batch_is_not_called_the_same() -> None:
    assert (
        "nearly the same effective batch" in fix(judge(TF_OOM, {"batch": 5, "accumulation": 2}), "halve_batch").effect
    )


def test_text_values_are_numbers_and_a_missing_accumulation_is_one() -> None:
    finding = judge(TF_OOM, {"batch": "8"}, knobs={"batch": "batch", "accumulation": "accumulation"})
    assert fix(finding, "halve_batch").set == {"batch": 4, "accumulation": 2}


@pytest.mark.parametrize("params", [{"train.batch": 1}, {}, {"train.batch": "auto"}])
def test_a_batch_that_cannot_be_halved_says_why_and_comes_last(params: dict[str, Any]) -> None:
    finding = judge(TF_OOM, params)
    halve = finding.fixes[-1]
    assert halve.name == "halve_batch"
    assert not halve.applicable
    assert halve.set == {}
    assert halve.effect.startswith("cannot be applied: ")
    assert finding.suggested_fix is not None
    assert finding.suggested_fix.name == "memory_growth"


def test_torch_gets_its_own_allocator_setting() -> None:
    finding = judge(FRAMES + TORCH_OWN)
    assert fix(finding, "async_allocator").env == {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
    assert all(found.name != "memory_growth" for found in finding.fixes)
    assert "2.0 GiB" in finding.title


@pytest.mark.parametrize(
    "text",
    [
        TORCH_OTHER,
        "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 10.76 GiB total capacity; 1.10 GiB already "
        "allocated; 18.44 MiB free; 1.20 GiB reserved in total by PyTorch)",
    ],
)
def test_a_card_full_of_others_is_waited_for(text: str) -> None:
    finding = judge(FRAMES + text)
    assert finding.category == "gpu_oom"
    assert finding.fixes[0].name == "retry_later"
    assert finding.fixes[0].set == {}
    assert "another process" in finding.title


def test_what_nvml_saw_of_others_counts_too() -> None:
    assert judge(TF_OOM, other_gpu_bytes=12 << 30).fixes[0].name == "retry_later"
    assert judge(TF_OOM, other_gpu_bytes=300 << 20).fixes[0].name == "halve_batch"


def test_a_request_of_a_terabyte_is_a_wrong_shape() -> None:
    finding = judge(FRAMES + "RuntimeError: CUDA out of memory. Tried to allocate 3.50 TiB (GPU 0; 10.76 GiB total capacity; 1.71 GiB already allocated; 8.44 GiB free; 1.78 GiB reserved in total by PyTorch)")  # fmt: skip
    assert "wrong shape" in finding.explanation
    assert not fix(finding, "halve_batch").applicable


def test_a_cudnn_mask_switches_the_kernel_off_once() -> None:
    assert judge(MASK).fixes[0].set == {"model.use_cudnn": False}
    assert "slower kernel" in judge(MASK).fixes[0].effect
    assert not judge(MASK, {"use_cudnn": False}).fixes[0].applicable
    assert "trainer.knobs" in judge(MASK, {}).fixes[0].effect


def test_nan_halves_the_learning_rate_and_says_that_the_run_changes() -> None:
    finding = judge("Loss is nan, stopping training")
    assert finding.fixes[0].set == {"optimizer.lr": 0.0005}
    assert "changes the run" in finding.fixes[0].effect


def test_host_memory_takes_fewer_workers_then_a_smaller_batch() -> None:
    finding = judge("MemoryError")
    assert finding.fixes[0].set == {"data.workers": 2}
    assert judge("MemoryError", {"workers": 1}).fixes[0].set == {"workers": 0}
    assert judge("MemoryError", {"workers": 0, "batch": 4, "accum_steps": 1}).fixes[0].set == {
        "batch": 2,
        "accum_steps": 2,
    }


def test_a_missing_package_is_named_with_its_command() -> None:
    finding = judge(FRAMES + "ModuleNotFoundError: No module named 'cv2.data'")
    assert "opencv-python" in finding.title
    assert finding.fixes[0].command == "pip install opencv-python"
    assert not finding.fixes[0].applicable


def test_paths_are_named_and_data_has_no_automatic_fix() -> None:
    missing = judge(FRAMES + "FileNotFoundError: [Errno 2] No such file or directory: 'data/train/labels.txt'")
    assert "data/train/labels.txt" in missing.title
    assert missing.suggested_fix is None
    full = judge(FRAMES + "OSError: [Errno 28] No space left on device: '/runs/ckpt/model.h5'")
    assert "/runs/ckpt/model.h5" in full.title
    assert full.suggested_fix is None
    assert "/runs/ckpt/model.h5" in full.fixes[0].effect


def test_a_wrong_configuration_has_no_fix() -> None:
    assert judge("usage: t.py\nt.py: error: unrecognized arguments: --x", code=2).fixes == ()


def test_an_unknown_crash_can_be_tried_again() -> None:
    finding = judge(FRAMES + "ZeroDivisionError: division by zero")
    assert finding.title == "ZeroDivisionError at /opt/t/train.py:60"
    assert finding.suggested_fix is not None
    assert finding.suggested_fix.name == "retry"


def test_a_number_that_no_float_can_be_is_no_value() -> None:
    context = TriageContext(params={"batch_size": 10**400})
    finding = classify(Log([LogLine(1, TORCH_OWN)]), ExitFacts(exit_code=1), context)
    assert finding.category == "gpu_oom"
    assert not any(fix.set for fix in finding.fixes)
