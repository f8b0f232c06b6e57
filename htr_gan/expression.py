"""Formulas over metrics, such as `val/psnr + val/ssim - 100 * val/cer`: which epoch is best, when to stop.

Numbers, metric names, + - * /, parentheses, min(...) and max(...); nothing else, and nothing is ever executed. A slash
between two letters belongs to a metric's name (`val/cer`); a division has spaces around it or a number behind it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

LONGEST, DEEPEST = 500, 50
"""Characters of a formula, and parentheses within parentheses."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z_][A-Za-z0-9_]*)*)"
    r"|(?P<sign>[-+*/(),]))"
)
_FUNCTIONS: dict[str, Callable[..., float]] = {"min": min, "max": max}

Values = Mapping[str, float]
_Node = Callable[[Values], float]


class ExpressionError(ValueError):
    """A formula that cannot be read, or a metric in it that does not exist."""


@dataclass(frozen=True)
class Expression:
    """A formula that was read."""

    text: str
    names: frozenset[str]
    """The metrics in it."""
    _node: _Node

    def __call__(self, values: Values) -> float:
        """Its value; nan after a division by zero; ExpressionError for a metric that `values` lacks."""
        self.check_names(values)
        return self._node(values)

    def check_names(self, known: Mapping[str, object]) -> None:
        """ExpressionError for a metric that is not in `known`; it lists those that are."""
        for name in sorted(self.names - known.keys()):
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ExpressionError(f"no metric {name!r}{hint} Known: {' '.join(sorted(known))}")


def parse_expression(text: str) -> Expression:
    """The formula in `text`; ExpressionError says what is wrong where."""
    if len(text) > LONGEST:
        raise ExpressionError(f"a formula of {len(text)} characters; at most {LONGEST} are read")
    parser = _Parser(text)
    node = parser.sum(0)
    parser.expect_end()
    return Expression(text, frozenset(parser.names), node)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, text, column from 1) of each word, and an end."""
    place, text = 0, text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            rest = text[place:].lstrip()
            raise ExpressionError(f"{rest[0]!r} at column {len(text) - len(rest) + 1} is not understood")
        yield match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1
        place = match.end()
    yield "end", "the end", len(text) + 1


class _Parser:
    """Recursive descent; each method reads one level of precedence and returns what computes it."""

    def __init__(self, text: str) -> None:
        self.names: set[str] = set()
        self._tokens = list(_tokens(text))
        self._next = 0

    def sum(self, depth: int) -> _Node:
        """Products, added and subtracted from left to right."""
        node = self._product(depth)
        while sign := self._take("+", "-"):
            node = partial(_add if sign == "+" else _subtract, node, self._product(depth))
        return node

    def _product(self, depth: int) -> _Node:
        node = self._signed(depth)
        while sign := self._take("*", "/"):
            node = partial(_multiply if sign == "*" else _divide, node, self._signed(depth))
        return node

    def _signed(self, depth: int) -> _Node:
        is_negative = False
        while sign := self._take("+", "-"):
            is_negative ^= sign == "-"
        node = self._atom(depth)
        return partial(_negate, node) if is_negative else node

    def _atom(self, depth: int) -> _Node:
        kind, word, column = self._tokens[self._next]
        if depth > DEEPEST:
            raise ExpressionError(f"more than {DEEPEST} parentheses within parentheses at column {column}")
        if self._take("("):
            node = self.sum(depth + 1)
            self._expect(")")
            return node
        self._next += 1
        if kind == "number":
            return partial(_constant, float(word))
        if kind != "name":
            raise ExpressionError(f"a number or a metric is expected at column {column}, found {word}")
        if word in _FUNCTIONS:
            return self._call(word, depth + 1)
        self.names.add(word)
        return partial(_metric, word)

    def _call(self, function: str, depth: int) -> _Node:
        self._expect("(")
        arguments = [self.sum(depth)]
        while self._take(","):
            arguments.append(self.sum(depth))
        self._expect(")")
        return partial(_apply, _FUNCTIONS[function], arguments)

    def _take(self, *signs: str) -> str:
        kind, word, _ = self._tokens[self._next]
        if kind != "sign" or word not in signs:
            return ""
        self._next += 1
        return word

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            _, word, column = self._tokens[self._next]
            raise ExpressionError(f"{sign!r} is expected at column {column}, found {word}")

    def expect_end(self) -> None:
        """Nothing may follow."""
        kind, word, column = self._tokens[self._next]
        if kind != "end":
            raise ExpressionError(f"an operator is expected at column {column}, found {word}")


def _constant(number: float, _values: Values) -> float:
    return number


def _metric(name: str, values: Values) -> float:
    return float(values[name])


def _negate(node: _Node, values: Values) -> float:
    return -node(values)


def _add(left: _Node, right: _Node, values: Values) -> float:
    return left(values) + right(values)


def _subtract(left: _Node, right: _Node, values: Values) -> float:
    return left(values) - right(values)


def _multiply(left: _Node, right: _Node, values: Values) -> float:
    return left(values) * right(values)


def _divide(left: _Node, right: _Node, values: Values) -> float:
    below = right(values)
    return left(values) / below if below else math.nan


def _apply(function: Callable[..., float], arguments: list[_Node], values: Values) -> float:
    found = [argument(values) for argument in arguments]
    return math.nan if any(math.isnan(value) for value in found) else function(found)
