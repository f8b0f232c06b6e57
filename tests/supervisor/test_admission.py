"""One study's way to devices: with a machine of our making, real locks, and other studies on the same board."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from htr_tui.devices.board import read_board
from htr_tui.devices.host import HostRoom
from htr_tui.devices.nvml import DeviceReport, GpuInstance, GpuProcess, GpuSample, GpuSampler
from htr_tui.executors.claims import ClaimBoard, HeldFile
from htr_tui.files import dump_line, write_json
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor.admission import Admission, Placement, Waiting
from htr_tui.supervisor.gpus import GpuRecorder

GB = 10**9


def card(index: int, used: float = 0.5, total: float = 16, **facts: Any) -> GpuSample:
    sizes = {"used_bytes": int(used * GB), "total_bytes": int(total * GB)}
    return GpuSample(index, f"GPU-{index}", f"card {index}", **{**sizes, **facts})


class FakeSampler(GpuSampler):
    """Says what the test says, and counts how often it is asked."""

    def __init__(self, *cards: GpuSample, error: str | None = None) -> None:
        super().__init__()
        self.report = DeviceReport(cards, error)
        self.asked = 0

    def sample(self) -> DeviceReport:
        self.asked += 1
        return self.report


class Study:
    """A study with its fold, its admission, and a journal of our making."""

    def __init__(
        self, base: Path, sampler: GpuSampler, *, name: str = "one", priority: int = 0, **resources: Any
    ) -> None:
        self.paths = StudyPaths(base / "runs" / name)
        self.paths.root.mkdir(parents=True, exist_ok=True)
        self.fold = StudyFold()
        self.notes: list[str] = []
        self.sampler = sampler
        self.room = HostRoom(8.0, 32 * GB, 64 * GB)
        self.env: dict[str, str] = {"HTR_TUI_DEVICE_LOCKS": str(base / "board")}
        self.spec = StudySpec.model_validate(
            {
                "study": name,
                "trainer": {"command": ["true"]},
                "search": {"space": {"lr": 0.1}},
                "objective": {"maximize": "x"},
                "priority": priority,
                "resources": resources,
            }
        )
        self.restart()

    def restart(self) -> None:
        """A new supervisor; its fold is what the journal says."""
        recorder = GpuRecorder(self.spec.resources, self.sampler)
        recorder.report = lambda max_age_s=0.0: self.sampler.sample()  # type: ignore[method-assign]
        self.admission = Admission(
            self.spec, self.paths, recorder, lambda level, text: self.notes.append(f"{level}: {text}"),
            env=self.env, host=lambda: self.room,
        )  # fmt: skip

    def record(self, event: str, **fields: Any) -> None:
        self.fold.apply({"t": 1.0, "event": event, **fields})

    def place(self, number: int = 0, params: dict[str, Any] | None = None) -> Placement | Waiting:
        if number not in self.fold.trials:
            self.record("trial_created", trial=number, params=params or {"lr": 0.1})
        return self.admission.place(self.fold.trials[number], {}, self.fold, self.running())

    def running(self) -> list[Any]:
        return [(t, t.attempts[-1]) for t in self.fold.trials.values() if t.state == "running"]

    def start(self, number: int, params: dict[str, Any] | None = None) -> HeldFile | None:
        """Place and start; the claim stays open, as a runner would keep it."""
        placed = self.place(number, params)
        assert isinstance(placed, Placement), placed
        self.record(
            "attempt_started", trial=number, attempt=1, devices=list(placed.slot.devices), slot=placed.slot.number
        )
        if placed.claim is None:
            return None
        inherited = replace(placed.claim, fd=os.dup(placed.claim.fd))
        placed.handed_over()
        return inherited

    def end(self, number: int, held: HeldFile | None = None, **facts: Any) -> None:
        ended = {"state": "complete", "epoch": 5, **facts}
        self.record("attempt_ended", trial=number, attempt=1, **ended)
        self.record("trial_ended", trial=number, state="complete", values=[1.0])
        if held is not None:
            held.close()


Make = Callable[..., Study]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Study] = []

    def build(*cards: GpuSample, **options: Any) -> Study:
        made.append(Study(tmp_path, options.pop("sampler", None) or FakeSampler(*cards), **options))
        return made[-1]

    yield build
    for study in made:
        study.admission.close()


def reason(found: Placement | Waiting) -> str:
    assert isinstance(found, Waiting), found
    return found.reason


def devices(found: Placement | Waiting) -> tuple[str, ...]:
    assert isinstance(found, Placement), found
    return found.slot.devices


# -- one study ---------------------------------------------------------------------------------------------------------


def test_trials_spread_over_the_cards_the_emptiest_first(make: Make) -> None:
    study = make(card(0, used=3), card(1), card(2, used=1), parallel="auto")
    for number in range(3):
        study.start(number)
    assert [t.attempts[0].devices for t in study.fold.trials.values()] == [("1",), ("2",), ("0",)]
    assert [t.attempts[0].slot for t in study.fold.trials.values()] == [0, 1, 2]
    assert not study.admission.has_room(study.fold, study.running())


def test_a_slot_that_was_left_is_used_again(make: Make) -> None:
    study = make(card(0), card(1), parallel=2)
    first = study.start(0)
    study.start(1)
    study.end(0, first, peak_gpu_bytes=GB)
    placed = study.place(2)
    assert isinstance(placed, Placement)
    assert placed.slot.number == 0


def test_two_on_a_card_when_the_first_has_shown_what_it_takes(make: Make) -> None:
    study = make(card(0), parallel=2, trials_per_gpu=2)
    held = study.start(0)
    assert "trial 0 must finish or report an epoch" in reason(study.place(1))
    study.end(0, held, peak_gpu_bytes=6 * GB)
    study.start(1)
    study.start(2)  # 15.5 free, 6.6 wanted, 6 promised
    assert len(study.running()) == 2


def test_a_measured_peak_beats_what_was_given_and_a_third_waits_with_numbers(make: Make) -> None:
    study = make(card(0), parallel=3, trials_per_gpu=3, expect_gpu_gb=5.0)
    study.start(0)
    study.start(1)
    study.start(2)
    study.end(0, peak_gpu_bytes=6 * GB)
    assert "needs about 6.6 GB, 15.5 GB free, 12.0 GB of it promised to trial 1, trial 2" in reason(study.place(3))


def test_what_a_running_trial_holds_already_is_not_counted_twice(make: Make) -> None:
    sampler = FakeSampler(card(0))
    study = make(sampler=sampler, parallel=2, trials_per_gpu=2, expect_gpu_gb=7.0)
    study.start(0)
    files = study.paths.attempt(0, 1)
    files.root.mkdir(parents=True)
    write_json(files.runner, ProcessIdentity.current().as_json())
    sampler.report = DeviceReport((card(0, used=7.5, processes=(GpuProcess(os.getpid(), 7 * GB),)),))
    study.start(1)  # 8.5 free, nothing promised any more
    assert len(study.running()) == 2


def test_a_foreign_process_is_named(make: Make) -> None:
    study = make(card(0, used=12, processes=(GpuProcess(1, 11 * GB), GpuProcess(4190000, None))), expect_gpu_gb=6.0)
    text = reason(study.place())
    assert text.startswith("gpu0: needs about 6.0 GB, 4.0 GB free; pid 1 (")
    assert "holds 11.0 GB" in text
    assert "pid 4190000 (not visible from here) holds an unknown part" in text


def test_the_reason_stays_as_it_was_while_only_numbers_change(make: Make) -> None:
    sampler = FakeSampler(card(0, used=12))
    study = make(sampler=sampler, expect_gpu_gb=6.0)
    first = reason(study.place())
    sampler.report = DeviceReport((card(0, used=12.3),))
    assert reason(study.place()) == first
    sampler.report = DeviceReport((card(0, is_lost=True),))
    assert "no longer answers" in reason(study.place())


def test_a_lost_card_is_told_once_and_the_others_go_on(make: Make) -> None:
    sampler = FakeSampler(card(0), card(1))
    study = make(sampler=sampler, parallel="auto")
    held = study.start(0)
    sampler.report = DeviceReport((card(0, is_lost=True, used_bytes=None), card(1)))
    study.restart()
    study.start(1)
    assert study.fold.trials[1].attempts[0].devices == ("GPU-1",)
    study.end(1, peak_gpu_bytes=GB)
    study.start(2)
    assert study.fold.trials[2].attempts[0].devices == ("GPU-1",)
    assert study.notes == ["error: gpu0 (GPU-0) no longer answers: no new trial starts there"]
    assert held is not None
    held.close()


def test_a_card_that_vanished_is_told_and_its_attempt_does_not_block_the_rest(make: Make) -> None:
    sampler = FakeSampler(card(0), card(1, used=2))
    study = make(sampler=sampler, parallel=2)
    study.start(0)
    assert study.fold.trials[0].attempts[0].devices == ("0",)
    sampler.report = DeviceReport((GpuSample(0, "GPU-1", "c", 0, 16 * GB),))
    assert study.admission.has_room(study.fold, study.running())
    study.start(1)
    assert study.fold.trials[1].attempts[0].devices == ("0",)  # the number that the other card has now
    assert study.notes == ["error: gpu0 (GPU-0) is gone: no new trial starts there"]


def test_a_new_supervisor_plans_around_adopted_attempts_although_numbers_changed(make: Make) -> None:
    sampler = FakeSampler(card(0, used=2), card(1))
    study = make(sampler=sampler, parallel="auto")
    study.start(0)
    assert study.fold.trials[0].attempts[0].devices == ("1",)
    sampler.report = DeviceReport(
        (GpuSample(0, "GPU-1", "c", GB, 16 * GB), GpuSample(1, "GPU-0", "c", 2 * GB, 16 * GB))
    )
    study.restart()  # after a repair the cards are counted the other way round: the claim knows the card itself
    assert devices(study.place(1)) == ("1",)


def test_without_claims_the_journal_tells_where_adopted_attempts_are(make: Make, tmp_path: Path) -> None:
    (tmp_path / "board").write_text("not a folder")
    study = make(card(0, used=2), card(1), parallel="auto")
    study.start(0)
    study.restart()
    assert devices(study.place(1)) == ("0",)
    assert sum("not locked" in note for note in study.notes) == 2  # once a supervisor


def test_a_placement_that_was_never_started_is_taken_back(make: Make) -> None:
    study = make(card(0))
    placed = study.place(0)
    assert isinstance(placed, Placement)
    other = make(sampler=study.sampler, name="two")
    assert "held by trial 0 of one" in reason(other.place(0))
    assert "kept for two (" in reason(study.place(0))  # the start failed: the next in the queue gets its turn
    assert placed.claim is not None
    assert placed.claim.fd == -1
    assert devices(other.place(0)) == ("0",)


def test_a_board_that_fails_half_way_leaves_no_claim_behind(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    study = make(card(0))
    monkeypatch.setattr(ClaimBoard, "keep", fail)
    placed = study.place(0)
    assert isinstance(placed, Placement)
    assert placed.claim is None
    assert read_board(Path(study.env["HTR_TUI_DEVICE_LOCKS"])).claims == ()
    assert "No space left" in study.notes[0]


def test_instances_are_devices(make: Make) -> None:
    parts = (
        GpuInstance(0, "MIG-a", "", GB // 10, 5 * GB),
        GpuInstance(1, "MIG-b", "", GB // 10, 10 * GB),
    )
    study = make(GpuSample(0, "GPU-0", "cut", is_mig=True, instances=parts), parallel="auto", expect_gpu_gb=4.0)
    study.start(0)
    study.start(1)
    assert [t.attempts[0].devices for t in study.fold.trials.values()] == [("MIG-b",), ("MIG-a",)]
    assert "gpu0/0: has trial 1; gpu0/1: has trial 0" in reason(study.place(2))


def test_only_visible_cards_and_only_so_many(make: Make) -> None:
    study = make(card(0), card(1, used=1), card(2, used=2), gpus=1, parallel="auto")
    study.env["CUDA_VISIBLE_DEVICES"] = "1,2"
    study.restart()
    study.start(0)
    assert study.fold.trials[0].attempts[0].devices == ("1",)
    assert not study.admission.has_room(study.fold, study.running())
    assert "the study uses its 1 GPUs already" in reason(study.place(1))


def test_a_card_that_the_file_names_and_nobody_has(make: Make) -> None:
    study = make(card(0), gpus=[0, 5])
    assert devices(study.place()) == ("0",)
    assert study.notes == ["warning: the study file names GPU 5, which is not here or is hidden"]
    assert "the study file asks for it" in reason(make(card(0), name="two", gpus=[5]).place())


def test_without_a_gpu_auto_runs_on_the_cpu_unless_it_ran_on_one_before(make: Make) -> None:
    sampler = FakeSampler(error="no NVIDIA driver")
    study = make(sampler=sampler)
    assert devices(study.place()) == ()
    assert study.notes == ["info: no GPU, trials run on the CPU (no NVIDIA driver)"]
    sampler.report = DeviceReport((card(0),))
    study.start(1)
    study.end(1)
    sampler.report = DeviceReport(error="driver fell over")
    assert "its earlier trials ran on one (driver fell over)" in reason(study.place(2))
    assert "the study file asks for it" in reason(make(sampler=sampler, name="two", gpus=2).place())
    assert devices(make(sampler=sampler, name="three", gpus="none").place()) == ()
    assert devices(make(sampler=sampler, name="four", gpus=[3]).place()) == ("3",)  # believed, without NVML


def test_a_driver_that_is_silent_is_waited_for_and_not_taken_for_none(make: Make) -> None:
    sampler = FakeSampler(error="the GPU driver has not answered for 4 s")
    sampler.report = replace(sampler.report, is_silent=True)
    study = make(sampler=sampler)
    assert "has not answered for 4 s" in reason(study.place())
    listed = make(sampler=sampler, name="two", gpus=[0])
    assert "has not answered" in reason(listed.place())
    assert study.notes == ["error: the GPU driver does not answer; trials wait for it"]


def test_a_machine_without_gpus_is_never_asked_when_none_are_wanted(make: Make) -> None:
    sampler = FakeSampler(card(0))
    study = make(sampler=sampler, gpus="none", parallel=2)
    study.start(0)
    study.start(1)
    assert study.admission.capacity(study.fold) == 2
    assert sampler.asked == 0


# -- several studies ---------------------------------------------------------------------------------------------------


def test_two_studies_do_not_take_the_same_card(make: Make) -> None:
    one = make(card(0), card(1, used=1), parallel="auto")
    two = make(sampler=one.sampler, name="two", parallel="auto")
    held = one.start(0)
    two.start(0)
    assert two.fold.trials[0].attempts[0].devices == ("1",)
    text = reason(two.place(1))
    assert "gpu0: held by trial 0 of one (" in text
    one.end(0, held, peak_gpu_bytes=GB)
    assert devices(two.place(1)) == ("0",)


def test_who_finds_a_device_taken_at_the_same_moment_steps_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when one was stopped within the mutex, and another one went on without it."""
    one = make(card(0))
    two = make(sampler=one.sampler, name="two")
    held: list[HeldFile | None] = []
    take = one.admission._take

    def slow(*args: Any) -> Placement:
        monkeypatch.setattr(one.admission, "_take", take)
        monkeypatch.setattr("htr_tui.executors.claims.STUCK_S", -1.0)
        two.admission._board._busy_since = 0.0
        held.append(two.start(0))
        return take(*args)

    monkeypatch.setattr(one.admission, "_take", slow)
    assert "another study took it at the same moment" in reason(one.place(0))
    assert "never lets go of the lock" in two.notes[0]
    claims = read_board(Path(one.env["HTR_TUI_DEVICE_LOCKS"])).claims
    assert [claim.study for claim in claims] == ["two"]
    assert "held by trial 0 of two" in reason(one.place(0))


