"""From a cause to a finding that people can act on: title with its particulars, explanation, concrete fixes."""

from __future__ import annotations

from dataclasses import dataclass

from htr_tui.text import clean_text
from htr_tui.triage.details import gpu_share, human_bytes, missing_package, named_path, requested_bytes
from htr_tui.triage.finding import Evidence, Finding, TriageContext
from htr_tui.triage.fixes import ABSURD_BYTES, concrete_fixes
from htr_tui.triage.reading import Log
from htr_tui.triage.rules import Rule, Rules


@dataclass(frozen=True)
class Cause:
    """What the engine decided."""

    category: str
    confidence: float
    title: str = ""
    evidence: tuple[Evidence, ...] = ()
    rule: Rule | None = None
    detail: str = ""
    """A sentence of this case, before the category's own."""


def describe(cause: Cause, rules: Rules, context: TriageContext, log: Log) -> Finding:
    """The finding: words and fixes for a cause, from the rules, the evidence and the values in force."""
    category = rules.categories[cause.category]
    title = cause.title or (cause.rule.title if cause.rule else "") or category.title
    names = list(cause.rule.fixes if cause.rule and cause.rule.fixes is not None else category.fixes)
    text = "\n".join(evidence.text for evidence in cause.evidence)
    details: dict[str, str] = {}
    sentences = [cause.detail] if cause.detail else []

    if cause.category == "gpu_oom":
        title, names, sentences = _gpu_memory(title, names, text, context, details)
    elif cause.category == "import_error":
        package = missing_package(text)
        if package is None:
            names = [name for name in names if name != "install_package"]
        else:
            details["package"] = package
            title = f"Python package {package} is missing" if "No module named" in text else title
    elif cause.category in ("data_missing", "data_corrupt", "disk_full") and (path := named_path(text)):
        details["where"] = f" at {path}"
        title = f"{title}: {clean_text(path, 200)}"

    if log.skipped:
        sentences.append(f"Of a long log, {log.skipped} lines in the middle were only searched for a few words.")
    return Finding(
        category=cause.category,
        confidence=cause.confidence,
        title=title,
        evidence=cause.evidence,
        explanation=" ".join([*sentences, category.explanation]),
        fixes=concrete_fixes(names, rules, context, _framework(log, rules, text), details),
    )


def _gpu_memory(
    title: str, names: list[str], text: str, context: TriageContext, details: dict[str, str]
) -> tuple[str, list[str], list[str]]:
    """The same text needs opposite fixes: a card full of this process, or of another one."""
    request = requested_bytes(text)
    if request:
        details |= {"request": human_bytes(request), "request_bytes": str(request)}
        title = f"{title} (asked for {human_bytes(request)} more)"
    share = gpu_share(text)
    own, others = (share.own, share.others) if share else (0, context.other_gpu_bytes or 0)
    if others > own and others > 1 << 30:
        sentence = f"Other processes held {human_bytes(others)} of the card: a smaller batch here would hardly help."
        return f"{title}: another process holds the GPU", ["retry_later", *names], [sentence]
    if request and request >= ABSURD_BYTES:
        return title, names, ["A request of this size is a wrong shape or index, not a batch a little too large."]
    return title, names, []


def _framework(log: Log, rules: Rules, evidence: str) -> str | None:
    """The framework that the evidence names, else the log's last lines."""
    tail = "\n".join(line.text for line in log.lines[-300:])
    for text in (evidence, tail):
        for name, regex in rules.frameworks.items():
            if regex.search(text):
                return name
    return None
