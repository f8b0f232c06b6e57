"""Benches in a folder of their own, closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from htr_tui.study.search_spec import SearchSpec
from tests.search.bench import TPE, Bench


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes benches and closes whatever they opened."""
    made: list[Bench] = []

    def make(spec: dict[str, Any] | None = None, directions: tuple[str, ...] = ("maximize",)) -> Bench:
        folder = tmp_path / f"bench-{len(made)}"
        bench = Bench(folder / "runs" / "optuna.db", SearchSpec.model_validate(spec or TPE), directions)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        for store in bench.opened:
            store.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
