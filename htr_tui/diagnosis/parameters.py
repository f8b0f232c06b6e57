"""What was searched: ranges that end too early, trials made twice, searches that hardly began."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from htr_tui.diagnosis import words
from htr_tui.diagnosis.cases import Cases
from htr_tui.diagnosis.diagnosis import Diagnosis
from htr_tui.journal.records import TrialRecord

EDGE = 0.1
"""The part of a range, on its own scale, that is its edge."""
TOP_SHARE, TOP_LEAST, TOP_MOST = 0.1, 4, 10
"""The best trials that are looked at: a tenth, at least 4, at most 10."""
EDGE_TRIALS = 12
"""Complete trials before edges are looked at."""
EDGE_SHARE = 0.6
CHANCE = 0.001
"""How likely a study without any trouble may be told of an edge, over all its parameters."""

REPEATED_SHARE = 0.05
RANDOM_TRIALS = 10
"""Trials that Optuna's samplers, and ours, draw at random before they learn."""
TRIALS_PER_PARAMETER = 3


class Range(NamedTuple):
    """A numeric parameter's range."""

    name: str
    low: float
    high: float
    log: bool
    step: float | None
    is_int: bool

    def place(self, value: float) -> float:
        """Where a value lies: 0 at the lowest, 1 at the highest, on the range's own scale."""
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def edge_share(self, *, is_low: bool) -> float:
        """How many of all draws lie within the edge, as a share; of a coarse grid that is the outermost value."""
        if self.is_int and self.log:  # drawn from the logarithm with half a number more at both ends, then rounded
            whole = math.log((self.high + 0.5) / (self.low - 0.5))
            if is_low:
                last = math.floor(self.low ** (1 - EDGE) * self.high**EDGE + 1e-9)
                return math.log((last + 0.5) / (self.low - 0.5)) / whole
            last = math.ceil(self.high ** (1 - EDGE) * self.low**EDGE - 1e-9)
            return math.log((self.high + 0.5) / (last - 0.5)) / whole
        if self.step is None or self.log:
            return EDGE
        steps = round((self.high - self.low) / self.step)
        return (math.floor(EDGE * steps + 1e-9) + 1) / (steps + 1)


def at_edges(cases: Cases) -> Iterator[Diagnosis]:
    """The best trials crowd at a bound: better ones may lie beyond it."""
    ranges = numeric_ranges(cases.fold.facts.space)
    if len(cases.ranked) < EDGE_TRIALS or not ranges:
        return
    top = cases.ranked[: min(TOP_MOST, max(TOP_LEAST, round(TOP_SHARE * len(cases.ranked))))]
    for bounds in ranges:
        having = [(t, value) for t in top if (value := _number(t.params.get(bounds.name), bounds)) is not None]
        for is_low in (True, False):
            near = [(t, v) for t, v in having if (bounds.place(v) if is_low else 1 - bounds.place(v)) <= EDGE + 1e-9]
            chance = _tail(len(near), len(having), bounds.edge_share(is_low=is_low))
            if len(near) < EDGE_SHARE * len(top) or chance > CHANCE / (2 * len(ranges)):
                continue
            yield _edge(cases, bounds, is_low, near, len(top))


def numeric_ranges(space: dict[str, Any]) -> list[Range]:
    """The numeric parameters of a space in the form of a study file; what is no range is left out."""
    found = []
    for name, form in space.items():
        kind = next((k for k in ("float", "int") if isinstance(form, dict) and k in form), None)
        bounds = form[kind] if kind else None
        if not isinstance(bounds, list | tuple) or len(bounds) != 2 or not all(map(_is_number, bounds)):
            continue
        low, high, log = float(bounds[0]), float(bounds[1]), bool(form.get("log"))
        step = form.get("step", 1 if kind == "int" else None)
        if math.isfinite(high - low) and low < high and not (log and low <= 0):
            usable = float(step) if _is_number(step) and step > 0 else None
            found.append(Range(name, low, high, log, usable, kind == "int"))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any, bounds: Range) -> float | None:
    """A value within the range; a retry or a hand may have set one beyond it, which is no edge."""
    return float(value) if _is_number(value) and bounds.low <= value <= bounds.high else None