def test_studies_that_share_count_each_others_memory(make: Make) -> None:
    one = make(card(0), share=True, expect_gpu_gb=9.0)
    two = make(sampler=one.sampler, name="two", share=True, expect_gpu_gb=5.0)
    three = make(sampler=one.sampler, name="three", share=True, expect_gpu_gb=5.0)
    alone = make(sampler=one.sampler, name="alone", expect_gpu_gb=1.0)
    one.start(0)
    two.start(0)
    assert "14.0 GB of it promised to trial 0 of one" in reason(three.place())
    assert "held by trial 0 of one" in reason(alone.place())


def test_the_higher_priority_comes_first_and_equal_ones_in_their_order(make: Make) -> None:
    low = make(card(0), name="low")
    held = low.start(0)
    equal = make(sampler=low.sampler, name="equal")
    high = make(sampler=low.sampler, name="high", priority=5)
    assert "held by" in reason(equal.place())
    assert "held by" in reason(high.place())
    low.end(0, held, peak_gpu_bytes=GB)
    assert "kept for high (" in reason(low.place(1))
    assert "kept for high (" in reason(equal.place())
    held = high.start(0)
    high.end(0, held)
    high.admission.rest()
    assert "kept for equal (" in reason(low.place(1))  # it has waited longer
    assert devices(equal.place()) == ("0",)


