"""Everything about one trial, in tabs; all its attempts, one of them in front."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.panel import format
from htr_tui.panel.actions import Place, bindings_for
from htr_tui.panel.frame.header import HeaderLine, HeaderPart
from htr_tui.panel.frame.key_bar import KeyHint
from htr_tui.panel.frame.lines import Lines
from htr_tui.panel.frame.progress import epoch_bar, step_text
from htr_tui.panel.frame.tab_bar import TabBar
from htr_tui.panel.frame.text_pane import TextPane
from htr_tui.panel.messages import PlaceRequested, TrialStepped
from htr_tui.panel.screens.base import PanelScreen
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.trial_columns import by_words, elapsed, epoch_of, value_digits
from htr_tui.panel.screens.trial_config import describe_config
from htr_tui.panel.screens.trial_detail import LOOKS, seconds_left
from htr_tui.panel.screens.trial_finding import FindingPane
from htr_tui.panel.screens.trial_metrics import MetricsPane
from htr_tui.panel.screens.trial_pictures import PicturesPane
from htr_tui.panel.screens.trial_system import SystemPane
from htr_tui.panel.views import AttemptFiles, TrialFiles
from htr_tui.panel.widgets.log_view import NO_LOG_YET, LogView

TABS: Final = ("metrics", "log", "pictures", "config", "finding", "system")


class TrialScreen(PanelScreen):
    """One trial; only the tab in front is drawn."""

    PLACE: ClassVar[Place] = "trial"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for("trial")]
    AUTO_FOCUS = ""

    def __init__(self, panel: PanelContext) -> None:
        super().__init__(panel)
        self.tab = TABS[0]
        self._attempt: int | None = None
        """The attempt in front; None follows the newest."""
        self._shown: tuple[str | None, int | None] = (None, None)
        self._draw_tab: dict[str, Callable[[], None]] = {
            "metrics": self._draw_metrics,
            "log": self._draw_log,
            "pictures": self._draw_pictures,
            "config": self._draw_config,
            "finding": self._draw_finding,
            "system": self._draw_system,
        }

    def compose_body(self) -> ComposeResult:
        """The line of the trial, the tabs, and one pane a tab."""
        ascii = self.panel.is_ascii
        yield HeaderLine(id="trial-line")
        yield TabBar(TABS, id="tabs")
        with ContentSwitcher(initial=TABS[0], id="panes"):
            yield MetricsPane(is_ascii=ascii, id="metrics")
            yield LogView(ascii=ascii, id="log")
            yield PicturesPane(is_ascii=ascii, id="pictures")
            yield TextPane(id="config")
            yield FindingPane(is_ascii=ascii, id="finding")
            yield SystemPane(is_ascii=ascii, id="system")

    # -- what is shown ---------------------------------------------------------------------------------------------

    def record(self) -> TrialRecord | None:
        """The trial."""
        return self.panel.store.trial(self.panel.study, self.panel.trial)

    def files(self) -> TrialFiles | None:
        """Its files, as far as they were read."""
        return self.panel.store.files(self.panel.study, self.panel.trial)

    def attempt(self) -> AttemptRecord | None:
        """The attempt in front."""
        trial = self.record()
        if trial is None or not trial.attempts:
            return None
        return next((attempt for attempt in trial.attempts if attempt.number == self._attempt), trial.attempts[-1])

    def attempt_files(self) -> AttemptFiles | None:
        """The files of the attempt in front."""
        attempt, files = self.attempt(), self.files()
        return files.attempt(attempt.number) if attempt is not None and files is not None else None

    def key_hints(self) -> list[KeyHint]:
        """Enter opens something in the Finding tab only."""
        return [hint for hint in super().key_hints() if hint.action != "open" or self.tab == "finding"]

    # -- drawing ---------------------------------------------------------------------------------------------------

    def on_screen_resume(self) -> None:
        """Read the files of the trial from now on."""
        self.panel.feed.look_at(self.panel.study, self.panel.trial)
        super().on_screen_resume()

    def draw_body(self) -> None:
        """The line of the trial and the tab in front."""
        place = (self.panel.study, self.panel.trial)
        if place != self._shown:
            self._shown, self._attempt = place, None
        self.query_one("#trial-line", HeaderLine).show(self._trial_parts())
        attempt = self.attempt()
        has_finding = attempt is not None and attempt.category is not None
        self.query_one(TabBar).show(self.tab, frozenset({"finding"}) if has_finding else frozenset())
        self._draw_tab[self.tab]()

    def _trial_parts(self) -> list[HeaderPart]:
        trial, attempt = self.record(), self.attempt()
        ascii = self.panel.is_ascii
        if trial is None:
            return [HeaderPart("there is no such trial (yet): press 2 for the table", "dim", 0)]
        looks = {"dim": "dim", "accent": "name", "good": "good", "bad": "bad", "warn": "warn"}
        parts = [
            HeaderPart(f"#{trial.number}", "name", 0),
            HeaderPart(format.state_symbol(trial.state, ascii), looks[LOOKS[trial.state]], 0),
            HeaderPart(" ".join(part for part in (trial.label, by_words(trial)) if part), "dim", 3),
        ]
        if trial.values or trial.value is not None:
            values = trial.values or (trial.value,)
            told = " ".join(format.number(value, value_digits(value)) for value in values)
            parts.append(HeaderPart(f"value {told}" if len(values) == 1 else f"values {told}", "plain", 1))
        study = self.panel.store.study(self.panel.study)
        if study is not None and trial.number in study.pareto:
            parts.append(HeaderPart("Pareto", "good", 2))
        if not trial.is_feasible:
            parts.append(HeaderPart("infeasible", "warn", 1))
        parts += self._progress_parts(trial)
        if attempt is not None:
            parts.append(HeaderPart(attempt_text(trial, attempt), "warn" if attempt.fix else "plain", 1, is_right=True))
        return parts

    def _progress_parts(self, trial: TrialRecord) -> list[HeaderPart]:
        live = self.panel.store.live(self.panel.study).get(trial.number)
        epoch, epochs = epoch_of(trial, live)
        now = self.panel.clock()
        if trial.state != "running":
            text = f"epoch {epoch}/{epochs or '?'}" if epoch is not None else ""
            seconds = trial.seconds(now)
            return [
                HeaderPart(text, "plain", 2),
                HeaderPart(format.duration(seconds) if seconds is not None else "", "dim", 3),
            ]
        left = seconds_left(trial, live, now)
        return [
            HeaderPart(epoch_bar(live, epoch, epochs, 10, self.panel.is_ascii), "plain", 2),
            HeaderPart(step_text(live), "dim", 4),
            HeaderPart(f"eta {elapsed(left)}" if left is not None else "", "plain", 3),
        ]

    def _draw_metrics(self) -> None:
        study = self.panel.store.study(self.panel.study)
        objectives = study.facts.objectives if study is not None else ()
        self.query_one(MetricsPane).show(self.record(), self.files(), objectives)

    def _draw_log(self) -> None:
        attempt = self.attempt()
        log = self.query_one(LogView)
        if attempt is None or self.panel.study is None or self.panel.trial is None:
            log.show_log(None)
            return
        study = self.panel.store.study(self.panel.study)
        is_imported = study is not None and study.facts.imported is not None
        log.missing_note = "No log: an imported trial comes without one." if is_imported else NO_LOG_YET
        paths = StudyPaths(self.panel.runs / self.panel.study).attempt(self.panel.trial, attempt.number)
        log.show_log(paths.log)

    def _draw_pictures(self) -> None:
        self.query_one(PicturesPane).show(self.files())

    def _draw_config(self) -> None:
        pane = self.query_one("#config", TextPane)
        trial = self.record()
        lines = Lines(pane.text_width, self.panel.is_ascii)
        if trial is not None:
            study = self.panel.store.study(self.panel.study)
            describe_config(lines, study, trial, self.attempt(), self.attempt_files())
        pane.show(lines.lines)

    def _draw_finding(self) -> None:
        self.query_one(FindingPane).show(self.attempt(), self.attempt_files())

    def _draw_system(self) -> None:
        self.query_one(SystemPane).show(self.attempt(), self.attempt_files())

    # -- tabs and attempts -----------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Draw, and give the first pane the focus."""
        super().on_mount()
        self._focus_pane()

    def show_tab(self, tab: str) -> None:
        """Bring a tab to the front."""
        self.tab = tab
        self.query_one(ContentSwitcher).current = tab
        self.draw()
        self._focus_pane()
        # The pane has no size before its first layout.
        self.call_after_refresh(self.draw)

    def _focus_pane(self) -> None:
        pane: Widget = self.query_one(f"#{self.tab}")
        if isinstance(pane, FindingPane):
            pane.focus_evidence()
        else:
            pane.focus()

    @on(TabBar.Chosen)
    def choose_tab(self, message: TabBar.Chosen) -> None:
        """A tab was clicked."""
        message.stop()
        self.show_tab(message.tab)

    def action_tab_next(self) -> None:
        """The next tab."""
        self.show_tab(TABS[(TABS.index(self.tab) + 1) % len(TABS)])

    def action_tab_previous(self) -> None:
        """The tab before."""
        self.show_tab(TABS[TABS.index(self.tab) - 1])

    def why_not(self, action_id: str) -> str | None:
        """Attempts and neighbours that are not there."""
        if action_id in ("attempt_previous", "attempt_next"):
            trial = self.record()
            if trial is None or len(trial.attempts) < 2:
                return "this trial has a single attempt" if trial and trial.attempts else "no attempt was started yet"
        return super().why_not(action_id)

    def action_attempt_previous(self) -> None:
        """The attempt before."""
        self._step_attempt(-1)

    def action_attempt_next(self) -> None:
        """The next attempt."""
        self._step_attempt(1)

    def _step_attempt(self, step: int) -> None:
        trial, attempt = self.record(), self.attempt()
        if trial is None or attempt is None:
            return
        row = trial.attempts.index(attempt) + step
        if 0 <= row < len(trial.attempts):
            is_newest = row == len(trial.attempts) - 1
            self._attempt = None if is_newest else trial.attempts[row].number
            self.draw()

    def action_trial_previous(self) -> None:
        """The trial above in the table."""
        self.post_message(TrialStepped(-1))

    def action_trial_next(self) -> None:
        """The trial below in the table."""
        self.post_message(TrialStepped(1))

    # -- moving around ---------------------------------------------------------------------------------------------

    def action_back(self) -> None:
        """Back to the table."""
        self.post_message(PlaceRequested("trials"))

    def action_search(self) -> None:
        """Search the log."""
        if self.tab != "log":
            self.show_tab("log")
        self.query_one(LogView).action_search()

    def action_search_next(self) -> None:
        """The next match in the log."""
        self.query_one(LogView).action_search_again(1)

    def action_search_previous(self) -> None:
        """The match before in the log."""
        self.query_one(LogView).action_search_again(-1)

    @on(FindingPane.EvidenceChosen)
    def show_evidence(self, message: FindingPane.EvidenceChosen) -> None:
        """Show the line in the log."""
        message.stop()
        self.show_tab("log")
        self.query_one(LogView).go_to_line(message.line)


def attempt_text(trial: TrialRecord, attempt: AttemptRecord) -> str:
    """`attempt 2 of 3: retry with use_cudnn_false`."""
    count = len(trial.attempts)
    text = f"attempt {attempt.number}" + (f" of {count}  [ ]" if count > 1 else "")
    if attempt.fix:
        return f"{attempt.reason} with {attempt.fix}, {text}"
    return f"{attempt.reason}, {text}" if attempt.reason != "first" else text
