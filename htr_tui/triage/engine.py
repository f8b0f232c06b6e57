"""From a log and an exit status to the root cause: the first error of the nearest kind, never just the last line."""

from __future__ import annotations

import math
import signal as signals
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from htr_tui.errors import StorageError
from htr_tui.files import iterate_records, read_json, to_number
from htr_tui.journal.paths import AttemptPaths
from htr_tui.text import clean_text
from htr_tui.triage.exceptions import Raised, find_tracebacks, last_bare_exception
from htr_tui.triage.explain import Cause, describe
from htr_tui.triage.finding import Evidence, ExitFacts, Finding, TriageContext
from htr_tui.triage.matching import Hit, LineIndex, find_hits, join_wrapped, went_on_after
from htr_tui.triage.reading import Log, LogLine, read_log
from htr_tui.triage.rules import Rules, load_rules

EXIT_USAGE: Final = 2
EXIT_NOT_STARTED: Final = (126, 127)
RECOVERY_LINES: Final = 10
"""Of the newest lines about a loss: a NaN that is still among them has not passed."""
LAST_LINES: Final = 3
"""Shown as evidence where nothing better is known."""


def classify_log(path: Path, facts: ExitFacts | None = None, context: TriageContext | None = None) -> Finding:
    """What failed, by a log file; without `facts` the text alone decides. StorageError if it cannot be read."""
    try:
        log = read_log(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read", error.strerror or str(error)) from error
    return replace(classify(log, facts, context), path=str(path))


def classify_attempt(folder: Path, facts: ExitFacts | None = None, context: TriageContext | None = None) -> Finding:
    """What failed in an attempt, by its folder; `facts` and `context` replace what its files say."""
    paths = AttemptPaths(folder)
    facts = facts if facts is not None else _facts_of(paths)
    context = _completed_context(paths, context or TriageContext())
    try:
        log = read_log(paths.log)
    except FileNotFoundError:
        log = Log([])
    except OSError as error:
        raise StorageError(f"{paths.log}: cannot be read", error.strerror or str(error)) from error
    return replace(classify(log, facts, context), path=str(folder))


def _facts_of(paths: AttemptPaths) -> ExitFacts | None:
    record = read_json(paths.exit)
    end = next((r for r in iterate_records(paths.events) if r.get("kind") == "end"), None)
    completed = None if end is None else end.get("status") == "complete"
    if record is None:
        return None if completed is None else ExitFacts(completed=completed)
    return ExitFacts(
        exit_code=_whole(record.get("exit_code")),
        signal=_whole(record.get("signal")),
        oom_kills=_whole(record.get("oom_kills")) or 0,
        stopped_by_us=bool(record.get("stop_requested")),
        completed=completed,
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _completed_context(paths: AttemptPaths, context: TriageContext) -> TriageContext:
    """`context` with the parameters and the last loss of the events, where it does not say them itself."""
    if context.params and context.last_loss is not None:
        return context
    params: dict[str, Any] = {}
    loss: float | None = None
    for record in iterate_records(paths.events):
        values = record.get("params" if record.get("kind") == "start" else "values")
        if not isinstance(values, dict):
            continue
        if record.get("kind") == "start":
            params |= values
        elif record.get("kind") == "metrics":
            loss = next((n for k, v in values.items() if _is_loss(k) and (n := to_number(v)) is not None), loss)
    return replace(
        context,
        params=context.params or params,
        last_loss=context.last_loss if context.last_loss is not None else loss,
    )


def _is_loss(name: str) -> bool:
    lowered = name.lower()
    return "loss" in lowered and not lowered.startswith(("val", "test", "eval"))


def classify(log: Log, facts: ExitFacts | None = None, context: TriageContext | None = None) -> Finding:
    """What failed, by a log that was read already."""
    case = _Case(log, facts or ExitFacts(), context or TriageContext(), load_rules())
    return case.finding()


def exit_signal(facts: ExitFacts) -> int | None:
    """The signal that ended the trainer, from any of the ways to tell it."""
    if facts.signal is not None:
        return abs(facts.signal)
    if facts.exit_code is not None and facts.exit_code < 0:
        return -facts.exit_code
    if facts.exit_code is not None and 128 < facts.exit_code <= 128 + 64:
        return facts.exit_code - 128
    return None


def has_failed(facts: ExitFacts) -> bool | None:
    """What the exit says; None where it says nothing and the text must."""
    if facts.exit_code is None and facts.signal is None:
        return None if facts.completed is None else not facts.completed
    return exit_signal(facts) is not None or facts.exit_code != 0


def signal_name(number: int) -> str:
    """SIGKILL for 9."""
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass
class _Case:
    """One log with its circumstances, while it is judged."""

    log: Log
    facts: ExitFacts
    context: TriageContext
    rules: Rules
    failed: bool | None = None
    went_on: int = -1
    all_tracebacks: list[Raised] = field(default_factory=list)
    tracebacks: list[Raised] = field(default_factory=list)
    """Those that were raised to the program, not printed by a finaliser."""
    hits: list[Hit] = field(default_factory=list)
    newest: dict[str, list[tuple[int, bool]]] = field(default_factory=dict)
    """Rule -> its `newest_lines`, looked for once."""

    def finding(self) -> Finding:
        """The judgement: stopped and completed runs first, then causes in the order of how near the root they are."""
        self.failed = has_failed(self.facts)
        if self.facts.stopped_by_us:
            return self.nothing("Stopped on request", "The stop was asked for; the run can be continued.")
        if self.failed is not False:
            self.went_on = went_on_after(self.log.lines, self.rules)
        self.all_tracebacks = find_tracebacks(self.log.lines)
        self.tracebacks = [t for t in self.all_tracebacks if not t.is_ignored]
        self.hits = self.find_hits(LineIndex(self.log.lines))
        cause = (
            self.by_kernel()
            or self.by_text()
            or self.by_wrapped_text()
            or self.by_loss()
            or self.by_crash()
            or self.by_exit()
        )
        if cause is None:
            return self.nothing()
        return describe(cause, self.rules, self.context, self.log)

    def nothing(self, title: str = "", explanation: str = "") -> Finding:
        category = self.rules.categories["none"]
        confidence = 0.95 if self.failed is False or self.facts.stopped_by_us else 0.7
        return Finding("none", confidence, title or category.title, (), explanation or category.explanation)

    # -- hits ------------------------------------------------------------------------------------------------------

    def find_hits(self, index: LineIndex) -> list[Hit]:
        """The hits that count here: not on quoted source, not in ignored tracebacks, not of lines that are harmless now."""
        return [hit for hit in find_hits(index, self.rules, self.quoted_lines()) if self.counts(hit)]

    def quoted_lines(self) -> set[int]:
        quoted: set[int] = set()
        for raised in self.all_tracebacks:
            quoted |= set(range(raised.start, raised.end + 1)) if raised.is_ignored else raised.code
        return quoted

    def counts(self, hit: Hit) -> bool:
        if hit.rule.when == "always":
            return not self.recovered(hit)
        if self.failed is False or (hit.rule.when == "gpu_wanted" and not self.context.gpu_wanted):
            return False
        if not hit.rule.is_early and (fatal := self.fatal_traceback()) is not None and hit.index < fatal.start:
            return False
        if hit.rule.when == "only_if_failed":
            return self.failed is True or self.fatal_traceback() is not None
        return self.failed is True or not self.survived(hit.index)

    def recovered(self, hit: Hit) -> bool:
        """The newest lines that tell the same thing tell it well: one NaN step among good ones."""
        if hit.rule.id not in self.newest:
            self.newest[hit.rule.id] = self.newest_lines(hit)
        after = [good for index, good in self.newest[hit.rule.id] if index > hit.index]
        return bool(after) and all(after)

    def newest_lines(self, hit: Hit) -> list[tuple[int, bool]]:
        """(index, is good) of the last lines that a rule has a word about."""
        found: list[tuple[int, bool]] = []
        for index in range(len(self.log.lines) - 1, -1, -1):
            good = self.tells_good(hit, self.log.lines[index].text)
            if good is not None:
                found.append((index, good))
            if len(found) == RECOVERY_LINES:
                break
        return found

    def tells_good(self, hit: Hit, text: str) -> bool | None:
        if any(pattern.regex.search(text) for pattern in hit.rule.patterns):
            return False
        return True if any(regex.search(text) for regex in hit.rule.recovers) else None

    def survived(self, index: int) -> bool:
        return index < self.went_on

    def fatal_traceback(self) -> Raised | None:
        """The first traceback that training did not go on after."""
        return next((t for t in self.tracebacks if not self.survived(t.start)), None)

    # -- causes, in the order they are asked -----------------------------------------------------------------------

    def by_kernel(self) -> Cause | None:
        """KILL that nobody of us sent while the kernel's out-of-memory counter rose."""
        if exit_signal(self.facts) != signals.SIGKILL or self.facts.oom_kills <= 0:
            return None
        told = [hit for hit in self.hits if hit.category == "host_oom"]
        note = f"signal 9, and the kernel's count of out-of-memory kills rose by {self.facts.oom_kills} during the run"
        return Cause(
            "host_oom",
            0.95,
            evidence=(Evidence(0, note), *_evidence(told, limit=2)),
            rule=told[0].rule if told else None,
        )

    def by_text(self) -> Cause | None:
        """The hit nearest to the root; consequences and unknown tracebacks in the order of the log come after."""
        causes = [hit for hit in self.hits if not hit.rule.is_consequence and hit.category != "crash"]
        if causes:
            best = min(causes, key=self.rank)
            return self.cause_of(best)
        rest = [hit for hit in self.hits if not self.survived(hit.index)] or self.hits
        unknown = self.unknown_traceback()
        if not rest or (unknown is not None and unknown.start < rest[0].index and rest[0].index > unknown.end):
            return None
        return self.cause_of(rest[0])

    def rank(self, hit: Hit) -> tuple[bool, int, int, float]:
        survived = hit.rule.when != "always" and self.survived(hit.index)
        hinted = hit.rule.when == "only_if_failed"
        return (survived, self.rules.categories[hit.category].tier + 10 * hinted, hit.index, -hit.rule.confidence)

    def cause_of(self, hit: Hit) -> Cause:
        same = [other for other in self.hits if other.category == hit.category and other.index >= hit.index]
        confidence = hit.rule.confidence
        if exit_signal(self.facts) in self.rules.categories[hit.category].signals:
            confidence = min(0.98, confidence + 0.05)
        if hit.rule.when != "always" and self.survived(hit.index):
            confidence *= 0.6
        return Cause(hit.category, confidence, evidence=_evidence([hit, *same], limit=4), rule=hit.rule)

    def by_wrapped_text(self) -> Cause | None:
        """The same on lines joined in pairs, for consoles that wrap in the middle of words."""
        if self.failed is False or self.hits:
            return None
        joined = LineIndex(join_wrapped(self.log.lines))
        known = [hit for hit in find_hits(joined, self.rules, ()) if hit.rule.when == "unless_went_on"]
        first = {line.number: i for i, line in reversed(list(enumerate(self.log.lines)))}
        usable = [
            hit for hit in known if not hit.rule.is_consequence and not self.survived(first.get(hit.line.number, 0))
        ]
        if not usable:
            return None
        best = min(usable, key=lambda hit: (self.rules.categories[hit.category].tier, hit.index))
        return Cause(best.category, best.rule.confidence * 0.9, evidence=_evidence([best], limit=1), rule=best.rule)

    def by_loss(self) -> Cause | None:
        """NaN exits with status 0, and nothing but the number says so."""
        loss = self.context.last_loss
        if loss is None or math.isfinite(loss):
            return None
        return Cause("nan_loss", 0.9, evidence=(Evidence(0, f"the last loss is {loss}"),))

    def by_crash(self) -> Cause | None:
        """A traceback that no rule knows: its innermost exception and place."""
        if self.failed is False:
            return None
        unknown = self.unknown_traceback()
        lines = self.log.lines
        if unknown is not None:
            first = Evidence(lines[unknown.end].number, lines[unknown.end].text)
            what = unknown.name or "An exception"
            title = f"{what} at {unknown.place}" if unknown.place else what
            detail = clean_text(unknown.message, 200)
            return Cause(
                "crash", 0.75, title=title, evidence=(first,), detail=detail and f"It says: {detail.rstrip('.')}."
            )
        bare = last_bare_exception(lines, self.quoted_lines(), 20 if self.failed else 5)
        if bare is None or (self.failed is None and (self.survived(bare) or self.has_ignored())):
            return None
        if any(regex.search(lines[bare].text) for regex in self.rules.harmless):
            return None
        return Cause("crash", 0.55, title=clean_text(lines[bare].text, 120), evidence=(_line(lines[bare]),))

    def has_ignored(self) -> bool:
        """Finalisers complained; their lines may be mixed, so that a left-over one proves nothing."""
        return any(raised.is_ignored for raised in self.all_tracebacks)

    def unknown_traceback(self) -> Raised | None:
        """The exception that started the fatal chain: the first of a chain of causes."""
        fatal = [t for t in self.tracebacks if not self.survived(t.start)] or (self.tracebacks if self.failed else [])
        return fatal[0] if fatal else None

    def by_exit(self) -> Cause | None:
        """Only the status is known."""
        if not self.failed:
            return None
        number, code = exit_signal(self.facts), self.facts.exit_code
        last = tuple(_line(line) for line in self.log.lines[-LAST_LINES:])
        if number is not None:
            name = signal_name(number)
            return Cause("crash", 0.6, title=f"Ended by {name}", evidence=last, detail=_SIGNAL_WORDS.get(name, ""))
        if code == EXIT_USAGE or code in EXIT_NOT_STARTED:
            usage = next((_line(line) for line in self.log.lines if "usage: " in line.text.lower()), None)
            evidence = ((usage, *last) if usage else last)[:4]
            return Cause("bad_config", 0.9 if usage else 0.65, evidence=evidence)
        ended = f"Ended with exit status {code}" if code is not None else "Ended without completing"
        return Cause("crash", 0.5, title=ended, evidence=last)


_SIGNAL_WORDS: Final = {
    "SIGKILL": "Nobody of us sent it. Host memory that ran out is the usual reason, but the kernel's counter did not rise.",
    "SIGTERM": "Nobody of us sent it: a scheduler, a shutdown or a person.",
    "SIGBUS": "A bus error: often /dev/shm that is full, or a mapped file that was cut off.",
    "SIGSEGV": "A segmentation fault, in native code.",
    "SIGABRT": "The process aborted itself, in native code.",
    "SIGHUP": "The terminal was closed.",
}


def _line(line: LogLine) -> Evidence:
    return Evidence(line.number, clean_text(line.text, 500))


def _evidence(hits: list[Hit], limit: int) -> tuple[Evidence, ...]:
    """The first lines of the hits, each once; the deciding one stays first."""
    shown: dict[int, Evidence] = {}
    for hit in hits:
        shown.setdefault(hit.line.number, _line(hit.line))
    return tuple(list(shown.values())[:limit])