def test_a_higher_priority_keeps_its_card_between_two_trials_and_no_longer(make: Make) -> None:
    high = make(card(0), card(1), name="high", priority=5)
    equal = make(sampler=high.sampler, name="equal", priority=5)
    low = make(sampler=high.sampler, name="low", parallel="auto")
    held = high.start(0)
    kept = high.fold.trials[0].attempts[0].devices
    low.start(0)  # the other card is nobody's
    high.end(0, held, peak_gpu_bytes=GB)
    assert f"gpu{kept[0]}: kept for high (" in reason(low.place(1))
    assert devices(equal.place()) == kept  # the same priority takes its turn
    equal.admission.close()
    high.admission.rest()
    assert devices(low.place(1)) == kept


def test_a_study_that_cannot_go_on_keeps_nothing(make: Make) -> None:
    sampler = FakeSampler(card(0))
    high = make(sampler=sampler, name="high", priority=5, expect_gpu_gb=12.0)
    high.end(0, high.start(0))
    sampler.report = DeviceReport((card(0, used=8),))  # a stranger came
    low = make(sampler=sampler, name="low", expect_gpu_gb=4.0)
    assert "kept for high" in reason(low.place())
    assert isinstance(high.place(1), Waiting)
    assert devices(low.place()) == ("0",)


