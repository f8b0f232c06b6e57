"""Studies that are paused, continued, given trials by hand, promoted: under a real supervisor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from htr_tui.files import iterate_records, read_json
from htr_tui.journal.paths import StudyPaths
from tests.fakes.launching import FakeStudy, fake_study
from tests.fakes.waiting import wait_for
from tests.supervisor.test_study import assert_sound, wait_for_epoch


def status(study: FakeStudy) -> dict[str, Any]:
    (found,) = study.json("status", "fake")["studies"]
    assert isinstance(found, dict)
    return found


def wait_until_paused(study: FakeStudy) -> None:
    wait_for(lambda: study.fold().paused is not None, 60, study.supervisor_log())


def test_a_study_that_only_fails_pauses_and_goes_on_when_told(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--crash-at", "1", budget={"trials": 8}, pause_after=2)
    study.cli("run", str(study.file))
    wait_until_paused(study)
    told = status(study)
    assert told["state"] == "paused"
    assert told["paused"]["by"] == "failures"
    assert "trials 0, 1 all failed in the same way (crash" in told["paused"]["message"]
    assert "PAUSED" in study.cli("status").stdout
    assert study.json("continue", "fake")["message"] == "goes on"
    wait_for(lambda: len(study.fold().trials) == 4 and study.fold().paused is not None, 60, study.supervisor_log())
    study.cli("stop", "fake")
    assert study.fold().ended_reason == "stopped"
    assert_sound(study, 4)


def test_complete_trials_without_a_value_pause_too(tmp_path: Path) -> None:
    objective = {"maximize": "val/nothing"}
    study = fake_study(tmp_path, "--epochs", "1", budget={"trials": 8}, objective=objective)
    study.cli("run", str(study.file))
    wait_until_paused(study)
    assert "the objective needs val/nothing, which the trainer never reported" in status(study)["paused"]["message"]
    study.cli("stop", "fake")
    assert_sound(study, 3)


def test_in_the_foreground_a_pause_by_itself_is_the_end(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--crash-at", "1", budget={"trials": 8})
    output = study.cli("run", str(study.file), "--foreground", expect=1).stdout
    assert "PAUSED: trials 0, 1, 2 all failed" in output
    study.cli("run", "fake")  # going on clears the pause
    wait_for(lambda: len(study.fold().trials) == 6 and study.fold().paused is not None, 60, study.supervisor_log())
    study.cli("stop", "fake")


def test_the_users_pause_lets_running_trials_end(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "2", gate=1, budget={"trials": 3})
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 1)
    assert study.json("pause", "fake")["paused"] is True
    study.open_gate(9)
    wait_for(lambda: study.fold().counts["complete"] == 1, 60, study.supervisor_log())
    assert status(study)["state"] == "paused"
    assert len(study.fold().trials) == 1
    study.cli("run", "fake")  # on a paused study that is supervised it means: go on
    assert study.wait_until_ended().counts["complete"] == 3
    assert_sound(study, 3)


def test_an_abort_rule_ends_a_hopeless_attempt(tmp_path: Path) -> None:
    rules = ["val/psnr < 1000 at epoch 2"]
    study = fake_study(tmp_path, "--epochs", "40", "--pace", "0.2", budget={"trials": 1}, abort=rules)
    study.cli("run", str(study.file))
    fold = study.wait_until_ended()
    trial = fold.trials[0]
    assert (trial.state, trial.category) == ("failed", "aborted")
    assert trial.epoch is not None
    assert 2 <= trial.epoch < 40
    title = trial.attempts[0].title or ""
    assert title.startswith('the rule "val/psnr < 1000 at epoch 2" struck in epoch 2: val/psnr was')
    assert_sound(study, 1)


def test_a_trial_typed_by_hand(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "1", budget={"trials": 2})
    study.cli("run", str(study.file))
    study.wait_until_ended()
    refused = study.cli("enqueue", "fake", "--set", "width=99", expect=2)
    assert "width cannot be the number 99" in refused.stderr
    assert "has no parameter 'widht'" in study.cli("enqueue", "fake", "--set", "widht=8", expect=2).stderr
    made = study.json("enqueue", "fake", "--set", "width=8", "--label", "by the book")
    assert (made["trial"], made["params"]["width"]) == (2, 8)
    assert 0.001 <= made["params"]["lr"] <= 0.1
    fold = study.wait_until_ended()
    assert (fold.trials[2].state, fold.trials[2].by, fold.trials[2].label) == ("complete", "hand", "by the book")
    assert fold.facts.trials == 3
    assert_sound(study, 3)


def test_promoted_trials_are_studies_of_their_own(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "1", budget={"trials": 2})
    study.cli("run", str(study.file))
    study.wait_until_ended()
    params = study.fold().trials[1].params
    made = study.json("promote", "fake", "1", "--set", "train.epochs=5")
    assert made["study"] == "fake-promoted-1"
    assert made["promoted_from"] == {"study": "fake", "trial": 1}
    promoted = StudyPaths(tmp_path / "runs" / made["study"])
    wait_for(lambda: (read_json(promoted.supervisor) or {}).get("ended"), 60, study.supervisor_log())
    (trial,) = study.json("trials", made["study"])["trials"]
    assert (trial["state"], trial["epoch"], trial["label"]) == ("complete", 5, "fake #1")
    assert trial["params"] == {**params, "train.epochs": 5}
    first = next(iterate_records(promoted.journal))
    assert first["promoted_from"] == {"study": "fake", "trial": 1}
    assert len(study.fold().trials) == 2  # the search knows nothing of it
    assert study.json("promote", "fake", "1")["study"] == "fake-promoted-1-2"


def test_a_promoted_value_must_reach_the_trainer(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "1", budget={"trials": 1})
    text = study.file.read_text().replace("'{overrides}'", "--set, 'lr={lr}', --set, 'width={width}'")
    study.file.write_text(text)
    study.cli("run", str(study.file))
    study.wait_until_ended()
    assert "does not take it" in study.cli("promote", "fake", "0", "--set", "train.epochs=5", expect=2).stderr
    assert [p.name for p in (tmp_path / "runs").iterdir() if p.is_dir()] == ["fake"]


@pytest.mark.parametrize("at_close", ["stop", "finish"])
def test_outside_its_hours_nothing_starts(tmp_path: Path, at_close: str) -> None:
    """The window lies half a day away, whatever the clock of the machine says."""
    import time

    hour = (time.localtime().tm_hour + 11) % 24
    budget = {"trials": 1, "only": f"{hour:02d}:00-{(hour + 2) % 24:02d}:00", "at_close": at_close}
    study = fake_study(tmp_path, "--epochs", "1", budget=budget)
    study.cli("run", str(study.file))
    wait_for(lambda: study.fold().waiting is not None, 60, study.supervisor_log())
    assert "the study's hours; they begin at" in str(status(study)["waiting"])
    study.cli("stop", "fake")
    assert study.fold().counts["complete"] == 0
