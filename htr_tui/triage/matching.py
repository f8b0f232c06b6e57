"""Which lines of a log match which rules: literal search over the whole text first, regular expressions on few lines."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from htr_tui.triage.reading import LogLine
from htr_tui.triage.rules import Pattern, Rule, Rules

MAX_HITS: Final = 50
"""Lines of one pattern that are looked at, besides its last one."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that a rule matched; `index` counts in the list of lines."""

    rule: Rule
    index: int
    line: LogLine

    @property
    def category(self) -> str:
        """The rule's."""
        return self.rule.category


class LineIndex:
    """Lines, searchable by lower-case literals in one pass over their joined text."""

    def __init__(self, lines: Sequence[LogLine]) -> None:
        self.lines = lines
        lowered = [line.text.lower() for line in lines]
        self._text = "\n".join(lowered)
        self._starts = [0, *accumulate(len(text) + 1 for text in lowered)]

    def find(self, pattern: Pattern) -> list[int]:
        """Indexes of the lines that match: the first `MAX_HITS` and the last."""
        found: list[int] = []
        at = self._text.find(pattern.needle)
        while at >= 0 and len(found) < MAX_HITS:
            index = bisect_right(self._starts, at) - 1
            if pattern.regex.search(self.lines[index].text):
                found.append(index)
            at = self._text.find(pattern.needle, self._starts[index + 1])
        if at >= 0:
            last = bisect_right(self._starts, self._text.rfind(pattern.needle)) - 1
            if pattern.regex.search(self.lines[last].text):
                found.append(last)
        return found

    def has(self, regex: re.Pattern[str]) -> bool:
        """Some line matches."""
        return any(regex.search(line.text) for line in self.lines)


def find_hits(index: LineIndex, rules: Rules, skip: Collection[int]) -> list[Hit]:
    """All hits of all rules but on lines to `skip`, by line; of one rule and line only one."""
    found: dict[tuple[int, str], Hit] = {}
    for rule in rules.rules:
        for pattern in rule.patterns:
            for i in index.find(pattern):
                if i not in skip and _is_meant(rule, rules, index.lines[i].text):
                    found[i, rule.id] = Hit(rule, i, index.lines[i])
    fitting = {rule.id for rule in {hit.rule.id: hit.rule for hit in found.values()}.values() if _fits(rule, index)}
    return sorted((hit for hit in found.values() if hit.rule.id in fitting), key=lambda hit: hit.index)


def _fits(rule: Rule, index: LineIndex) -> bool:
    """The rest of the log holds what the rule needs and nothing that it forbids."""
    has_needed = not rule.needs or any(index.has(regex) for regex in rule.needs)
    return has_needed and not any(index.has(regex) for regex in rule.forbids)


def _is_meant(rule: Rule, rules: Rules, text: str) -> bool:
    return not any(regex.search(text) for regex in (*rule.unless, *rules.harmless))


def went_on_after(lines: Sequence[LogLine], rules: Rules, wanted: int = 3) -> int:
    """Index before which a failure cannot have ended the run: `wanted` lines of progress follow it; -1 if none do."""
    for i in range(len(lines) - 1, -1, -1):
        if rules.progress.search(lines[i].text):
            wanted -= 1
            if wanted == 0:
                return i
    return -1


def join_wrapped(lines: Sequence[LogLine], limit: int = 4000) -> list[LogLine]:
    """Neighbouring lines as one, for consoles that wrap in the middle of words."""
    last = lines[-limit:]
    return [
        LogLine(first.number, first.text + second.text)
        for first, second in pairwise(last)
        if 60 <= len(first.text) <= 250
    ]
