"""Objective expressions: slashes in names, arithmetic as Python has it, nothing that can raise or run."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.study.expression import Expression, ExpressionError


def value(text: str, **values: float) -> float | None:
    return Expression.parse(text).evaluate({name.replace("__", "/"): v for name, v in values.items()})


@pytest.mark.parametrize(
    ("text", "names", "result"),
    [
        ("val/psnr + val/ssim - 100 * val/cer", ("val/psnr", "val/ssim", "val/cer"), 20 + 0.5 - 100 * 0.25),
        ("val/psnr", ("val/psnr",), 20.0),
        ("val/psnr / 2", ("val/psnr",), 10.0),
        ("val/psnr/2", ("val/psnr",), 10.0),
        ("(val/psnr)/a", ("val/psnr", "a"), 5.0),
        ("a / b", ("a", "b"), 4 / 3),
        ("a/b", ("a/b",), 7.0),
        ("1/a", ("a",), 0.25),
        ("-a**2", ("a",), -16.0),
        ("2**-1", (), 0.5),
        ("2**3**2", (), 512.0),
        ("10 - 3 - 2", (), 5.0),
        ("8 / 4 / 2", (), 1.0),
        ("+a", ("a",), 4.0),
        ("max(a, b, 1) + min(a, b)", ("a", "b"), 7.0),
        ("abs(0 - a) + sqrt(a) + exp(0) + log(1)", ("a",), 7.0),
        ("`loss-total (mean)` * 2", ("loss-total (mean)",), 18.0),
        ("a.b.c + x.1", ("a.b.c", "x.1"), 3.0),
        ("log + max", ("log", "max"), 3.0),
        ("1e-3 + .5 + 2.", (), 2.501),
        ("épo", ("épo",), 1.5),
    ],
)
def test_values_and_names(text: str, names: tuple[str, ...], result: float) -> None:
    metrics = {
        "val/psnr": 20.0, "val/ssim": 0.5, "val/cer": 0.25, "a": 4.0, "b": 3.0, "a/b": 7.0, "loss-total (mean)": 9.0,
        "a.b.c": 1.0, "x.1": 2.0, "log": 1.0, "max": 2.0, "épo": 1.5,
    }  # fmt: skip
    expression = Expression.parse(text)
    assert expression.names == names
    assert expression.evaluate(metrics) == pytest.approx(result)
    assert str(expression) == text


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0), ("a b", 2), ("1 +", 3), ("a + * b", 4), ("(a", 2), ("a)", 1), ("foo(a)", 0), ("min()", 4), ("sqrt(a, b)", 0),
        ("a; b", 1), ("a.__class__()", 0), ("'a'", 0), ("a[0]", 1), ("lambda: 1", 6), ("a − b", 2), ("a < b", 2),
        ("a//b", 2), ("``", 0), ("(" * 41 + "a" + ")" * 41, 40), ("-" * 60 + "a", 40), ("a.", 1), ("a" * 1001, 1000),
        ("1" + "+1" * 200, 300),
    ],
)  # fmt: skip
def test_mistakes_have_a_place(text: str, position: int) -> None:
    with pytest.raises(ExpressionError, match="at character") as caught:
        Expression.parse(text)
    assert caught.value.position == position


def test_missing_is_none_and_nan_stays() -> None:
    assert value("val/psnr + x", x=1.0) is None
    for text in ("x + 1", "max(x, 1)", "min(1, x)", "0 * x", "x / 0", "-x", "sqrt(x)", "log(x)", "exp(x)", "abs(x)"):
        result = value(text, x=math.nan)
        assert result is not None
        assert math.isnan(result), text


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1 / x", math.inf), ("(0 - 1) / x", -math.inf), ("log(x)", -math.inf), ("10 ** 400", math.inf), ("1e999", math.inf),
        ("exp(1000)", math.inf), ("x ** (0 - 1)", math.inf), ("(0 - 10) ** 401", -math.inf), ("(0 - 10) ** 400", math.inf),
    ],
)  # fmt: skip
def test_no_arithmetic_error(text: str, result: float) -> None:
    assert value(text, x=0.0) == result


@pytest.mark.parametrize("text", ["x / x", "sqrt(x - 1)", "log(x - 1)", "(x - 8) ** 0.5", "1e999 - 1e999"])
def test_undefined_is_nan(text: str) -> None:
    assert math.isnan(value(text, x=0.0) or 0.0)


_operands = st.one_of(
    st.sampled_from(["a", "val/b", "c.d"]), st.floats(0, 1e6).map(repr), st.integers(0, 10**6).map(str)
)
_formulas = st.recursive(
    _operands,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"(-{t})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        st.tuples(st.sampled_from(["abs", "exp", "log", "sqrt"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
    ),
    max_leaves=12,
)
_floats = st.floats(allow_nan=True, allow_infinity=True)


@given(_formulas, _floats, _floats, _floats)
def test_every_formula_has_a_value(text: str, a: float, b: float, c: float) -> None:
    result = Expression.parse(text).evaluate({"a": a, "val/b": b, "c.d": c})
    assert isinstance(result, float)


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_arithmetic_is_pythons(a: float, b: float, c: float) -> None:
    assert value("a + b * c - a / c", a=a, b=b, c=c) == a + b * c - a / c
    assert value("-(a - b) * +c", a=a, b=b, c=c) == -(a - b) * +c


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_a_mistake(text: str) -> None:
    try:
        expression = Expression.parse(text)
    except ExpressionError:
        return
    assert isinstance(expression.evaluate(dict.fromkeys(expression.names, 2.0)), float)
