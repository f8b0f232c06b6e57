from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from htr_tui.devices.nvml import DeviceReport, GpuSample
from htr_tui.devices.patience import PatientSampler
from tests.fakes.waiting import wait_for

CARDS = DeviceReport((GpuSample(0, "GPU-0", "card"),))


class Stuck:
    """A driver that answers when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = 0

    def sample(self) -> DeviceReport:
        self.asked += 1
        self.go.wait(60)
        return CARDS


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    driver = Stuck()
    yield driver
    driver.go.set()


def test_a_driver_that_answers_is_believed(stuck: Stuck) -> None:
    stuck.go.set()
    sampler = PatientSampler(stuck)
    assert sampler.sample() == sampler.sample() == CARDS
    assert stuck.asked == 2


def test_a_silent_driver_costs_its_patience_once_and_is_heard_when_it_speaks(stuck: Stuck) -> None:
    now = 100.0
    sampler = PatientSampler(stuck, first_s=0.01, later_s=0.01, clock=lambda: now)
    assert sampler.sample().is_silent
    now = 142.0
    report = sampler.sample()
    assert (report.is_silent, report.gpus, report.error) == (True, (), "the GPU driver has not answered for 42 s")
    assert stuck.asked == 1
    stuck.go.set()
    assert wait_for(lambda: (found := sampler.sample()) == CARDS and found)


def test_a_mistake_in_the_sampler_is_not_swallowed() -> None:
    class Broken:
        def sample(self) -> DeviceReport:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        PatientSampler(Broken()).sample()
