"""Rules that end an attempt, and comparisons of metrics."""

from __future__ import annotations

import math

import pytest

from htr_tui.study.abort import AbortRule
from htr_tui.study.comparison import Comparison


@pytest.mark.parametrize(
    ("text", "epoch", "value", "before", "strikes"),
    [
        ("val/psnr < 8 at epoch 3", 3, 7.0, 2, True),
        ("val/psnr < 8 at epoch 3", 3, 9.0, 2, False),
        ("val/psnr < 8 at epoch 3", 2, 7.0, 1, False),
        ("val/psnr < 8 at epoch 3", 4, 7.0, 3, False),  # it was decided at epoch 3
        ("val/psnr < 8 at epoch 3", 5, 7.0, 2, True),  # epochs 3 and 4 were not reported
        ("val/psnr < 8 at epoch 3", 4, 7.0, None, True),  # resumed beyond it: the first that is known
        ("val/psnr < 8 from epoch 3", 7, 7.0, 6, True),
        ("val/psnr<8", 1, 7.0, None, True),
        ("val/psnr <= 8", 1, 8.0, None, True),
        ("val/psnr > 8", 1, math.nan, None, False),
        ("val/psnr is nan", 1, math.nan, None, True),
        ("val/psnr is nan at epoch 2", 1, math.nan, None, False),
        ("val/psnr is nan", 1, 1.0, None, False),
        ("log(val/psnr) + 1 >= 0", 1, 8.0, None, True),
    ],
)
def test_strikes(text: str, epoch: int, value: float, before: int | None, strikes: bool) -> None:
    assert AbortRule.parse(text).strikes(epoch, {"val/psnr": value}, before) is strikes


def test_a_missing_metric_is_no_bad_one() -> None:
    assert not AbortRule.parse("val/psnr < 8").strikes(5, {"loss": 1.0}, 4)
    assert not AbortRule.parse("val/psnr is nan").strikes(5, {"loss": 1.0}, 4)


def test_a_rule_tells_the_numbers() -> None:
    rule = AbortRule.parse("val/psnr < 8 at epoch 3")
    assert rule.explain(3, {"val/psnr": 7.25}) == (
        'the rule "val/psnr < 8 at epoch 3" struck in epoch 3: val/psnr was 7.25'
    )


@pytest.mark.parametrize("text", ["", "a", "a < b < c", "a = 3", "a == 3", "< 3", "a <", "a < 3 at epoch x", "is nan"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError):
        AbortRule.parse(text)


def test_excess_says_by_how_much_a_comparison_is_missed() -> None:
    assert Comparison.parse("a <= 11").excess({"a": 12.0}) == 1.0
    assert Comparison.parse("a >= 11").excess({"a": 12.0}) == -1.0
    assert Comparison.parse("a >= `b c`").excess({"a": 1.0}) is None
    assert Comparison.parse("a >= `b c`").names == ("a", "b c")


def test_a_text_of_any_length_is_refused_quickly() -> None:
    with pytest.raises(ValueError, match="longer than 1000"):
        AbortRule.parse("a" + " " * 100_000 + "x")