def test_a_wish_ends_with_its_study(make: Make) -> None:
    low = make(card(0), name="low")
    held = low.start(0)
    high = make(sampler=low.sampler, name="high", priority=5)
    assert isinstance(high.place(), Waiting)
    low.end(0, held, peak_gpu_bytes=GB)
    assert isinstance(low.place(1), Waiting)
    high.admission.close()
    assert devices(low.place(1)) == ("0",)


def test_a_study_that_waits_for_a_stranger_keeps_nobody_else_out(make: Make) -> None:
    high = make(card(0, used=12), name="high", priority=5, expect_gpu_gb=8.0)
    assert isinstance(high.place(), Waiting)
    low = make(sampler=high.sampler, name="low", expect_gpu_gb=3.0)
    assert devices(low.place()) == ("0",)


def test_a_device_that_is_held_by_somebody_unreadable_is_held(make: Make, tmp_path: Path) -> None:
    study = make(card(0))
    other = ClaimBoard(tmp_path / "board", study="x", path=tmp_path)
    with other.choosing() as board:
        held = board.take("claim", "GPU-0", {})
    os.pwrite(held.fd, b"not json", 0)
    assert "held by a trial of ?" in reason(study.place())
    held.remove()


# -- claims and their runners ------------------------------------------------------------------------------------------


