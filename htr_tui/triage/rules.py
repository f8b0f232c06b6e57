"""The rules, as data: read from `rules.yaml` once, checked, with a cheap first test for every pattern."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import yaml

from htr_tui.triage.finding import CATEGORIES

When = Literal["unless_went_on", "always", "only_if_failed", "gpu_wanted"]
WHENS: Final = ("unless_went_on", "always", "only_if_failed", "gpu_wanted")
MIN_NEEDLE: Final = 3


class RuleError(ValueError):
    """The rule file is wrong; a test keeps this from users."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, searched anywhere in a line, and a literal that every match holds."""

    regex: re.Pattern[str]
    needle: str
    """Lower case; a text without it cannot match."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of line that tells one cause."""

    id: str
    category: str
    patterns: tuple[Pattern, ...]
    confidence: float = 0.9
    when: When = "unless_went_on"
    unless: tuple[re.Pattern[str], ...] = ()
    """A line that also matches one of these is not meant."""
    needs: tuple[re.Pattern[str], ...] = ()
    """One of these must stand somewhere in the log too."""
    forbids: tuple[re.Pattern[str], ...] = ()
    """None of these may stand in the log."""
    recovers: tuple[re.Pattern[str], ...] = ()
    """A later line with one of these says that it passed."""
    is_consequence: bool = False
    """Something else failed before, if anything else is found."""
    is_early: bool = True
    """May stand far above the traceback that it caused."""
    title: str = ""
    fixes: tuple[str, ...] | None = None
    """Instead of the category's."""


@dataclass(frozen=True, slots=True)
class Category:
    """What is said about all findings of a category."""

    name: str
    title: str
    explanation: str
    tier: int
    """Lower tiers are nearer to the root; within a tier the first line decides."""
    fixes: tuple[str, ...] = ()
    signals: tuple[int, ...] = ()
    """Signals that fit the category, so that they raise its confidence."""


@dataclass(frozen=True, slots=True)
class FixTemplate:
    """An abstract fix; `fixes.py` makes it concrete with the values in force."""

    name: str
    title: str
    effect: str
    change: dict[str, Any] = field(default_factory=dict)
    """Knob -> halve, double, or a plain value."""
    optional: tuple[str, ...] = ()
    """Knobs of `change` that may be unknown."""
    env: dict[str, dict[str, str]] = field(default_factory=dict)
    """Framework (or `any`) -> environment."""
    command: str | None = None
    is_manual: bool = False
    """A person must do something first; it is never applied by itself."""


@dataclass(frozen=True, slots=True)
class Rules:
    """All of `rules.yaml`."""

    rules: tuple[Rule, ...]
    categories: dict[str, Category]
    fixes: dict[str, FixTemplate]
    progress: re.Pattern[str]
    """Lines that a training run prints while it goes on."""
    harmless: tuple[re.Pattern[str], ...]
    """Lines that never tell a failure, whatever they look like."""
    frameworks: dict[str, re.Pattern[str]]


@cache
def load_rules() -> Rules:
    """The shipped rules; parsed at the first call only."""
    return parse_rules(files("htr_tui.triage").joinpath("rules.yaml").read_text(encoding="utf-8"))


def parse_rules(text: str) -> Rules:
    """Rules from YAML text; RuleError names the rule and what is wrong with it."""
    data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
    if not isinstance(data, dict):
        raise RuleError("the rule file holds no mapping")
    rules = Rules(
        rules=tuple(_rule(entry) for entry in data["rules"]),
        categories={name: _category(name, entry) for name, entry in data["categories"].items()},
        fixes={name: _fix(name, entry) for name, entry in data["fixes"].items()},
        progress=_compile("|".join(f"(?i:{p})" for p in data["progress"]), "progress"),
        harmless=tuple(_compile(p, "harmless") for p in data["harmless"]),
        frameworks={name: _compile(p, name) for name, p in data["frameworks"].items()},
    )
    _check_references(rules)
    return rules


