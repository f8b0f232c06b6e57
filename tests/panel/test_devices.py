from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from htr_tui.devices.board import read_board
from htr_tui.devices.host import sample_host
from htr_tui.devices.nvml import DeviceReport, GpuInstance, GpuProcess, GpuSample
from htr_tui.devices.view import machine_view
from htr_tui.executors.claims import ClaimBoard, HeldFile
from htr_tui.panel.feeds.machine import HISTORY, MachineFeed
from htr_tui.panel.feeds.machine_sampler import view_machine
from htr_tui.panel.frame.lines import Lines
from htr_tui.panel.frame.sparkline import sparkline
from htr_tui.panel.screens.device_rows import describe_in, describe_machine, describe_waiting, device_rows
from htr_tui.panel.store import Store
from htr_tui.panel.views import DeviceView, HolderView, MachineView, ProcessView
from htr_tui.panel.widgets.trial_table import VirtualTable
from tests.fakes.studies import build_study
from tests.panel.driving import GB, MACHINE, SIZES, Driver, open_panel
from tests.panel.studies import build_waiting, study_view
from tests.panel.test_feeds import Target

OURS = HolderView("loss-weights", "anna", 23, 10 * GB, 11 * GB, is_here=True)
THEIRS = HolderView("sweep", "ben", priority=5, since=0.0)
DEVICES = (
    DeviceView(
        "gpu0", "NVIDIA RTX 4000", used_bytes=13 * GB, total_bytes=16 * GB, load=87.0, temperature=66.0,
        power_w=110.0, power_limit_w=130.0, holders=(OURS,), wishes=(THEIRS,),
        processes=(
            ProcessView(4242, 10 * GB, "anna", "python train.py", "loss-weights", 23),
            ProcessView(777, 3 * GB, "carl", "Xorg [/foo]"),
        ),
    ),
    DeviceView("gpu1", "NVIDIA RTX 4000", state="lost"),
    DeviceView("gpu2/0", "MIG 1g.5gb", kind="mig", used_bytes=1 * GB, total_bytes=5 * GB),
    DeviceView("gpu3", "NVIDIA RTX 4000", state="prohibited", is_visible=False, temperature=95.0),
)  # fmt: skip
BUSY = replace(MACHINE, devices=DEVICES, driver="570.12")


def plain(lines: Lines) -> str:
    return "\n".join("".join(text for text, _ in line) for line in lines.lines)


async def go_to_devices(driver: Driver) -> None:
    await driver.press("6")
    await driver.wait(lambda: driver.place == "DevicesScreen")


# -- the screen --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_devices_processes_and_who_waits(tmp_path: Path, size: tuple[int, int]) -> None:
    build_study(tmp_path / "runs", "loss-weights", trials=24, running=1)
    build_waiting(tmp_path / "runs")
    async with open_panel(tmp_path, size=size, sampler=lambda: BUSY) as driver:
        await go_to_devices(driver)
        await driver.see("gpu0", "held by loss-weights", "13.0/16 GB", "load 87%", "66°C", "110/130 W")
        await driver.see("! lost: it no longer answers", "4 devices", "! 1 lost", "prohibited", "hidden")
        await driver.see("4242", "anna", "loss-weights #23", "777", "carl", "no study")
        await driver.see("waiting: memory: trial 3 needs", "sweep (ben), priority 5: waits")
        if size[1] >= 40:
            await driver.see("MIG 1g.5gb", "hidden by CUDA_VISIBLE_DEVICES", "lets nobody compute", "95°C!", "570.12")
            await driver.see("Xorg [/foo]")


def test_many_devices_get_a_line_each_where_there_is_little_room() -> None:
    machine = replace(BUSY, devices=DEVICES * 2, history={"gpu0": ((1.0, 5.0), (2.0, 50.0))})
    full, short, line = (describe_in(rows, 76, False, machine).lines for rows in (99, 22, 9))
    assert len(full) > len(short) > len(line) == 9
    assert any("held by loss-weights #23" in "".join(text for text, _ in one) for one in line)