def test_the_reason_is_of_the_trial_that_waits(make: Make) -> None:
    study = make(card(0, used=10), expect_gpu_gb=8.0)
    assert "needs about 8.0 GB" in reason(study.place(0))
    study.fold = StudyFold()
    study.record("trial_created", trial=1, params={"batch": 1})
    study.record("trial_created", trial=2, params={"batch": 2})
    study.record("attempt_started", trial=1, attempt=1, devices=["0"])
    study.end(1, peak_gpu_bytes=int(6.5 * GB))
    assert "needs about" in reason(study.place(2))
    assert "8.0 GB" not in reason(study.place(2))


def test_a_claim_learns_its_runner_also_from_the_next_supervisor(make: Make) -> None:
    study = make(card(0))
    study.start(0)
    study.admission.tend(study.running())
    study.restart()
    files = study.paths.attempt(0, 1)
    files.root.mkdir(parents=True)
    write_json(files.runner, ProcessIdentity.current().as_json())
    study.admission.tend(study.running())
    assert [claim.runner for claim in read_board(Path(study.env["HTR_TUI_DEVICE_LOCKS"])).claims] == [os.getpid()]


# -- cores and main memory ---------------------------------------------------------------------------------------------


def test_cores_decide_how_many_run_on_a_machine_without_gpus(make: Make) -> None:
    study = make(gpus="none", parallel="auto", cores=3)
    assert study.admission.capacity(study.fold) == 2
    study.start(0)
    study.start(1)
    assert not study.admission.has_room(study.fold, study.running())
    assert reason(study.place(2)) == "needs 3 cores, 2 of 8 are free"


