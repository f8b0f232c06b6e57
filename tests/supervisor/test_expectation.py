"""What a trial will take, from what attempts with like parameters took."""

from __future__ import annotations

from typing import Any

import pytest

from htr_tui.journal.fold import StudyFold
from htr_tui.supervisor.expectation import Expectation
from htr_tui.supervisor.placing import Need

GB = 10**9


class History:
    """A study's fold, told attempt by attempt."""

    def __init__(self) -> None:
        self.fold = StudyFold()

    def trial(self, number: int, params: dict[str, Any]) -> None:
        self.fold.apply({"t": 1.0, "event": "trial_created", "trial": number, "params": params})

    def attempt(self, trial: int, number: int, peak: float, **ended: Any) -> None:
        wanted = ended.pop("set", {})
        start = {"event": "attempt_started", "trial": trial, "attempt": number, "set": wanted, "devices": ["0"]}
        self.fold.apply({"t": 2.0, **start})
        facts = {"state": "failed", "epoch": 3, "peak_gpu_bytes": int(peak * GB), "peak_rss_bytes": int(peak * 2 * GB)}
        self.fold.apply({"t": 3.0, "event": "attempt_ended", "trial": trial, "attempt": number, **facts, **ended})
        self.fold.apply({"t": 4.0, "event": "trial_queued", "trial": trial, "reason": "retry"})


@pytest.fixture
def history() -> History:
    found = History()
    for number, (batch, peak) in enumerate([(4, 3.0), (8, 5.0), (8, 5.5), (32, 16.0)]):
        found.trial(number, {"train.batch": batch, "lr": 0.1 * number})
        found.attempt(number, 1, peak)
    return found


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"train.batch": 8, "lr": 0.1}, 5.0),  # the very same parameters
        ({"train.batch": 8, "lr": 0.7}, 5.5),  # the same batch
        ({"train.batch": 16, "lr": 0.7}, 16.0),  # the next larger one
        ({"train.batch": 64, "lr": 0.7}, 32.0),  # larger than all: scaled
        ({"train.batch": 2, "lr": 0.7}, 3.0),
        ({"lr": 0.7}, 16.0),  # no batch: the most
    ],
)
def test_the_nearest_parameters_tell(history: History, params: dict[str, Any], expected: float) -> None:
    expectation = Expectation({})
    expectation.learn(history.fold)
    assert expectation.need("gpu", params, GB) == Need(int(expected * GB), "measured")
    assert expectation.need("host", params, None) == Need(int(expected * 2 * GB), "measured")
    assert expectation.has_used_gpus


def test_a_knob_names_the_batch() -> None:
    history = History()
    history.trial(0, {"width": 8})
    history.attempt(0, 1, 2.0)
    expectation = Expectation({"batch": "width"})
    expectation.learn(history.fold)
    assert expectation.need("gpu", {"width": 16}, None).bytes == 4 * GB


def test_nothing_known_is_what_the_user_says() -> None:
    expectation = Expectation({})
    expectation.learn(StudyFold())
    assert expectation.need("gpu", {}, None) == Need()
    assert expectation.need("gpu", {}, 7) == Need(7, "given")
    assert not expectation.has_used_gpus


def test_a_driver_that_tells_nothing_of_trained_attempts_will_never_tell() -> None:
    history = History()
    history.trial(0, {"batch": 8})
    history.attempt(0, 1, 0.0)
    expectation = Expectation({})
    expectation.learn(history.fold)
    assert expectation.need("gpu", {"batch": 8}, None) == Need(None, "share")
    assert expectation.need("gpu", {"batch": 8}, 7) == Need(7, "given")
    history.attempt(0, 2, 3.0)
    expectation.learn(history.fold)
    assert expectation.need("gpu", {"batch": 8}, None) == Need(3 * GB, "measured")


def test_an_attempt_that_died_before_it_trained_shows_nothing_and_one_out_of_memory_needed_more() -> None:
    history = History()
    history.trial(0, {"batch": 8})
    history.attempt(0, 1, 0.5, epoch=None, category="import_error")
    expectation = Expectation({})
    expectation.learn(history.fold)
    assert expectation.need("gpu", {"batch": 8}, None) == Need()
    history.attempt(0, 2, 10.0, epoch=None, category="gpu_oom")
    history.attempt(0, 3, 6.0, set={"batch": 4})
    expectation.learn(history.fold)
    assert expectation.need("gpu", {"batch": 8}, None).bytes == 15 * GB
    assert expectation.need("gpu", {"batch": 4}, None).bytes == 6 * GB


def test_reading_on_looks_at_new_trials_only(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    expectation = Expectation({})
    expectation.learn(history.fold)
    seen: list[int] = []
    learn_end = Expectation._learn_end

    def counted(self: Expectation, trial: Any, attempt: Any) -> None:
        seen.append(trial.number)
        learn_end(self, trial, attempt)

    monkeypatch.setattr(Expectation, "_learn_end", counted)
    expectation.learn(history.fold)
    history.trial(9, {"train.batch": 8})
    history.attempt(9, 1, 7.0)
    expectation.learn(history.fold)
    assert seen == [9]
    assert expectation.need("gpu", {"train.batch": 8, "lr": 5}, None).bytes == 7 * GB


def test_a_running_attempt_teaches_before_it_ends() -> None:
    expectation = Expectation({})
    expectation.observe("gpu", {"batch": 8}, 3 * GB)
    expectation.observe("gpu", {"batch": 8}, 2 * GB)
    assert expectation.need("gpu", {"batch": 8}, None) == Need(3 * GB, "measured")
