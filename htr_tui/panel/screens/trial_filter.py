"""The filter of the trials table: states, texts and comparisons, all of which must hold."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from htr_tui.files import to_number
from htr_tui.journal.records import TRIAL_STATES, TrialRecord
from htr_tui.panel.screens.parameters import short_names
from htr_tui.panel.screens.trial_columns import by_words

Predicate = Callable[[TrialRecord], bool]

_COMPARISON: Final = re.compile(r"(?P<key>[^<>=!:\s]+)(?P<op>>=|<=|!=|==|=|>|<|:)(?P<value>.*)", re.DOTALL)

_NUMERIC: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}

_FIELDS: Final[Mapping[str, Callable[[TrialRecord], Any]]] = {
    "trial": lambda trial: trial.number,
    "state": lambda trial: trial.state,
    "value": lambda trial: trial.value,
    "epoch": lambda trial: trial.epoch,
    "attempts": lambda trial: len(trial.attempts),
    "finding": lambda trial: trial.category,
    "label": lambda trial: trial.label,
    "by": lambda trial: by_words(trial),
    "feasible": lambda trial: "yes" if trial.is_feasible else "no",
    "gb": lambda trial: None if trial.peak_gpu_bytes is None else trial.peak_gpu_bytes / 1e9,
}


class FilterMistake(ValueError):
    """A filter that means nothing; the text says why."""


def parse_filter(text: str, parameters: tuple[str, ...] = ()) -> Predicate:
    """A predicate from what the user typed: `failed`, `value>20 pixel<=50`, `finding:oom`, `!pruned`."""
    terms = [_term(word, parameters) for word in text.split()]
    return lambda trial: all(term(trial) for term in terms)


def _term(word: str, parameters: tuple[str, ...]) -> Predicate:
    if word.startswith("!") and len(word) > 1:
        positive = _term(word[1:], parameters)
        return lambda trial: not positive(trial)
    match = _COMPARISON.fullmatch(word)
    if match is not None:
        return _comparison(match["key"], match["op"], match["value"], parameters)
    return _word(word)


def _word(word: str) -> Predicate:
    wanted = word.lower().removeprefix("#")
    states = {state for state in TRIAL_STATES if len(wanted) >= 3 and state.startswith(wanted)}
    if states:
        return lambda trial: trial.state in states
    return lambda trial: any(wanted in text.lower() for text in texts_of(trial))


def texts_of(trial: TrialRecord) -> list[str]:
    """What a search for text looks at."""
    texts = [str(trial.number), trial.state, trial.category or "", trial.label or "", by_words(trial)]
    if not trial.is_feasible:
        texts.append("infeasible")
    texts += [str(value)[:200] for value in trial.params.values()]
    last = trial.last_attempt
    if last is not None:
        texts += [last.fix or "", last.title or "", last.category or ""]
    return texts


def _comparison(key: str, op: str, value: str, parameters: tuple[str, ...]) -> Predicate:
    get = _getter(key.lower().removeprefix("#"), parameters)
    if not value:
        raise FilterMistake(f"{key}{op}: what with?")
    number = _number(value)
    if op in _NUMERIC:
        if number is None:
            raise FilterMistake(f"{key}{op}{value}: {value} is no number")
        compare = _NUMERIC[op]
        return lambda trial: (found := to_number(get(trial))) is not None and compare(found, number)
    wanted = value.lower()
    if op == ":":
        return lambda trial: wanted in str(get(trial) if get(trial) is not None else "").lower()
    is_wanted = op != "!="
    return lambda trial: _equals(get(trial), wanted, number) is is_wanted


def _equals(found: Any, wanted: str, number: float | None) -> bool:
    measured = to_number(found)
    if measured is not None and number is not None:
        return measured == number
    return str("" if found is None else found).lower() == wanted


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _getter(key: str, parameters: tuple[str, ...]) -> Callable[[TrialRecord], Any]:
    if key in _FIELDS:
        return _FIELDS[key]
    names = {short.lower(): name for name, short in short_names(parameters).items()}
    names |= {name.lower(): name for name in parameters}
    if key in names:
        name = names[key]
        return lambda trial: trial.params.get(name)
    known = [*_FIELDS, *names]
    near = difflib.get_close_matches(key, known, 1)
    raise FilterMistake(f"nothing is called {key}" + (f"; did you mean {near[0]}?" if near else ""))
