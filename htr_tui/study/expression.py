"""Objective expressions over metric names: `val/psnr + val/ssim - 100 * val/cer`.

A parser of our own, because metric names contain slashes and nothing of the text may ever be executed. A slash between
two parts of a name belongs to the name; division has a space, a number or a parenthesis at one of its sides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 1000
MAX_TOKENS: Final = 300
MAX_DEPTH: Final = 40

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*(?:[./][^\W\d]\w*|\.\w+)*)"
    r"|`(?P<quoted>[^`]+)`"
    r"|(?P<operator>\*\*|[-+*/(),])"
)


def _divide(a: float, b: float) -> float:
    if b != 0 or math.isnan(a):
        return a / b if b != 0 else math.nan
    return math.nan if a == 0 else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _power(a: float, b: float) -> float:
    try:
        result = a**b
    except OverflowError:
        return math.inf if a > 0 or b % 2 == 0 else -math.inf
    except ZeroDivisionError:
        return math.inf
    return result if isinstance(result, float) else math.nan


def _exp(a: float) -> float:
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def _log(a: float) -> float:
    if a == 0:
        return -math.inf
    return math.log(a) if a > 0 else math.nan


def _sqrt(a: float) -> float:
    return math.sqrt(a) if a >= 0 else math.nan


def _min(*values: float) -> float:
    return math.nan if any(map(math.isnan, values)) else min(values)


def _max(*values: float) -> float:
    return math.nan if any(map(math.isnan, values)) else max(values)


FUNCTIONS: Final[dict[str, tuple[Callable[..., float], int, int]]] = {
    "abs": (abs, 1, 1),
    "exp": (_exp, 1, 1),
    "log": (_log, 1, 1),
    "max": (_max, 1, 20),
    "min": (_min, 1, 20),
    "sqrt": (_sqrt, 1, 1),
}
"""Name -> function, fewest and most arguments."""

_BINARY: Final[dict[str, Callable[[float, float], float]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "**": _power,
}


class ExpressionError(ValueError):
    """What is wrong with an expression, and at which character (from 0)."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} (at character {position + 1})")
        self.position = position


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class _Number:
    value: float


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[..., float]
    arguments: tuple[_Node, ...]


_Node = _Number | _Name | _Call


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed formula; evaluating it cannot raise, loop or reach anything but the given values."""

    text: str
    names: tuple[str, ...]
    """Metric names it needs, in order of appearance."""
    _root: _Node

    @classmethod
    def parse(cls, text: str) -> Expression:
        """The expression in `text`; ExpressionError (a ValueError) says what is wrong and where."""
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
        parser = _Parser(list(_tokens(text)))
        root = parser.parse()
        return cls(text, tuple(dict.fromkeys(parser.names)), root)

    def evaluate(self, values: Mapping[str, float]) -> float | None:
        """The value; None while a metric is missing. NaN stays NaN, a division by zero is infinite or NaN."""
        if any(name not in values for name in self.names):
            return None
        return _evaluate(self._root, values)

    def __str__(self) -> str:
        return self.text


def _evaluate(node: _Node, values: Mapping[str, float]) -> float:
    if isinstance(node, _Number):
        return node.value
    if isinstance(node, _Name):
        return float(values[node.name])
    return float(node.function(*(_evaluate(argument, values) for argument in node.arguments)))


def _tokens(text: str) -> Iterator[_Token]:
    position = count = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"{text[position]!r} is not allowed here", position)
        kind = str(match.lastgroup)
        if kind != "space":
            count += 1
            if count > MAX_TOKENS:
                raise ExpressionError("too long", position)
            yield _Token(kind, match[kind], position)
        position = match.end()
    yield _Token("end", "", len(text))


class _Parser:
    """Recursive descent; depth is bounded, so that no text can exhaust the stack."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.names: list[str] = []
        self._tokens = tokens
        self._index = 0
        self._depth = 0

    def parse(self) -> _Node:
        if self._next.kind == "end":
            raise ExpressionError("empty", 0)
        node = self._sum()
        if self._next.kind != "end":
            raise ExpressionError(f"unexpected {self._next.text!r}", self._next.position)
        return node

    @property
    def _next(self) -> _Token:
        return self._tokens[self._index]

    def _take(self) -> _Token:
        token = self._next
        self._index += token.kind != "end"
        return token

    def _at(self, *operators: str) -> bool:
        return self._next.kind == "operator" and self._next.text in operators

    def _expect(self, operator: str) -> None:
        token = self._take()
        if token.kind != "operator" or token.text != operator:
            raise ExpressionError(f"expected {operator!r}", token.position)

    def _sum(self) -> _Node:
        node = self._product()
        while self._at("+", "-"):
            operator = self._take().text
            node = _Call(_BINARY[operator], (node, self._product()))
        return node

    def _product(self) -> _Node:
        node = self._unary()
        while self._at("*", "/"):
            operator = self._take().text
            node = _Call(_BINARY[operator], (node, self._unary()))
        return node

    def _unary(self) -> _Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError("nested too deeply", self._next.position)
        try:
            if self._at("-"):
                self._take()
                return _Call(lambda a: -a, (self._unary(),))
            if self._at("+"):
                self._take()
                return self._unary()
            return self._power()
        finally:
            self._depth -= 1

    def _power(self) -> _Node:
        base = self._atom()
        if not self._at("**"):
            return base
        self._take()
        return _Call(_power, (base, self._unary()))

    def _atom(self) -> _Node:
        token = self._take()
        if token.kind == "number":
            return _Number(float(token.text))
        if token.kind == "name" and self._at("("):
            return self._call(token)
        if token.kind in ("name", "quoted"):
            self.names.append(token.text)
            return _Name(token.text)
        if token.kind == "operator" and token.text == "(":
            node = self._sum()
            self._expect(")")
            return node
        raise ExpressionError("a metric name or a number is missing", token.position)

    def _call(self, name: _Token) -> _Node:
        if name.text not in FUNCTIONS:
            raise ExpressionError(
                f"unknown function {name.text!r}; there are {', '.join(sorted(FUNCTIONS))}", name.position
            )
        function, fewest, most = FUNCTIONS[name.text]
        self._expect("(")
        arguments = [self._sum()]
        while self._at(","):
            self._take()
            arguments.append(self._sum())
        self._expect(")")
        if not fewest <= len(arguments) <= most:
            raise ExpressionError(f"{name.text} takes {fewest} argument(s), not {len(arguments)}", name.position)
        return _Call(function, tuple(arguments))
