"""Formulas over metrics."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_gan.expression import DEEPEST, LONGEST, ExpressionError, parse_expression

VALUES = {"val/psnr": 23.0, "val/ssim": 0.5, "val/cer": 0.125, "lr": 2.0, "loss/total": 4.0, "zero": 0.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("val/psnr + val/ssim - 100 * val/cer", 11.0),
        ("-val/cer", -0.125),
        ("- -lr", 2.0),
        ("10 - 2 - 3", 5.0),
        ("12 / 2 / 3", 2.0),
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("min(val/psnr, 3 * lr, loss/total)", 4.0),
        ("max(lr)", 2.0),
        ("val/psnr / lr", 11.5),
        ("lr/2", 1.0),
        ("1e-1 * .5 + 2.", 2.05),
        ("  lr\n", 2.0),
        ("2*-lr", -4.0),
    ],
)
def test_values(text: str, value: float) -> None:
    assert parse_expression(text)(VALUES) == pytest.approx(value, abs=1e-12)


def test_the_score_has_the_bits_of_the_formula_in_python() -> None:
    formula = parse_expression("val/psnr + val/ssim - 100 * val/cer")
    for psnr, ssim, cer in ((23.2123, 0.9151, 0.1303), (12.89, 0.458, 0.83)):
        values = {"val/psnr": psnr, "val/ssim": ssim, "val/cer": cer}
        assert formula(values) == psnr + ssim - 100.0 * cer


def test_a_division_by_zero_is_not_a_number() -> None:
    assert math.isnan(parse_expression("lr / zero")(VALUES))
    assert math.isnan(parse_expression("max(1, lr / zero)")(VALUES))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 1"),
        ("val/cer +", "column 10, found the end"),
        ("(lr", "')' is expected"),
        ("lr lr", "an operator is expected at column 4"),
        ("lr ** 2", "column 5"),
        ("lr % 2", "'%' at column 4"),
        ("min lr", "'(' is expected"),
        ("min()", "column 5"),
        ("__import__('os')", "is not understood"),
        ("lr.real", "is not understood"),
        ("lr if 1 else 2", "an operator is expected"),
        ("(" * (DEEPEST + 2) + "1" + ")" * (DEEPEST + 2), "parentheses within"),
        ("1+" * LONGEST + "1", "at most"),
    ],
)
def test_what_is_wrong_where(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert message in str(caught.value)


def test_a_metric_that_does_not_exist_is_named_with_those_that_do() -> None:
    formula = parse_expression("val/psnr - val/cre")
    assert formula.names == {"val/psnr", "val/cre"}
    with pytest.raises(ExpressionError) as caught:
        formula(VALUES)
    assert "'val/cre'; did you mean val/cer?" in str(caught.value)
    assert "loss/total" in str(caught.value)


@given(st.text(alphabet="ab/ 01.+-*(),emin", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        formula = parse_expression(text)
    except ExpressionError:
        return
    assert isinstance(formula(dict.fromkeys(formula.names, 1.0)), float)
