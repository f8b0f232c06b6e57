"""The forms in which people keep metrics in JSON, brought to one: records with an epoch each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from htr_tui.metrics.collector import Observation
from htr_tui.metrics.csv_source import EPOCH_NAMES, STEP_NAMES
from htr_tui.metrics.epochs import EpochRule, number_of, step_of

Key = str | int
MAX_DEPTH = 8
"""Levels of mappings within a record."""
MAX_LEAVES = 1_000_000
"""Values looked at in one file."""


class Shapes:
    """Finds the metrics of

    - a list of records: `[{"epoch": 1, "loss": 0.5}, ...]`, their epoch by its key, else by place;
    - columns: `{"loss": [0.5, 0.4], ...}` (Keras's history), or pandas's `{"loss": {"0": 0.5, ...}}`;
    - records by epoch: `{"1": {"loss": 0.5}, ...}`;
    - one record: `{"epoch": 3, "loss": 0.4}`, the newest;
    - one list of numbers, where `at` leads to it.

    Mappings in a record are part of the names: `{"val": {"psnr": 20}}` is `val/psnr`.
    """

    def __init__(self, rule: EpochRule, at: tuple[Key, ...] = ()) -> None:
        self.skipped = 0
        """Records and values of the file as it is now that could not be taken."""
        self.trouble = ""
        self._rule = rule
        self._at = at
        self._left = 0

    def observations(self, value: Any) -> Iterator[Observation]:
        """Every metric of a file's content."""
        self.skipped, self.trouble, self._left = 0, "", MAX_LEAVES
        for place, key in enumerate(self._at):
            inner = _inner(value, key)
            if inner is None:
                self.trouble = f"there is nothing at {'.'.join(map(str, self._at[: place + 1]))}"
                return
            value = inner
        if isinstance(value, list):
            yield from self._list(value)
        elif isinstance(value, dict):
            yield from self._mapping(value)
        elif (number := number_of(value)) is not None:
            yield Observation(1, {self._own_name: number})
        else:
            self.skipped += 1

    @property
    def _own_name(self) -> str:
        """What a number is called that has no key of its own."""
        return next((key for key in reversed(self._at) if isinstance(key, str)), "value")

    def _list(self, items: list[Any]) -> Iterator[Observation]:
        tells_epoch = any(isinstance(item, dict) and self._epoch_key(item) is not None for item in items)
        for index, item in enumerate(items, 1):
            if isinstance(item, dict):
                leaves = self._leaves(item)
                if tells_epoch and self._rule.name is None and self._epoch_key(leaves) is None:
                    self.skipped += 1  # where records tell their epoch, one that does not is of none
                    continue
                yield from self._record(leaves, index)
            elif (number := number_of(item)) is not None:
                yield Observation(index, {self._own_name: number})
            else:
                self.skipped += item is not None

    def _mapping(self, mapping: dict[str, Any]) -> Iterator[Observation]:
        if mapping and all(_is_whole(key) and isinstance(item, dict) for key, item in mapping.items()):
            for key, item in mapping.items():
                yield from self._record(self._leaves(item), 1, key)
            return
        leaves = self._leaves(mapping)
        if self._epoch_key(leaves) is None and any(isinstance(leaf, list) for leaf in leaves.values()):
            yield from self._columns(leaves)
        else:
            yield from self._record(leaves, 1)

    def _columns(self, leaves: dict[str, Any]) -> Iterator[Observation]:
        lists = {name: leaf for name, leaf in leaves.items() if isinstance(leaf, list)}
        for index in range(max(map(len, lists.values()))):
            row = {name: leaf[index] for name, leaf in lists.items() if index < len(leaf)}
            yield from self._record(row, index + 1)

    def _record(self, leaves: dict[str, Any], index: int, key: str | None = None) -> Iterator[Observation]:
        """One record; its epoch is told by its key in the mapping around it, by a key of its own, or counted."""
        epoch_key = self._epoch_key(leaves)
        step_key = next((name for name in STEP_NAMES if name in leaves), None)
        step = step_of(leaves[step_key]) if step_key else None
        epoch: int | None = index
        if self._rule.name == "step":
            epoch = self._rule.epoch_of(step)
        elif self._rule.name != "count" and epoch_key is not None:
            epoch = self._rule.epoch_of(leaves[epoch_key])
        elif self._rule.name not in (None, "count"):
            epoch = None
        elif key is not None:
            epoch = self._rule.epoch_of(key)
        if epoch is None:
            self.skipped += 1
            return
        values: dict[str, float] = {}
        for name, leaf in leaves.items():
            if name in (epoch_key, step_key):
                continue
            number = None if isinstance(leaf, bool) else number_of(leaf)
            if number is not None:
                values[name] = number
            elif not isinstance(leaf, str | bool | None):
                self.skipped += 1
        if values:
            yield Observation(epoch, values, step)

    def _epoch_key(self, leaves: dict[str, Any]) -> str | None:
        """The key that tells the epoch; None where none does or a list stands there (a column)."""
        names = EPOCH_NAMES if self._rule.name in (None, "count", "step") else (self._rule.name,)
        return next((name for name in names if name in leaves and not isinstance(leaves[name], list)), None)

    def _leaves(self, mapping: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
        """A mapping's values by path; a list stays whole, a mapping of row numbers is a list."""
        leaves: dict[str, Any] = {}
        for key, item in mapping.items():
            self._left -= len(item) if isinstance(item, list) else 1
            if self._left < 0 or depth > MAX_DEPTH:
                self.skipped += 1
                break
            if not isinstance(item, dict):
                leaves[prefix + key] = item
            elif item and all(_is_whole(k) and not isinstance(v, dict | list) for k, v in item.items()):
                leaves[prefix + key] = [item[k] for k in sorted(item, key=int)]
            else:
                leaves |= self._leaves(item, f"{prefix}{key}/", depth + 1)
        return leaves


def _inner(value: Any, key: Key) -> Any:
    """What a key or an index leads to; None where it leads nowhere."""
    if isinstance(value, dict):
        return value.get(str(key))
    if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return None


def _is_whole(key: str) -> bool:
    return key.isdecimal() and key.isascii() and len(key) < 16