def _tail(hits: int, of: int, chance: float) -> float:
    """How likely at least `hits` of `of` are by chance."""
    return sum(math.comb(of, k) * chance**k * (1 - chance) ** (of - k) for k in range(hits, of + 1))


def _edge(cases: Cases, bounds: Range, is_low: bool, near: list[tuple[TrialRecord, float]], top: int) -> Diagnosis:
    bound = bounds.low if is_low else bounds.high
    side, values = ("lowest" if is_low else "highest"), [value for _, value in near]
    natural = (is_low and bound == 0) or (not is_low and bound == 1 and bounds.low >= 0 and not bounds.is_int)
    shown = words.name(bounds.name)
    return Diagnosis(
        "edge",
        "info" if natural else "warning",
        f"the best trials have {shown} near its {side} value",
        f"{len(near)} of the best {top} of {len(cases.ranked)} complete trials have {shown} between "
        f"{words.number(min(values))} and {words.number(max(values))}; its range is {words.number(bounds.low)} to "
        f"{words.number(bounds.high)}{' on a logarithmic scale' if bounds.log else ''}.",
        tuple(sorted(trial.number for trial, _ in near)),
        f"{words.number(bound)} is where {shown} ends by its nature: fix it there, or leave it out"
        if natural
        else f"there may be better ones beyond: widen it to {wider(bounds, is_low)}",
    )


def wider(bounds: Range, is_low: bool) -> str:
    """The range with one bound moved out, as a study file writes it."""
    low, high, width = bounds.low, bounds.high, bounds.high - bounds.low
    if bounds.log:
        low, high = (low / 10, high) if is_low else (low, high * 10)
    else:
        low, high = (low - width / 2, high) if is_low else (low, high + width / 2)
        low = 0.0 if bounds.low >= 0 > low else low
    if bounds.is_int:
        smallest = 1 if bounds.log else math.floor(low)
        step = max(1, int(bounds.step or 1))
        whole_low = max(smallest, math.floor(low)) if is_low else int(bounds.low)
        whole_high = int(bounds.high) if is_low else math.ceil(high)
        if is_low:
            whole_low = int(bounds.low) - math.ceil((int(bounds.low) - whole_low) / step) * step
            whole_low += step if whole_low < 0 <= bounds.low else 0
        else:
            whole_high = int(bounds.high) + math.ceil((whole_high - int(bounds.high)) / step) * step
        text = f"{{int: [{whole_low}, {whole_high}]"
        step_text = f", step: {step}" if step != 1 and not bounds.log else ""
    else:
        if bounds.step:
            moved = math.ceil(width / 2 / bounds.step) * bounds.step
            low, high = (bounds.low - moved, high) if is_low else (low, bounds.high + moved)
            low += math.ceil(-low / bounds.step) * bounds.step if low < 0 <= bounds.low else 0
        text = f"{{float: [{words.number(low)}, {words.number(high)}]"
        step_text = f", step: {words.number(bounds.step)}" if bounds.step else ""
    return f"{text}{step_text}{', log: true' if bounds.log else ''}}}"


