"""Patterns over a trainer's log: which value, of which epoch, and nothing that hangs."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from htr_tui.metrics.epochs import EpochRule
from htr_tui.metrics.growing import CHUNK, Place
from htr_tui.metrics.log_source import MAX_SLOW, LogSource, PatternError, compile_pattern, finds_metrics

Values = list[tuple[int, int | None, dict[str, float]]]


def read(folder: Path, log: str | bytes, *patterns: str, rule: EpochRule | None = None) -> tuple[Values, LogSource]:
    path = folder / "log.txt"
    path.write_bytes(log if isinstance(log, bytes) else log.encode())
    source = LogSource(Place(str(path)), [compile_pattern(p) for p in patterns], rule or EpochRule())
    found: Values = []
    while True:
        reading = source.read(time.monotonic() + 60, final=True)
        found += [(o.epoch, o.step, o.values) for o in reading.found]
        if reading.is_done:
            return found, source


def test_named_groups_are_metrics(tmp_path: Path) -> None:
    log = "epoch 1 step 10: psnr=20.5 cer=.25\nepoch 2 step 20: psnr=1e1 cer=nan\n"
    pattern = r"epoch (?P<epoch>\d+) step (?P<step>\d+): psnr=(?P<psnr>\S+) cer=(?P<cer>\S+)"
    found, source = read(tmp_path, log, pattern)
    assert found[0] == (1, 10, {"psnr": 20.5, "cer": 0.25})
    assert found[1][:2] == (2, 20)
    assert found[1][2]["psnr"] == 10.0
    assert math.isnan(found[1][2]["cer"])
    assert source.skipped == 0


def test_pairs_take_their_names_from_the_line(tmp_path: Path) -> None:
    log = "epoch=3 step=7 val/psnr=20 val/cer=0.5 name=text\n"
    found, source = read(tmp_path, log, r"(?P<name>[\w/]+)=(?P<value>\S+)")
    assert found == [(3, 7, {"val/psnr": 20.0, "val/cer": 0.5})]
    assert source.skipped == 1


def test_lines_without_an_epoch_belong_to_the_one_last_told(tmp_path: Path) -> None:
    log = "warm-up loss 9\nEpoch 4\nloss 1\nloss 2\nEpoch 5\nloss 3\n"
    found, _ = read(tmp_path, log, r"Epoch (?P<epoch>\d+)", r"loss (?P<loss>\d+)")
    assert found == [(1, None, {"loss": 9}), (4, None, {"loss": 1}), (4, None, {"loss": 2}), (5, None, {"loss": 3})]


def test_epochs_are_counted_where_nothing_tells_them(tmp_path: Path) -> None:
    log = "acc 0.5\nloss 3\nacc 0.6\nloss 2\nloss 1\n"
    found, _ = read(tmp_path, log, r"acc (?P<acc>\S+)", r"loss (?P<loss>\S+)")
    by_name = [(e, *v) for e, _, values in found for v in values.items()]
    assert by_name == [(1, "acc", 0.5), (1, "loss", 3), (2, "acc", 0.6), (2, "loss", 2), (3, "loss", 1)]


def test_counting_on_demand_and_steps_as_epochs(tmp_path: Path) -> None:
    log = "epoch 9 step 100 loss 3\nepoch 9 step 200 loss 2\n"
    pattern = r"epoch (?P<epoch>\d+) step (?P<step>\d+) loss (?P<loss>\d+)"
    assert [e for e, _, _ in read(tmp_path, log, pattern, rule=EpochRule("count"))[0]] == [1, 2]
    assert [e for e, _, _ in read(tmp_path, log, pattern, rule=EpochRule("step"))[0]] == [100, 200]


@pytest.mark.parametrize(
    ("first", "texts", "epochs"),
    [(1, "1 2 3", [1, 2, 3]), (0, "0 1 2", [1, 2, 3]), (1, "0.5 1.0 1.5", [1, 1, 2]), (0, "0.0 0.9 1.0", [1, 1, 2])],
)
def test_first_epochs_and_parts_of_epochs(tmp_path: Path, first: int, texts: str, epochs: list[int]) -> None:
    log = "".join(f"{text}: x=1\n" for text in texts.split())
    found, _ = read(tmp_path, log, r"(?P<epoch>\S+): x=(?P<x>1)", rule=EpochRule(first=first))
    assert [epoch for epoch, _, _ in found] == epochs


def test_progress_bars_colours_and_backspaces(tmp_path: Path) -> None:
    log = b"\x1b[1mEpoch 1\x1b[0m\r\n 1/3 loss: 0.75\r 2/3 loss: 0.5\r 3/3 loss: 0.2\x08\x08\x08\x080.25\r\n"
    found, _ = read(tmp_path, log, r"Epoch (?P<epoch>\d+)", r"loss: ?(?P<loss>[\d.]+)")
    assert [values["loss"] for _, _, values in found] == [0.75, 0.5, 0.25]


def test_a_bar_that_never_ends_its_line_is_read_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "log"
    source = LogSource(Place(str(path)), [compile_pattern(r"loss=(?P<loss>\d+)")], EpochRule())
    seen: list[float] = []
    with open(path, "wb", buffering=0) as file:
        for number in range(500):
            file.write(b"\r" + b"#" * 1_000 + b" loss=%d" % number)
            seen += [o.values["loss"] for o in source.read(time.monotonic() + 60, final=False).found]
    assert seen == list(range(499))  # the last one may not be whole
    assert source.skipped == 0


def test_a_line_without_end_is_passed_over_and_counted(tmp_path: Path) -> None:
    log = b"a=1\n" + b"a=2 " * CHUNK + b"\na=3\n"
    found, source = read(tmp_path, log, r"^a=(?P<a>\d+)")
    assert [values["a"] for _, _, values in found] == [1, 3]
    assert source.skipped == 1


@pytest.mark.parametrize("epoch", ["-1", "x", "1e30", "nan", "9" * 400])
def test_an_epoch_that_is_none_is_counted(tmp_path: Path, epoch: str) -> None:
    found, source = read(tmp_path, f"2: a=1\n{epoch}: a=2\n", r"(?P<epoch>\S+): a=(?P<a>\d)")
    assert found == [(2, None, {"a": 1}), (2, None, {"a": 2})]
    assert source.skipped == 1


def test_an_optional_group_that_took_no_part_is_no_mistake(tmp_path: Path) -> None:
    found, source = read(tmp_path, "a=1\na=2 b=3\n", r"a=(?P<a>\d)(?: b=(?P<b>\d))?")
    assert [values for _, _, values in found] == [{"a": 1}, {"b": 3}] or len(found) == 3
    assert source.skipped == 0


def test_a_pattern_that_is_stuck_is_ended_and_given_up(tmp_path: Path) -> None:
    """Without the watchdog a single one of these lines takes for ever."""
    evil = "a" * 60 + "!\n"
    log = "good=1\n" + evil * 10 + "good=2\n"
    found, source = read(tmp_path, log, r"(?P<bad>(a+)+)$", r"good=(?P<good>\d)")
    assert [values for _, _, values in found if "good" in values] == [{"good": 1}, {"good": 2}]
    assert source.skipped == MAX_SLOW
    assert "was given up" in source.trouble


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(", "no regular expression"),
        ("loss", "no named group"),
        ("(?P<name>a)", "without the other"),
        ("(?P<value>a)", "without the other"),
        ("a{9999999999}(?P<a>b)", "no regular expression"),
    ],
)
def test_patterns_that_cannot_work_are_refused(text: str, words: str) -> None:
    with pytest.raises(PatternError, match=words):
        compile_pattern(text)


def test_a_pattern_may_tell_the_epoch_alone() -> None:
    assert not finds_metrics(compile_pattern(r"(?P<epoch>\d) (?P<step>\d)"))
    assert finds_metrics(compile_pattern(r"(?P<epoch>\d) (?P<loss>\d)"))