def test_the_last_minutes_are_drawn_on_the_whole_scale() -> None:
    assert sparkline([50.0, 50.0], 2, True, (0.0, 100.0)) in ("..", "--")
    assert sparkline([0.0, 100.0], 2, True, (0.0, 100.0)) == "_^"
    assert sparkline([1.0, 2.0], 2, True, (0.0, 100.0)) == "__"


async def test_enter_opens_the_trial_of_a_process_and_nothing_else(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "loss-weights", trials=24, running=1)
    build_study(tmp_path / "runs", "other", trials=2, running=0)
    async with open_panel(tmp_path, sampler=lambda: BUSY) as driver:
        await go_to_devices(driver)
        await driver.see("4242")
        table = driver.app.screen.query_one(VirtualTable)
        assert table.move_to_key("gpu0 777 None None")
        await driver.press("enter")
        await driver.see("belongs to no trial")
        assert table.move_to_key("gpu0 4242 loss-weights 23")
        await driver.press("enter")
        await driver.wait(lambda: driver.place == "TrialScreen")
        assert (driver.app.panel.study, driver.app.panel.trial) == ("loss-weights", 23)
        await driver.press("6", "escape")
        await driver.wait(lambda: driver.place == "StudiesScreen")


async def test_a_machine_without_a_gpu_shows_its_running_trials(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "loss-weights", trials=24, running=2)
    machine = MachineView(gpu_error="no NVIDIA driver here", cpu_percent=3.0, memory_used=GB, memory_total=2 * GB)
    async with open_panel(tmp_path, "loss-weights", size=(80, 24), sampler=lambda: machine) as driver:
        await go_to_devices(driver)
        await driver.see("No GPU: no NVIDIA driver here", "on the processor", "loss-weights #23", "loss-weights #22")
        await driver.press("enter")
        await driver.wait(lambda: driver.place == "TrialScreen")


async def test_devices_in_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTR_TUI_ASCII", "1")
    build_waiting(tmp_path / "runs")
    machine = replace(BUSY, history={"gpu0": ((1.0, 5.0), (2.0, 50.0), (3.0, 90.0))})
    async with open_panel(tmp_path, sampler=lambda: machine) as driver:
        await go_to_devices(driver)
        await driver.see("held by loss-weights #23", "waiting: memory")
        assert driver.text().isascii(), {c for c in driver.text() if not c.isascii()}


async def test_devices_are_asked_often_only_while_somebody_looks(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "over", trials=2, running=0)
    async with open_panel(tmp_path, "over", sampler=lambda: BUSY) as driver:
        feed = driver.app.machine_feed
        assert not feed.is_watched
        await go_to_devices(driver)
        assert feed.is_watched
        await driver.press("1")
        assert not feed.is_watched


# -- rows and words ----------------------------------------------------------------------------------------------------


def test_a_holder_whose_processes_are_not_seen_is_a_row_all_the_same() -> None:
    machine = MachineView(devices=(DeviceView("gpu0", holders=(OURS, THEIRS)),))
    rows = device_rows(machine, [], {}, {})
    assert [(row.study, row.trial, row.pid, row.is_here) for row in rows] == [
        ("loss-weights", 23, None, True),
        ("sweep", None, None, False),
    ]


def test_a_study_of_the_same_name_elsewhere_is_not_ours() -> None:
    process = ProcessView(1, 5, "ben", "x", "loss-weights", 23)
    stranger = replace(OURS, is_here=False, user="ben")
    machine = MachineView(devices=(DeviceView("gpu0", holders=(stranger,), processes=(process,)),))
    assert [row.is_here for row in device_rows(machine, [], {}, {})] == [False]