def _check_references(rules: Rules) -> None:
    ids = [rule.id for rule in rules.rules]
    if twice := {i for i in ids if ids.count(i) > 1}:
        raise RuleError(f"rules named twice: {sorted(twice)}")
    if missing := set(CATEGORIES) ^ set(rules.categories):
        raise RuleError(f"categories missing or unknown: {sorted(missing)}")
    owners = [(rule.id, rule.fixes or ()) for rule in rules.rules]
    owners += [(category.name, category.fixes) for category in rules.categories.values()]
    for owner, names in owners:
        if unknown := set(names) - set(rules.fixes):
            raise RuleError(f"{owner}: unknown fixes {sorted(unknown)}")


def _rule(entry: dict[str, Any]) -> Rule:
    rule_id = str(entry.get("id"))
    allowed = {
        "id", "patterns", "confidence", "when", "unless", "needs", "forbids", "recovers", "consequence", "early", "title", "fixes",
    }  # fmt: skip
    if unknown := set(entry) - allowed:
        raise RuleError(f"{rule_id}: unknown keys {sorted(unknown)}")
    category = rule_id.partition(".")[0]
    when = entry.get("when", "unless_went_on")
    confidence = float(entry.get("confidence", 0.9))
    if category not in CATEGORIES or when not in WHENS or not 0 < confidence <= 1 or not entry.get("patterns"):
        raise RuleError(f"{rule_id}: wrong category, when, confidence, or no patterns")
    return Rule(
        id=rule_id,
        category=category,
        patterns=_patterns(entry["patterns"], rule_id),
        confidence=confidence,
        when=when,
        unless=tuple(_compile(p, rule_id) for p in entry.get("unless", [])),
        needs=tuple(_compile(p, rule_id) for p in entry.get("needs", [])),
        forbids=tuple(_compile(p, rule_id) for p in entry.get("forbids", [])),
        recovers=tuple(_compile(p, rule_id) for p in entry.get("recovers", [])),
        is_consequence=bool(entry.get("consequence", False)),
        is_early=bool(entry.get("early", True)),
        title=str(entry.get("title", "")),
        fixes=tuple(entry["fixes"]) if "fixes" in entry else None,
    )


def _category(name: str, entry: dict[str, Any]) -> Category:
    return Category(
        name=name,
        title=str(entry["title"]),
        explanation=" ".join(str(entry["explanation"]).split()),
        tier=int(entry["tier"]),
        fixes=tuple(entry.get("fixes", [])),
        signals=tuple(entry.get("signals", [])),
    )


def _fix(name: str, entry: dict[str, Any]) -> FixTemplate:
    return FixTemplate(
        name=name,
        title=str(entry["title"]),
        effect=" ".join(str(entry["effect"]).split()),
        change=dict(entry.get("change", {})),
        optional=tuple(entry.get("optional", [])),
        env={str(k): {str(n): str(v) for n, v in env.items()} for k, env in entry.get("env", {}).items()},
        command=entry.get("command"),
        is_manual=bool(entry.get("manual", False)),
    )


def _compile(pattern: str, owner: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise RuleError(f"{owner}: {pattern!r}: {error}") from error


def _patterns(entries: list[str], owner: str) -> tuple[Pattern, ...]:
    patterns = []
    for entry in entries:
        needle = literal_of(entry)
        if len(needle) < MIN_NEEDLE:
            raise RuleError(f"{owner}: {entry!r} has no literal of {MIN_NEEDLE} characters outside of groups")
        patterns.append(Pattern(_compile(entry, owner), needle))
    return tuple(patterns)


def literal_of(pattern: str) -> str:
    """The longest lower-case text that every match of `pattern` must hold; "" if alternatives stand at its top.

    Groups and classes are passed over, a character under `?`, `*` or `{` is not counted.
    """
    best, run, depth, at = "", "", 0, 0
    while at < len(pattern):
        char, width, literal = pattern[at], 1, ""
        if char == "\\":
            width = 2
            literal = "" if pattern[at + 1 : at + 2].isalnum() else pattern[at + 1 : at + 2]
        elif char == "[":
            close = pattern.find("]", at + 2)
            width = (close if close > 0 else len(pattern)) - at + 1
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and depth == 0:
            return ""
        elif char not in ".^$?*+{}|":
            literal = char
        at += width
        if char == "{":
            at = pattern.find("}", at) + 1
        if depth > 0 or not literal or pattern[at : at + 1] in ("?", "*", "{"):
            best, run = max(best, run, key=len), ""
        else:
            run += literal.lower()
    return max(best, run, key=len)
