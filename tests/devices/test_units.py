from __future__ import annotations

import pytest

from htr_tui.devices.nvml import DeviceReport, GpuInstance, GpuSample
from htr_tui.devices.units import Wanted, allowed_units, device_units, visible_units

GPUS = tuple(GpuSample(i, uuid, f"card {i}") for i, uuid in enumerate(("GPU-aa11", "GPU-ab22", "GPU-cc33")))
CUT = GpuSample(
    1, "GPU-ab22", "cut", is_mig=True,
    instances=(GpuInstance(0, "MIG-1a", total_bytes=5, used_bytes=2), GpuInstance(1, "MIG-2b")),
)  # fmt: skip
WHOLE = DeviceReport(GPUS)
MIXED = DeviceReport((GPUS[0], CUT, GPUS[2]))


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (None, ["gpu0", "gpu1", "gpu2"]),
        ("", []),
        ("-1", []),
        ("1", ["gpu1"]),
        (" 2 , 0 ", ["gpu2", "gpu0"]),
        ("0,-1,2", ["gpu0"]),
        ("0,9,2", ["gpu0"]),
        ("0,0", []),
        ("GPU-cc33,GPU-aa11", ["gpu2", "gpu0"]),
        ("GPU-cc", ["gpu2"]),
        ("GPU-a", []),
        ("NoDevFiles", []),
        ("MIG-1a", []),
    ],
)
def test_visible_devices_are_those_that_cuda_would_see(value: str | None, labels: list[str]) -> None:
    env = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert [unit.label for unit in visible_units(WHOLE, env)] == labels


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (None, ["gpu0", "gpu1/0", "gpu1/1", "gpu2"]),
        ("MIG-2b", ["gpu1/1"]),
        ("MIG-2b,MIG-1", ["gpu1/1", "gpu1/0"]),
        ("MIG-", []),
        ("1", ["gpu1/0", "gpu1/1"]),
        ("GPU-ab,0", ["gpu1/0", "gpu1/1", "gpu0"]),
        ("1,MIG-2b", []),
    ],
)
def test_a_card_that_is_cut_is_its_instances(value: str | None, labels: list[str]) -> None:
    env = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert [unit.label for unit in visible_units(MIXED, env)] == labels


def test_cards_go_by_number_and_by_uuid_where_numbers_may_differ() -> None:
    assert [unit.cuda for unit in device_units(WHOLE)] == ["0", "1", "2"]
    assert [unit.cuda for unit in device_units(MIXED)] == ["GPU-aa11", "MIG-1a", "MIG-2b", "GPU-cc33"]
    lost = DeviceReport((GPUS[0], GpuSample(1, "", "gone", is_lost=True)))
    assert [(unit.id, unit.cuda) for unit in device_units(lost)] == [("GPU-aa11", "GPU-aa11"), ("index-1", "1")]


def test_memory_of_an_instance_is_its_own() -> None:
    part = device_units(MIXED)[1]
    assert (part.total_bytes, part.free_bytes) == (5, 3)
    assert device_units(MIXED)[2].free_bytes is None


@pytest.mark.parametrize(
    ("wanted", "visible", "labels", "at_most", "missing"),
    [
        ("auto", None, ["gpu0", "gpu1/0", "gpu1/1", "gpu2"], None, ()),
        ("none", None, [], None, ()),
        (2, None, ["gpu0", "gpu1/0", "gpu1/1", "gpu2"], 2, ()),
        ((2, "GPU-aa"), None, ["gpu2", "gpu0"], None, ()),
        ((2, 7), None, ["gpu2"], None, ("7",)),
        ((2, 0), "0", ["gpu0"], None, ("2",)),
        (("MIG-1a", 1), None, ["gpu1/0", "gpu1/1"], None, ()),
    ],
)
def test_a_study_gets_what_it_names_and_what_is_visible(
    wanted: Wanted, visible: str | None, labels: list[str], at_most: int | None, missing: tuple[str, ...]
) -> None:
    allowed = allowed_units(MIXED, {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}, wanted)
    assert [unit.label for unit in allowed.units] == labels
    assert (allowed.at_most, allowed.missing) == (at_most, missing)


def test_without_nvml_a_list_is_believed() -> None:
    units = allowed_units(DeviceReport(error="no driver"), {}, (0, "GPU-aa")).units
    assert [(unit.id, unit.cuda, unit.free_bytes) for unit in units] == [
        ("index-0", "0", None),
        ("GPU-aa", "GPU-aa", None),
    ]
    assert allowed_units(DeviceReport(error="no driver"), {}, "auto").units == ()
