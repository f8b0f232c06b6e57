"""Which device a trial gets: never more memory promised than there is, always a reason, no trial refused for ever."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from htr_tui.devices.nvml import GpuProcess
from htr_tui.devices.units import DeviceUnit
from htr_tui.supervisor.placing import (
    GIVEN_WHOLE,
    SHARE,
    UNKNOWN_FREE,
    WHOLE_FREE,
    Choice,
    Need,
    Obstacle,
    Seat,
    Tenant,
    choose,
    judge,
    worth_waiting,
)

GB = 10**9


def unit(index: int = 0, total: float | None = 16, used: float | None = 0.5) -> DeviceUnit:
    return DeviceUnit(
        f"GPU-{index}", f"gpu{index}", str(index), index,
        total_bytes=None if total is None else int(total * GB),
        used_bytes=None if used is None else int(used * GB),
    )  # fmt: skip


def tenant(expected: float | None, used: float | None = None, *, settled: bool = False, who: str = "trial 3") -> Tenant:
    sizes = [None if size is None else int(size * GB) for size in (expected, used)]
    return Tenant(who, sizes[0], sizes[1], settled)


def measured(size: float) -> Need:
    return Need(int(size * GB), "measured")


def obstacle(seat: Seat, need: Need, per_gpu: int = 8) -> Obstacle:
    found = judge(seat, need, per_gpu=per_gpu)
    assert isinstance(found, Obstacle), found
    return found


def fits(seat: Seat, need: Need, per_gpu: int = 8) -> bool:
    return isinstance(judge(seat, need, per_gpu=per_gpu), Choice)


# -- by example --------------------------------------------------------------------------------------------------------


def test_a_measured_trial_is_asked_for_with_a_margin() -> None:
    assert fits(Seat(unit(used=5)), measured(10))  # 11 GB of 11 GB
    found = obstacle(Seat(unit(used=5.1)), measured(10))
    assert found.words("pid 4711 (anna, python) holds 4.9 GB") == (
        "gpu0: needs about 11.0 GB, 10.9 GB free; pid 4711 (anna, python) holds 4.9 GB"
    )
    assert fits(Seat(unit(used=6)), Need(10 * GB, "given"))


def test_what_started_trials_will_still_take_is_not_given_away() -> None:
    seat = Seat(unit(used=3), own=(tenant(6, 2.5),))
    assert fits(seat, measured(8))  # 13 free, 3.5 promised, 8.8 wanted
    found = obstacle(seat, measured(9))
    assert "3.5 GB of it promised to trial 3" in found.text
    assert fits(replace(seat, own=(tenant(6, None, settled=True),)), measured(9))
    assert obstacle(replace(seat, own=(tenant(None),)), measured(1)).kind == "unknown"


def test_an_unknown_trial_runs_alone_until_it_has_shown_what_it_takes() -> None:
    assert fits(Seat(unit()), Need())
    found = obstacle(Seat(unit(), own=(tenant(None),)), Need())
    assert found.kind == "unknown"
    assert "expect_gpu_gb" in found.text
    assert "6.0 GB of 16.0 GB free" in obstacle(Seat(unit(used=10)), Need()).text


def test_where_the_driver_never_tells_trials_share_evenly() -> None:
    share = Need(None, "share")
    assert fits(Seat(unit()), share, per_gpu=2)
    settled = tenant(None, None, settled=True)
    assert fits(Seat(unit(used=8), own=(settled,)), share, per_gpu=2)  # 8 GB free, 7.2 wanted
    assert obstacle(Seat(unit(used=9), own=(settled,)), share, per_gpu=2).kind == "memory"
    assert obstacle(Seat(unit(), own=(tenant(None),)), share, per_gpu=2).kind == "unknown"


def test_a_trial_that_takes_the_whole_card_goes_on_although_a_bit_less_is_free_now() -> None:
    assert fits(Seat(unit(used=4)), measured(15.5))
    assert obstacle(Seat(unit(used=6)), measured(15.5)).kind == "memory"
    assert "trial 3 runs there" in obstacle(Seat(unit(), own=(tenant(2, 2),)), measured(15.5)).text


def test_a_trial_larger_than_the_card_starts_alone_with_a_warning() -> None:
    for need in (measured(20), Need(20 * GB, "given")):
        found = judge(Seat(unit()), need, per_gpu=1)
        assert isinstance(found, Choice)
        assert "20.0 GB, more than gpu0 has (16.0 GB)" in found.warning
        assert not fits(Seat(unit(), own=(tenant(1, 1),)), need)


def test_another_studys_device_is_taken_unless_both_share() -> None:
    seat = Seat(unit(), others=(tenant(4, 4, who="trial 1 of other (bob)"),))
    found = obstacle(seat, measured(2))
    assert (found.kind, found.text) == ("claimed", "held by trial 1 of other (bob)")
    assert worth_waiting(seat, found)
    assert fits(replace(seat, is_shared=True), measured(2))


def test_a_device_is_left_to_who_comes_first() -> None:
    seat = Seat(unit(), ahead="urgent (anna), priority 50")
    found = obstacle(seat, measured(2))
    assert (found.kind, found.text) == ("ahead", "kept for urgent (anna), priority 50")
    assert worth_waiting(seat, found)
    assert obstacle(replace(seat, unit=unit(used=15)), measured(2)).kind == "memory"


def test_strangers_are_nothing_to_wait_in_a_queue_for() -> None:
    seat = Seat(unit(used=15))
    assert not worth_waiting(seat, obstacle(seat, measured(4)))


def test_cards_that_cannot_compute() -> None:
    assert obstacle(Seat(replace(unit(), is_lost=True)), measured(1)).kind == "lost"
    assert obstacle(Seat(replace(unit(), mode="prohibited")), measured(1)).kind == "mode"
    exclusive = replace(unit(), mode="exclusive")
    assert fits(Seat(exclusive), measured(1))
    assert obstacle(Seat(replace(exclusive, processes=(GpuProcess(1, 1),))), measured(1)).kind == "mode"
    assert obstacle(Seat(exclusive, own=(tenant(1, 1),)), measured(1)).kind == "mode"


def test_a_driver_that_tells_nothing_leaves_it_to_the_study_file() -> None:
    blind = unit(total=None, used=None)
    assert fits(Seat(blind, own=(tenant(None),)), Need(), per_gpu=2)
    assert not fits(Seat(blind, own=(tenant(None),)), Need(), per_gpu=1)


def test_the_emptiest_card_first_and_no_more_than_asked_for() -> None:
    seats = [Seat(unit(0, used=4)), Seat(unit(1, used=1)), Seat(unit(2, used=2))]
    found = choose(seats, measured(3), per_gpu=2)
    assert isinstance(found, Choice)
    assert found.unit.label == "gpu1"
    seats[1] = replace(seats[1], own=(tenant(3, 3),))
    found = choose(seats, measured(3), per_gpu=2)
    assert isinstance(found, Choice)
    assert found.unit.label == "gpu2"  # one of its own first, although gpu1 might have more room
    found = choose(seats, measured(3), per_gpu=2, at_most=1)
    assert isinstance(found, Choice)
    assert found.unit.label == "gpu1"
    refused = choose(seats, measured(3), per_gpu=1, at_most=1)
    assert isinstance(refused, list)
    assert [o.kind for o in refused] == ["limit", "full", "limit"]


def test_a_card_that_is_too_small_is_left_alone_where_there_is_a_larger_one() -> None:
    """Started there it would run out of memory, and its retry would train with half the batch."""
    busy = replace(Seat(unit(0, total=80)), own=(tenant(60, 60),))
    seats = [busy, Seat(unit(1, total=24))]
    for need in (measured(60), Need(60 * GB, "given")):
        refused = choose(seats, need, per_gpu=1)
        assert isinstance(refused, list)
        assert [o.kind for o in refused] == ["full", "small"]
        assert "has 24.0 GB, the trial needs about 60.0 GB" in refused[1].words()
        alone = choose(seats[1:], need, per_gpu=1)  # nothing better is there: it is tried, and told
        assert isinstance(alone, Choice)
        assert alone.warning
    assert isinstance(choose(seats, measured(79), per_gpu=1), Choice)  # TensorFlow: what was free there, not a need
    assert isinstance(choose([replace(busy, own=()), seats[1]], measured(60), per_gpu=1), Choice)


# -- by property -------------------------------------------------------------------------------------------------------

SIZE = st.integers(0, 40 * GB)
TENANT = st.builds(Tenant, st.just("trial 1"), st.none() | SIZE, st.none() | SIZE, st.booleans())
UNIT = st.builds(
    lambda index, total, used, lost, mode: DeviceUnit(
        f"GPU-{index}", f"gpu{index}", str(index), index, total_bytes=total, used_bytes=min(used, total),
        is_lost=lost, mode=mode,
    ),
    st.integers(0, 7), st.integers(GB, 80 * GB), SIZE, st.booleans(),
    st.sampled_from(["default", "exclusive", "prohibited"]),
)  # fmt: skip
SEAT = st.builds(
    Seat, UNIT, st.lists(TENANT, max_size=3).map(tuple), st.lists(TENANT, max_size=2).map(tuple), st.booleans(),
    st.none() | st.just("other"),
)  # fmt: skip
NEED = st.builds(Need, SIZE, st.sampled_from(["given", "measured"])) | st.sampled_from([Need(), Need(None, "share")])


@given(SEAT, NEED, st.integers(1, 4))
def test_memory_is_never_given_twice(seat: Seat, need: Need, per_gpu: int) -> None:
    found = judge(seat, need, per_gpu=per_gpu)
    if isinstance(found, Choice) and seat.tenants:
        outstanding = [tenant.outstanding for tenant in seat.tenants]
        wanted = int(SHARE * (seat.unit.total_bytes or 0) / per_gpu) if need.source == "share" else need.bytes
        assert wanted is not None
        assert None not in outstanding
        assert sum(size or 0 for size in outstanding) + wanted <= (seat.unit.free_bytes or 0)


@given(SEAT, NEED, st.integers(1, 4))
def test_alone_too_a_trial_gets_only_what_is_free_or_what_the_rules_of_a_whole_card_say(
    seat: Seat, need: Need, per_gpu: int
) -> None:
    found = judge(seat, need, per_gpu=per_gpu)
    if isinstance(found, Choice):
        free, total = seat.unit.free_bytes or 0, seat.unit.total_bytes or 0
        parts = {"given": GIVEN_WHOLE, "measured": WHOLE_FREE, "unknown": UNKNOWN_FREE, "share": UNKNOWN_FREE}
        part = SHARE / per_gpu if need.source == "share" and seat.tenants else parts[need.source]
        assert (need.bytes is not None and free >= need.bytes) or free >= int(part * total)


@given(SEAT, NEED, st.integers(1, 4))
def test_a_refusal_always_has_a_reason_and_a_choice_harms_nobody(seat: Seat, need: Need, per_gpu: int) -> None:
    found = judge(seat, need, per_gpu=per_gpu)
    if isinstance(found, Obstacle):
        assert found.text
        assert found.words().startswith(f"{seat.unit.label}: ")
    else:
        assert not seat.unit.is_lost
        assert len(seat.own) < per_gpu
        assert not seat.others or seat.is_shared
        assert seat.ahead is None


@given(UNIT, NEED, st.integers(1, 4), st.floats(0, 0.1))
def test_an_empty_machine_refuses_no_trial(device: DeviceUnit, need: Need, per_gpu: int, taken: float) -> None:
    total = device.total_bytes or 0
    empty = replace(device, used_bytes=int(taken * total), is_lost=False, mode="default")
    assert isinstance(judge(Seat(empty), need, per_gpu=per_gpu), Choice)


@given(st.lists(SEAT, max_size=5), NEED, st.integers(1, 3), st.none() | st.integers(1, 3))
def test_choosing_is_judging_every_device(seats: list[Seat], need: Need, per_gpu: int, at_most: int | None) -> None:
    found = choose(seats, need, per_gpu=per_gpu, at_most=at_most)
    if isinstance(found, Choice):
        seat = next(seat for seat in seats if seat.unit is found.unit)
        assert isinstance(judge(seat, need, per_gpu=per_gpu), Choice)
        in_use = sum(1 for seat in seats if seat.own)
        assert at_most is None or seat.own or in_use < at_most
    else:
        assert len(found) == len(seats)
