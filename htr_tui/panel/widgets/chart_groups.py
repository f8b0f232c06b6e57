"""Which charts stand together: grouped by the prefix of the metric, train and val of a metric in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from htr_tui.panel.widgets.curve_plot import Series

SIDES: Final = ("train", "val")
"""Prefixes of the same quantity measured on two sets, which belong over each other."""


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """One chart: what stands above it and its curves."""

    title: str
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class ChartGroup:
    """Charts under one heading, in the order they were given."""

    heading: str
    charts: tuple[ChartSpec, ...]


def group_charts(charts: Sequence[tuple[str, Sequence[Series]]], overlay: bool = True) -> list[ChartGroup]:
    """Groups in the order of their first chart; `overlay` puts train/x over val/x where each is one curve."""
    specs = [ChartSpec(title, tuple(series)) for title, series in charts]
    if overlay:
        specs = _overlaid(specs)
    groups: dict[str, list[ChartSpec]] = {}
    for spec in specs:
        groups.setdefault(_prefix(spec.title), []).append(spec)
    return [ChartGroup(heading, tuple(members)) for heading, members in groups.items()]


def _overlaid(specs: Sequence[ChartSpec]) -> list[ChartSpec]:
    """A pair of sides becomes the chart of the bare name, at the place of the first of the two."""
    single = {spec.title: spec for spec in specs if len(spec.series) == 1}
    found: list[ChartSpec] = []
    done: set[str] = set()
    for spec in specs:
        side, _, name = spec.title.partition("/")
        pair = [f"{one}/{name}" for one in SIDES]
        if spec.title in done:
            continue
        if not name or side not in SIDES or not all(title in single for title in pair):
            found.append(spec)
            continue
        curves = [replace(single[title].series[0], name=SIDES[i], style_index=i) for i, title in enumerate(pair)]
        found.append(ChartSpec(f"{'+'.join(SIDES)}/{name}", tuple(curves)))
        done.update(pair)
    return found


def _prefix(title: str) -> str:
    """What stands before the slash; a pair of sides stands with the values of the second."""
    prefix, slash, _ = title.partition("/")
    return (SIDES[-1] if prefix == "+".join(SIDES) else prefix) if slash else ""
