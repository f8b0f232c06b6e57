from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.journal.paths import StudyPaths
from htr_tui.tracking.state import (
    StudyMemory,
    TrackingError,
    TrackingStatus,
    TrialMemory,
    run_id_of,
    tracking_status,
    trial_file,
)


def test_memory_survives_the_way_through_files(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    study = StudyMemory("u", "1", "p", "RUNNING", {3: "r3"}, "b", 2, TrackingError("m", 1.5), 2.5, True, 10, 4)
    study.save(paths)
    assert StudyMemory.load(paths) == study
    trial = TrialMemory("r", "p", "FAILED", "n", True, {"a": "b"}, {1: 100, 2: 5}, 7, True, True)
    trial.save(paths, 7)
    assert TrialMemory.load(paths, 7) == trial


def test_nothing_written_is_nothing_known(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    assert run_id_of(paths, 0) is None
    assert tracking_status(paths) == TrackingStatus()


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
_names = ["ahead", "error", "tags", "offsets", "drained", "run_id", "parent_run_id", "best_trial", "updated", "reports"]


@given(record=st.dictionaries(st.sampled_from(_names), _json), schema=st.sampled_from([1, 2, None]))
def test_any_record_is_read_or_ignored(tmp_path: Path, record: dict[str, object], schema: int | None) -> None:
    paths = StudyPaths(tmp_path)
    text = json.dumps({**record, "schema": schema})
    paths.tracking.write_text(text)
    trial_file(paths, 0).parent.mkdir(parents=True, exist_ok=True)
    trial_file(paths, 0).write_text(text)
    assert isinstance(run_id_of(paths, 0), str | None)
    assert isinstance(tracking_status(paths).drained, bool)
    if schema != 1:
        assert TrialMemory.load(paths, 0) == TrialMemory()


def test_a_run_of_another_store_is_not_given_out(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    StudyMemory(parent_run_id="new").save(paths)
    TrialMemory(run_id="r", parent_run_id="old").save(paths, 0)
    assert run_id_of(paths, 0) is None
    StudyMemory(parent_run_id="old").save(paths)
    assert run_id_of(paths, 0) == "r"


def test_drained_holds_until_the_journal_grows(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    paths.journal.write_bytes(b"12345")
    StudyMemory(drained=True, journal_bytes=5).save(paths)
    assert tracking_status(paths).drained
    paths.journal.write_bytes(b"123456")
    assert not tracking_status(paths).drained


@pytest.mark.parametrize("module", ["state", "sync", "mirror", "client"])
def test_no_module_loads_mlflow_when_imported(module: str) -> None:
    code = f"import sys, htr_tui.tracking.{module}; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