def test_auto_without_gpus_and_cores_is_one_at_a_time(make: Make) -> None:
    study = make(gpus="none", parallel="auto")
    study.start(0)
    assert not study.admission.has_room(study.fold, study.running())


def test_more_cores_than_there_are_start_alone_with_a_word(make: Make) -> None:
    study = make(gpus="none", cores=16)
    study.start(0)
    assert study.notes == ["warning: resources.cores says 16, this machine has 8"]


def test_main_memory_by_what_finished_trials_took(make: Make) -> None:
    study = make(gpus="none", parallel="auto", cores=1)
    study.start(0)
    study.start(1)  # nothing is known: as many as the cores hold
    study.end(0, peak_rss_bytes=20 * GB)
    assert "needs about 22.0 GB of main memory, 32.0 GB free, 22.0 GB of it promised" in reason(study.place(2))
    files = study.paths.attempt(1, 1)
    files.root.mkdir(parents=True)
    files.system.write_bytes(dump_line({"t": 1.0, "rss_bytes": 5 * GB}) + dump_line({"t": 2.0, "rss_bytes": 21 * GB}))
    study.start(2)


def test_a_number_of_trials_that_the_user_chose_is_not_cut_by_measured_memory(make: Make) -> None:
    study = make(gpus="none", parallel=3)
    study.end(0, study.start(0), peak_rss_bytes=60 * GB)
    for number in (1, 2, 3):
        study.start(number)


def test_main_memory_by_the_study_file_and_the_first_always_starts(make: Make) -> None:
    study = make(gpus="none", parallel=2, memory_gb=40)
    study.start(0)
    assert study.notes == ["warning: a trial needs about 40.0 GB of memory, 32.0 GB is free"]
    assert "resources.memory_gb" in reason(study.place(1))


def test_nvml_is_asked_once_a_second_at_most(make: Make) -> None:
    sampler = FakeSampler(card(0))
    recorder = GpuRecorder(make().spec.resources, sampler)
    for _ in range(50):
        recorder.report(max_age_s=60.0)
    assert sampler.asked == 1
    recorder.report(max_age_s=-1.0)
    assert sampler.asked == 2
