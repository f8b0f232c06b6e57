"""GPUs: one a slot, told to the trainer, sampled beside it; on a fake driver library."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_tui.files import iterate_records, read_json
from tests.fakes import nvml
from tests.fakes.launching import fake_study
from tests.fakes.waiting import wait_for


@pytest.mark.skipif(not nvml.has_compiler(), reason="no gcc")
def test_each_slot_gets_its_gpu_and_the_peak_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = tmp_path / "gpus.txt"
    cards = (
        "card 0 util=90 used=900 total=16384 temp=61 power=210000\n"
        "card 1 util=10 used=500 total=16384 temp=40 power=30000\n"
    )
    machine.write_text(cards)
    (tmp_path / "lib").mkdir()
    for name, value in nvml.environment(nvml.build(tmp_path / "lib"), machine).items():
        monkeypatch.setenv(name, value)
    study = fake_study(
        tmp_path, "--epochs", "2", gate=1, budget={"trials": 2}, resources={"gpus": "auto", "parallel": 2}
    )
    study.cli("run", str(study.file))
    wait_for(lambda: study.fold().counts["running"] == 2, 60)
    attempts = [t.attempts[0] for t in study.fold().trials.values()]
    assert sorted(a.devices for a in attempts) == [("0",), ("1",)]
    trial = next(t for t in study.fold().trials.values() if t.attempts[0].devices == ("0",))
    files = study.paths.attempt(trial.number, 1)
    command = read_json(files.command)
    assert command is not None
    assert command["env"]["CUDA_VISIBLE_DEVICES"] == "0"
    wait_for(lambda: files.runner.exists() and files.events.exists())
    runner = read_json(files.runner)
    assert runner is not None
    pid = next(int(p) for p in Path(f"/proc/{runner['pid']}/task/{runner['pid']}/children").read_text().split())
    machine.write_text(f"{cards}process 0 {pid} 7000\n")
    wait_for(lambda: any(r.get("trial_bytes") for r in iterate_records(files.devices)), 30)
    study.open_gate(100)
    fold = study.wait_until_ended()
    assert fold.counts["complete"] == 2
    assert fold.trials[trial.number].peak_gpu_bytes == 7000 << 20
    shown = study.json("trials", "fake")["trials"][trial.number]
    assert shown["peak_gpu_bytes"] == 7000 << 20