def duplicates(cases: Cases) -> Iterator[Diagnosis]:
    """The same parameters, the seed included, tried again and again."""
    groups: dict[str, list[TrialRecord]] = defaultdict(list)
    done = [t for t in cases.in_state("complete", "pruned") if t.params]
    for trial in done:
        groups[json.dumps(trial.params, sort_keys=True, default=str)].append(trial)
    repeated = sorted((g for g in groups.values() if len(g) > 1), key=len, reverse=True)
    extra = sum(len(group) - 1 for group in repeated)
    if extra < max(2, REPEATED_SHARE * len(done)):
        return
    worst = repeated[0]
    # A pruned trial has the value of the step at which it was given up, which is no result.
    results = [t for t in worst if t.state == "complete"]
    values = [t.value for t in results if t.value is not None and math.isfinite(t.value)]
    where = "" if len(results) == len(worst) else ", where they came to the end"
    if len(set(values)) > 1:
        said = f" gave values from {words.number(min(values))} to {words.number(max(values))}{where}: that is the noise"
    elif len(values) > 1:
        said = f" all gave {words.number(values[0])}{where}: nothing was learned"
    else:
        said = " are one of them"
    yield Diagnosis(
        "duplicates", "warning", f"{words.percent(extra, len(done))} trials repeat the parameters of another",
        f"{words.count(len(repeated), 'setting')} {'was' if len(repeated) == 1 else 'were'} tried more than once, up to "
        f"{len(worst)} times; {words.listed([t.number for t in worst])}{said}.",
        tuple(sorted(t.number for group in repeated for t in group)),
        "a small space is used up: stop, or use the grid sampler, which tries everything once; where repeats are meant, "
        "give them seeds (`repeats:`)",
    )  # fmt: skip


def hardly_searched(cases: Cases) -> Iterator[Diagnosis]:
    """Too few results for what was asked."""
    searched = [form for form in cases.fold.facts.space.values() if _is_searched(form)]
    told = cases.in_state("complete", "pruned")
    if cases.is_supervised or not searched or not cases.complete or cases.in_state("running", "queued"):
        return
    if _was_tried_whole(cases.fold.facts.space, told):
        return
    if len(told) < RANDOM_TRIALS:
        yield Diagnosis(
            "random_phase", "info", f"only {words.count(len(told), 'trial')} of the random start",
            f"Samplers that learn (TPE, GP, CMA-ES) draw their first {RANDOM_TRIALS} or so trials at random: with one of "
            f"them and {len(told)} complete or pruned trials nothing was searched yet.",
            tuple(t.number for t in told), _more(cases),
        )  # fmt: skip
    elif len(cases.complete) < TRIALS_PER_PARAMETER * len(searched):
        yield Diagnosis(
            "few_trials", "info",
            f"{words.count(len(cases.complete), 'complete trial')} for {words.count(len(searched), 'parameter')}",
            f"Fewer than {TRIALS_PER_PARAMETER} results a parameter tell little about which of them matter.",
            (), "more trials, or search fewer parameters and fix the others",
        )  # fmt: skip


def _more(cases: Cases) -> str:
    if cases.is_imported:
        return "go on with more trials in its own tool, or here in a study of your own with `warm_start:` from this one"
    return f"go on with more trials: `htr-tui run {cases.fold.facts.study} --trials N`"


def _was_tried_whole(space: dict[str, Any], told: list[TrialRecord]) -> bool:
    """Whether a small space without conditions has no setting left."""
    size = 1.0
    for form in space.values():
        size *= _number_of_values(form)
        if size > len(told):
            return False
    return len({json.dumps(t.params, sort_keys=True, default=str) for t in told}) >= size


def _number_of_values(form: Any) -> float:
    """How many values a parameter has; infinity for a range of real numbers, or one that is there at times only."""
    if not isinstance(form, dict) or form.get("when"):
        return math.inf
    if isinstance(choices := form.get("categorical"), list | tuple):
        return max(1, len(choices))
    bounds = next(iter(numeric_ranges({"": form})), None)
    if bounds is None:
        return 1 if "fixed" in form else math.inf
    return math.inf if bounds.step is None else math.floor((bounds.high - bounds.low) / bounds.step + 1e-9) + 1


def _is_searched(form: Any) -> bool:
    if not isinstance(form, dict):
        return False
    choices = form.get("categorical")
    return "float" in form or "int" in form or (isinstance(choices, list | tuple) and len(choices) > 1)