def test_texts_of_other_users_are_only_text() -> None:
    evil = "[/foo] \x1b[31mred\x1b]0;owned\x07 \u202e" + "w" * 300
    holder = HolderView(evil, evil, 1, since=1.0, expected_bytes=1)
    process = ProcessView(3, None, evil, evil, evil, 1)
    device = DeviceView("gpu0", evil, holders=(holder,), wishes=(holder,), processes=(process,), used_bytes=1)
    machine = MachineView(devices=(device,), board_error=evil, gpu_error=evil)
    lines = Lines(60)
    describe_machine(lines, machine)
    describe_machine(lines, MachineView(gpu_error=evil))
    describe_waiting(lines, machine, [study_view(waiting=evil, state="running")], 99.0)
    text = plain(lines)
    assert "[/foo] red" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_nothing_is_said_where_nobody_waits() -> None:
    lines = Lines(60)
    describe_waiting(lines, MachineView(devices=(DeviceView("gpu0"),)), [study_view()], 0.0)
    assert lines.lines == []


# -- the feed ----------------------------------------------------------------------------------------------------------


def test_the_history_grows_without_being_news(tmp_path: Path) -> None:
    store, target = Store(), Target()
    feed = MachineFeed(tmp_path, store, target, lambda: BUSY)
    for _ in range(HISTORY + 5):
        feed._step()
    assert len(target.messages) == 1
    assert store.machine is not None
    assert set(store.machine.history) == {"gpu0", "gpu2/0"}
    assert len(store.machine.history["gpu0"]) == HISTORY


@pytest.fixture
def held(tmp_path: Path) -> Iterator[list[HeldFile]]:
    files: list[HeldFile] = []
    yield files
    for file in files:
        file.close()


def test_the_board_and_the_driver_become_devices_with_holders(tmp_path: Path, held: list[HeldFile]) -> None:
    runs, folder = tmp_path / "runs", tmp_path / "board"
    ours = ClaimBoard(folder, study="mine", path=runs / "mine")
    theirs = ClaimBoard(folder, study="mine", path=tmp_path / "elsewhere" / "mine", priority=7)
    with ours.choosing() as board:
        held.append(ours.claim(board, "GPU-1", label="gpu0", trial=3, attempt=1, expected_bytes=5 * GB))
    with theirs.choosing() as board:
        theirs.wish(board, frozenset({"GPU-1"}), GB)
    held[0].write(runner=os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        processes = (GpuProcess(child.pid, 2 * GB), GpuProcess(1, GB))
        cut = GpuInstance(0, "MIG-1", "MIG 1g", GB, 5 * GB)
        gpus = (
            GpuSample(0, "GPU-1", "RTX", 4 * GB, 16 * GB, 50.4, 60.0, 99.6, 130.0, processes),
            GpuSample(1, "GPU-2", "A100", GB, 40 * GB, is_mig=True, instances=(cut,)),
            GpuSample(2, "GPU-3", "RTX", is_lost=True),
        )
        report, host = DeviceReport(gpus, driver="570"), sample_host(tmp_path)
        record = machine_view(report, read_board(folder), host, {"CUDA_VISIBLE_DEVICES": "GPU-1,MIG-1"})
        machine = view_machine(report, host, record, runs)
    finally:
        child.communicate(b"\n")
        theirs.withdraw()
    card, instance, lost = machine.devices
    assert (card.label, instance.label, lost.label) == ("gpu0", "gpu1/0", "gpu2")
    assert [(h.study, h.trial, h.is_here, h.expected_bytes) for h in card.holders] == [("mine", 3, True, 5 * GB)]
    assert [(w.study, w.priority, w.is_here) for w in card.wishes] == [("mine", 7, False)]
    assert {(p.pid, p.study, p.trial) for p in card.processes} == {(child.pid, "mine", 3), (1, None, None)}
    assert (card.load, card.power_w, lost.state, lost.is_visible) == (50.0, 100.0, "lost", False)
    assert instance.total_bytes == 5 * GB
    assert [gpu.index for gpu in machine.gpus] == [0, 1, 2]
    assert json.dumps(record)


def test_the_real_sampler_answers_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from htr_tui.panel.feeds.machine_sampler import real_sampler

    monkeypatch.setenv("HTR_TUI_DEVICE_LOCKS", str(tmp_path / "none"))
    machine: Any = real_sampler(tmp_path)()
    assert machine.memory_total > 0
    assert machine.gpus or machine.gpu_error
