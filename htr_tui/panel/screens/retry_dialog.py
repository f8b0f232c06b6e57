"""Asks with what a trial shall run again: a fix of its finding, and overrides that can be edited."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, OptionList, Static

from htr_tui.panel.frame.lines import Lines, to_content
from htr_tui.panel.screens.dialogs import Choice, ChoiceList, Dialog
from htr_tui.panel.screens.parameters import show_exact
from htr_tui.text import clean_text
from htr_tui.triage.finding import Fix

NO_FIX = "none"


@dataclass(frozen=True, slots=True)
class RetryChoice:
    """What the user decided."""

    fix: str
    """Name of the fix, or `none`."""
    overrides: tuple[str, ...] = ()
    """`K=V` that differ from what the fix sets by itself."""

    def arguments(self) -> list[str]:
        """For the command line."""
        return ["--fix", self.fix, *(part for pair in self.overrides for part in ("--set", pair))]


class RetryDialog(Dialog[RetryChoice | None]):
    """The fixes as a list, the overrides as a line below."""

    AUTO_FOCUS = "#choices"

    def __init__(self, trial: int, reason: str, fixes: Sequence[Fix], *, is_ascii: bool = False) -> None:
        super().__init__(
            f"Run trial {trial} again", reason, "enter run again   tab edit overrides   esc cancel", is_ascii=is_ascii
        )
        usable = [fix for fix in fixes if fix.applicable]
        # A fix that changes nothing is this choice already.
        if all(fix.set or fix.env or fix.command for fix in usable):
            usable.append(Fix(NO_FIX, "without a fix", effect="the same parameters again"))
        self.fixes = tuple(usable)
        """What can be chosen, in the order of the list."""

    def compose_answer(self) -> ComposeResult:
        """Fixes, overrides, and what is wrong with them."""
        choices = [Choice(fix.name, fix.title, fix.effect) for fix in self.fixes]
        yield ChoiceList(choices, is_ascii=self._is_ascii, id="choices")
        yield Static("overrides (K=V, separated by blanks)", id="label", markup=False)
        yield Input(_overrides_text(self.fixes[0]), placeholder="such as train.batch=4", id="overrides", compact=True)
        yield Static("", id="mistake", markup=False)

    @on(OptionList.OptionHighlighted)
    def fill_overrides(self, message: OptionList.OptionHighlighted) -> None:
        """Show what the fix under the cursor sets."""
        message.stop()
        self.query_one("#overrides", Input).value = _overrides_text(self.fixes[message.option_index])

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def run_again(self, message: OptionList.OptionSelected | Input.Submitted) -> None:
        """Give the answer, if the overrides can be understood."""
        message.stop()
        row = self.query_one(ChoiceList).highlighted or 0
        try:
            overrides = parse_overrides(self.query_one("#overrides", Input).value)
        except ValueError as error:
            lines = Lines(66, self._is_ascii)
            lines.wrap(str(error), "bad")
            self.query_one("#mistake", Static).update(to_content(lines.lines))
            return
        self.dismiss(choose(self.fixes[row], overrides))


def _editable(fix: Fix) -> dict[str, str]:
    """What a fix sets, as far as it can be shown in a line as it is; the rest stays as the fix has it."""
    pairs = {str(name): show_exact(value) for name, value in fix.set.items()}
    return {name: value for name, value in pairs.items() if name and "=" not in name and clean_text(name) == name}


def _overrides_text(fix: Fix) -> str:
    return " ".join(shlex.quote(f"{name}={value}") for name, value in _editable(fix).items())


def parse_overrides(text: str) -> dict[str, str]:
    """`K=V K='a b'` as a mapping; ValueError says what is wrong."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"a quote is not closed: {error}") from error
    overrides: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise ValueError(f"{word}: not of the form K=V")
        overrides[name] = value
    return overrides


def choose(fix: Fix, overrides: Mapping[str, str]) -> RetryChoice:
    """The fix with what was changed by hand; a fix whose own overrides were taken out is no longer that fix."""
    own = _editable(fix)
    if any(name not in overrides for name in own):
        return RetryChoice(NO_FIX, tuple(f"{name}={value}" for name, value in overrides.items()))
    changed = tuple(f"{name}={value}" for name, value in overrides.items() if own.get(name) != value)
    return RetryChoice(fix.name, changed)
