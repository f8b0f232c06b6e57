"""Logs that programs really left when they failed (or did not); `logs/make.py` makes them again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from htr_tui.triage.engine import classify_log
from htr_tui.triage.finding import CATEGORIES, ExitFacts
from tests.triage.logs.make import PROGRAMS

LOGS = Path(__file__).parent / "logs"
EXPECTED: dict[str, int] = {
    "bad_config_argparse": 2,
    "bad_config_yaml": 1,
    "crash_chain": 1,
    "crash_segfault": -11,
    "cudnn_rnn_mask_keras": 1,
    "data_corrupt_tfrecord": 1,
    "data_missing_open": 1,
    "data_missing_tfrecord": 1,
    "disk_full_dev_full": 1,
    "disk_full_numpy": 1,
    "distributed_port": 1,
    "host_oom_memory_error": 1,
    "host_oom_numpy": 1,
    "host_oom_tensorflow": 1,
    "import_error_module": 1,
    "import_error_name": 1,
    "nan_loss_keras": 0,
    "none_good": 0,
    "none_ignored": 0,
    "none_keras": 0,
    "shape_mismatch_keras": 1,
}
"""Name -> exit status that the program left."""


def category_of(name: str) -> str:
    return max((category for category in CATEGORIES if name.startswith(category)), key=len)


def test_every_program_has_a_log() -> None:
    assert set(PROGRAMS) == set(EXPECTED) == {path.stem for path in LOGS.glob("*.txt")}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_real_log_gets_its_category_with_its_exit_status(name: str) -> None:
    assert classify_log(LOGS / f"{name}.txt", ExitFacts(exit_code=EXPECTED[name])).category == category_of(name)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_real_log_gets_its_category_by_its_text_alone(name: str) -> None:
    assert classify_log(LOGS / f"{name}.txt").category == category_of(name)


@pytest.mark.parametrize(
    "name", ["disk_full_dev_full", "data_missing_open", "bad_config_argparse", "crash_chain", "none_ignored"]
)
def test_the_programs_still_fail_like_that(name: str, tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(PROGRAMS[name])
    log = tmp_path / "log.txt"
    with open(log, "wb") as file:
        code = subprocess.run(
            [sys.executable, str(program)], cwd=tmp_path, stdout=file, stderr=file, timeout=120
        ).returncode
    assert code == EXPECTED[name]
    assert classify_log(log, ExitFacts(exit_code=code)).category == category_of(name)
