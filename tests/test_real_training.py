"""Both halves together: a study of the real trainer, micro preset, two steps an epoch, out of memory on the way."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import optuna
import pytest

from htr_tui.files import iterate_records
from tests.fakes.launching import FakeStudy
from tests.htr_gan.conftest import write_micro

optuna.logging.set_verbosity(optuna.logging.ERROR)

STUDY = """\
study: fake
trainer:
  command: [htr-gan, train, micro/{config}, --out, "{{attempt_dir}}", --set, train.steps=2, --set, train.batch=8, "{{overrides}}"]
  env: {{HTR_GAN_CACHE: {cache}, HTR_GAN_INJECT: "oom:batch>=8@epoch2"}}
  knobs: {{batch: train.batch, accumulation: train.accumulation}}
search:
  experiments:
    - {{name: light, params: {{loss.adv: 0.5}}}}
    - {{name: heavy, params: {{loss.adv: 3.0}}}}
objective: {{maximize: "val/psnr + val/ssim - 100 * val/cer", from: best}}
budget: {{trials: 2}}
retries: {{gpu_oom: 1}}
tracking: none
"""


@pytest.mark.smoke
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow")
def test_out_of_memory_is_retried_with_accumulation_and_the_recogniser_is_shared(tmp_path: Path) -> None:
    (tmp_path / "micro").mkdir()
    config = write_micro(tmp_path / "micro")
    study = FakeStudy(tmp_path)
    study.file.write_text(STUDY.format(config=config.name, cache=tmp_path / "cache"))
    study.cli("check", str(study.file))
    study.cli("run", str(study.file))
    fold = study.wait_until_ended(280)
    assert {t.label: t.state for t in fold.trials.values()} == {"light": "complete", "heavy": "complete"}
    for trial in fold.trials.values():
        first, second = trial.attempts
        assert (first.state, first.category) == ("failed", "gpu_oom")
        assert second.set == {"train.batch": 4, "train.accumulation": 2}
        assert second.resume_from == 1
        events = list(iterate_records(study.paths.attempt(trial.number, 2).events))
        start = next(e for e in events if e["kind"] == "start")
        assert (start["params"]["train.batch"], start["params"]["train.accumulation"]) == (4, 2)
        assert [e["epoch"] for e in events if e["kind"] == "metrics"] == [2, 3]
        assert events[-1]["kind"] == "end"
    notes = [e["message"] for e in iterate_records(study.paths.attempt(1, 1).events) if e["kind"] == "note"]
    assert any("reused" in note for note in notes)
    known = optuna.load_study(study_name="fake", storage=f"sqlite:///{tmp_path}/runs/optuna.db").get_trials()
    assert [t.value for t in known] == pytest.approx([fold.trials[n].value for n in (0, 1)])
