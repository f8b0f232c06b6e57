"""The Finding tab: what failed, on what evidence, and what can be done."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import OptionList, Static

from htr_tui.journal.records import AttemptRecord
from htr_tui.panel.frame.lines import Lines
from htr_tui.panel.frame.text_pane import TextPane
from htr_tui.panel.screens.dialogs import Choice, ChoiceList
from htr_tui.panel.screens.parameters import describe_set
from htr_tui.panel.screens.trial_detail import ABORTED
from htr_tui.panel.views import AttemptFiles
from htr_tui.triage.finding import Finding, Fix

EVIDENCE_SHOWN = 50


class FindingPane(Vertical):
    """Explanation, evidence to jump to, fixes."""

    class EvidenceChosen(Message):
        """The user wants to see a line in the log."""

        def __init__(self, line: int) -> None:
            super().__init__()
            self.line = line

    def __init__(self, *, is_ascii: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._is_ascii = is_ascii
        self._finding: Finding | None = None
        self._key: object = None

    def compose(self) -> ComposeResult:
        """Three parts, one below the other."""
        yield TextPane(id="explanation", can_focus=False)
        yield Static("evidence (enter shows it in the log)", id="evidence-title", markup=False)
        yield ChoiceList((), is_ascii=self._is_ascii, id="evidence")
        yield TextPane(id="fixes")

    def show(self, attempt: AttemptRecord | None, files: AttemptFiles | None) -> None:
        """Tell about an attempt."""
        key = (attempt, files.finding if files is not None else None, files.is_loaded if files else None, self.size)
        if key == self._key:
            return
        self._key = key
        raw = files.finding if files is not None else None
        finding = Finding.from_json(raw) if raw is not None else None
        has_evidence = finding is not None and bool(finding.evidence)
        self.query_one("#evidence-title").display = has_evidence
        self.query_one("#evidence").display = has_evidence
        self._show_text(attempt, files, finding)
        if finding != self._finding:
            self._finding = finding
            self._show_evidence(finding)

    def _show_text(self, attempt: AttemptRecord | None, files: AttemptFiles | None, finding: Finding | None) -> None:
        explanation = self.query_one("#explanation", TextPane)
        fixes = self.query_one("#fixes", TextPane)
        above = Lines(max(20, self.size.width - 4), self._is_ascii)
        below = Lines(max(20, self.size.width - 4), self._is_ascii)
        if finding is None:
            _describe_nothing(above, attempt, files)
        else:
            describe_finding(above, finding)
            describe_fixes(below, finding.fixes)
        explanation.show(above.lines)
        fixes.show(below.lines)

    def _show_evidence(self, finding: Finding | None) -> None:
        evidence = self.query_one(ChoiceList)
        shown = finding.evidence[:EVIDENCE_SHOWN] if finding is not None else ()
        evidence.replace_choices([Choice(str(e.line), f"{e.line or 'fact':>7}  {e.text}") for e in shown])

    def focus_evidence(self) -> None:
        """Give the focus to the evidence, or to the text below without any."""
        evidence = self.query_one(ChoiceList)
        (evidence if evidence.display else self.query_one("#fixes")).focus()

    @on(OptionList.OptionSelected)
    def choose(self, message: OptionList.OptionSelected) -> None:
        """Ask for the line in the log."""
        message.stop()
        choice = self.query_one(ChoiceList).chosen
        if choice is None or not choice.id.isdigit():
            return
        if int(choice.id) == 0:
            self.notify("this was seen from outside: there is no line of it in the log", markup=False)
            return
        self.post_message(self.EvidenceChosen(int(choice.id)))


def _describe_nothing(lines: Lines, attempt: AttemptRecord | None, files: AttemptFiles | None) -> None:
    if attempt is None:
        lines.add(("no attempt was started yet", "dim"))
    elif files is None or not files.is_loaded:
        lines.add(("reading", "dim"))
    elif attempt.state == "running":
        lines.add(("still running: nothing has failed", "good"))
    elif attempt.state in ("complete", "pruned", "stopped"):
        lines.add((f"this attempt is {attempt.state}: nothing failed", "good"))
    elif attempt.category == "aborted":
        lines.wrap(attempt.title or "aborted", "bad", limit=4)
        lines.blank()
        lines.wrap(ABORTED, limit=4)
        lines.wrap("r runs it again, under the same rule; to give it more time, change the rule.", "dim", limit=3)
    else:
        lines.wrap(f"{attempt.title or 'It failed'}; triage has written no finding. The log may tell more.", "warn")
    if attempt is not None and attempt.exit_code is not None:
        lines.add((f"exit status {attempt.exit_code}", "dim"))
    if attempt is not None and attempt.signal is not None:
        lines.add((f"ended by signal {attempt.signal}", "dim"))


def describe_finding(lines: Lines, finding: Finding) -> None:
    """Title, how sure, why."""
    lines.wrap(finding.title or finding.category, "bad", limit=3)
    lines.add((f"{finding.category}, confidence {finding.confidence:.0%}", "dim"))
    lines.blank()
    lines.wrap(finding.explanation, limit=12)


def describe_fixes(lines: Lines, fixes: Sequence[Fix]) -> None:
    """What each fix sets and what that does to the mathematics."""
    if not fixes:
        lines.heading("no fix is known: r runs the trial again as it is")
        return
    lines.heading("fixes (r applies one in a new attempt)")
    for fix in fixes:
        lines.blank()
        lines.wrap(fix.title or fix.name, "accent" if fix.applicable else "dim", limit=2)
        lines.wrap(fix.effect, indent="  ", limit=4)
        sets = " ".join(
            part for part in (describe_set(fix.set), " ".join(f"{k}={v}" for k, v in fix.env.items())) if part
        )
        lines.wrap(f"{fix.name}: {sets}" if sets else fix.name, "dim", indent="  ", limit=3)
        if fix.command:
            lines.wrap(f"by hand: {fix.command}", "link", indent="  ", limit=3)
        elif not fix.applicable:
            lines.wrap("cannot be applied by itself", "warn", indent="  ", limit=2)
