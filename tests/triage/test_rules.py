from __future__ import annotations

import re
from importlib.resources import files

import pytest

from htr_tui.triage.finding import CATEGORIES
from htr_tui.triage.rules import RuleError, literal_of, load_rules, parse_rules

TEXT = files("htr_tui.triage").joinpath("rules.yaml").read_text(encoding="utf-8")


def test_the_shipped_rules_are_whole() -> None:
    rules = load_rules()
    assert set(rules.categories) == set(CATEGORIES)
    assert {rule.category for rule in rules.rules} <= set(CATEGORIES)
    used = {name for rule in rules.rules for name in rule.fixes or ()}
    used |= {name for category in rules.categories.values() for name in category.fixes} | {"retry_later"}
    assert used == set(rules.fixes)
    assert all(category.title and category.explanation for category in rules.categories.values())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: gpu_oom.torch", "id: gpu_ohm.torch", "gpu_ohm.torch"),
        ("    confidence: 0.97", "    confidance: 0.97", "confidance"),
        ("'CUDA out of memory'", "'CUDA out of (memory'", "gpu_oom.torch"),
        ("'CUDA out of memory'", "'a|b'", "has no literal"),
        ("when: always", "when: sometimes", "nan_loss.metric"),
        ("fixes: [no_cudnn]", "fixes: [no_such]", "no_such"),
        ("id: gpu_oom.xla", "id: gpu_oom.torch", "named twice"),
    ],
)
def test_a_mistake_in_the_rules_is_named(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(RuleError, match=re.escape(message)):
        parse_rules(TEXT.replace(old, new, 1))


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        ("No space left", "no space left"),
        (r"(?i)oom[-_ ]kill", "kill"),
        (r"Xid \(PCI", "xid (pci"),
        (r"loads? \d+ bytes", " bytes"),
        (r"abc|def", ""),
        (r"(?:abcdef)gh", "gh"),
        (r"abx{2}cde", "cde"),
        (r"ab+c", "ab"),
    ],
)
def test_the_first_test_is_a_literal_that_every_match_holds(pattern: str, literal: str) -> None:
    assert literal_of(pattern) == literal


def test_no_pattern_begins_with_a_repeat_without_end() -> None:
    """It would be tried again at each character of a long line of digits or letters: seconds a line."""
    rules = load_rules()
    regexes = [rules.progress, *rules.harmless, *rules.frameworks.values()]
    for rule in rules.rules:
        regexes += [pattern.regex for pattern in rule.patterns]
        regexes += [*rule.unless, *rule.needs, *rule.forbids, *rule.recovers]
    endless = re.compile(r"(?:^|\(\?i:)(?:\(\?i\))?(?:\\[dwsDWS]|\.|\[[^\]]*\])[*+]")
    assert endless.search(r"(?i:\d+%)|x")
    assert endless.match(r"(?i)\w*loss")
    assert [regex.pattern for regex in regexes if endless.search(regex.pattern)] == []
