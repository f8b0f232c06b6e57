"""The panel as a Textual app: wiring only."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar

from textual import on
from textual.app import App, SystemCommand
from textual.filter import LineFilter
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from htr_tui.panel.actions import actions_for
from htr_tui.panel.commands import CommandLine, OurCommandLine
from htr_tui.panel.feeds.files import FilesFeed
from htr_tui.panel.feeds.machine import MachineFeed, Sampler
from htr_tui.panel.messages import FeedFailed, PlaceRequested, StoreChanged, StudyOpened, TrialOpened, TrialStepped
from htr_tui.panel.screens.base import PanelScreen
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.studies import StudiesScreen
from htr_tui.panel.screens.trials import TrialsScreen
from htr_tui.panel.store import Store
from htr_tui.panel.themes import DARK, LIGHT
from htr_tui.panel.widgets.ascii_filter import AsciiFilter
from htr_tui.text import clean_text

TICK_S = 10.0
"""Seconds between redraws of times that grow while something runs."""


class HtrApp(App[None]):
    """Screens over one store, fed by threads."""

    TITLE = "htr-tui"
    CSS_PATH: ClassVar[list[str | PurePath]] = ["styles/frame.tcss", "styles/screens.tcss", "styles/dialogs.tcss"]
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        directory: Path,
        study: str | None = None,
        *,
        commands: CommandLine | None = None,
        is_read_only: bool = False,
        clock: Callable[[], float] | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self.store = Store()
        directory = directory.resolve()
        self.files_feed = FilesFeed(directory / "runs", self.store, self)
        self.machine_feed = MachineFeed(directory, self.store, self, sampler)
        self.panel = PanelContext(
            directory,
            self.store,
            self.files_feed,
            commands or OurCommandLine(directory),
            is_read_only=is_read_only,
            study=study,
        )
        self.panel.watch_machine = self.machine_feed.watch
        if clock is not None:
            self.panel.clock = clock
        self._ascii_filter = AsciiFilter()
        self._chooses_place = study is None
        self._screens_by_place: dict[str, PanelScreen] = {}

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Where only ASCII can be shown, nothing else leaves the app, scrollbars and borders included."""
        filters = super().get_line_filters()
        return [*filters, self._ascii_filter] if self.panel.is_ascii else filters

    # -- start and end ---------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Show the first screen, then begin to read."""
        self._choose_theme()
        self._show("trials" if self.panel.study is not None else "studies")
        self.call_after_refresh(self._start_feeds)
        self.set_interval(TICK_S, self._tick)

    def _choose_theme(self) -> None:
        """Our dark theme, unless the environment names another that there is."""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name
        wanted = [name.strip() for name in os.environ.get("TEXTUAL_THEME", "").split(",")]
        self.theme = next((name for name in wanted if name in self.available_themes), DARK.name)

    def _start_feeds(self) -> None:
        self.files_feed.start()
        self.machine_feed.start()

    def on_unmount(self) -> None:
        """End the threads."""
        self.files_feed.stop()
        self.machine_feed.stop()

    def _tick(self) -> None:
        if any(study.running or study.is_active for study in self.store.studies()):
            self._draw()

    # -- places ----------------------------------------------------------------------------------------------------

    def _screen_of(self, place: str) -> PanelScreen:
        if place not in self._screens_by_place:
            self._screens_by_place[place] = _make_screen(place, self.panel)
        return self._screens_by_place[place]

    def _show(self, place: str) -> None:
        screen = self._screen_of(place)
        if not self.is_screen_installed(screen):
            self.install_screen(screen, place)
        if self.screen is screen:
            return
        if isinstance(self.screen, PanelScreen):
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    @on(StudyOpened)
    def open_study(self, message: StudyOpened) -> None:
        """Show the trials of a study."""
        if message.study != self.panel.study:
            self.panel.study, self.panel.trial = message.study, None
        self._show("trials")

    @on(TrialOpened)
    def open_trial(self, message: TrialOpened) -> None:
        """Show everything about a trial."""
        self.panel.study, self.panel.trial = message.study, message.trial
        self.files_feed.look_at(message.study, message.trial)
        self._show("trial")

    @on(TrialStepped)
    def step_trial(self, message: TrialStepped) -> None:
        """Show the neighbour of the trial in the table."""
        trials = self._screens_by_place.get("trials")
        found = trials.neighbour(self.panel.trial, message.step) if isinstance(trials, TrialsScreen) else None
        if found is None or found == self.panel.trial:
            return
        self.panel.trial = found
        self.files_feed.look_at(self.panel.study, found)
        self._draw()

    @on(PlaceRequested)
    def go_to_place(self, message: PlaceRequested) -> None:
        """Show another screen, on the study and trial that were looked at last."""
        self._show(message.place)

    # -- news ------------------------------------------------------------------------------------------------------

    @on(StoreChanged)
    def draw_news(self) -> None:
        """Draw what changed, on the screen that can be seen."""
        if self.panel.stale:
            self.panel.stale.clear()
        if self._chooses_place and self.store.is_scanned:
            self._chooses_place = False
            studies = self.store.studies()
            if len(studies) == 1 and self.panel.study is None:
                self.panel.study = studies[0].name
                self._show("trials")
                return
        self._draw()

    def _draw(self) -> None:
        if not self.is_running:
            return  # it is being closed: the panes go one by one
        for screen in reversed(self.screen_stack):
            if isinstance(screen, PanelScreen):
                if screen.is_mounted:
                    screen.draw()
                return

    @on(FeedFailed)
    def show_stale(self, message: FeedFailed) -> None:
        """Say that a source is stale; it is tried again."""
        self.panel.stale[message.feed] = message.reason
        self._draw()

    @on(Worker.StateChanged)
    def show_worker_error(self, message: Worker.StateChanged) -> None:
        """A worker that failed says so, instead of ending the panel."""
        if message.state is WorkerState.ERROR:
            self.notify(
                clean_text(f"{message.worker.name}: {message.worker.error}", 300), severity="error", markup=False
            )

    # -- palette ---------------------------------------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The actions of the screen, then themes."""
        if isinstance(screen, PanelScreen):
            for action in actions_for(screen.PLACE):
                if action.id != "palette" and screen.why_not(action.id) is None:
                    yield SystemCommand(
                        f"{screen.title_of(action.id)} ({action.shown_key})",
                        action.help,
                        self._runner(screen, action.id),
                    )
        yield SystemCommand("theme", "Choose the colours", self.action_change_theme)
        yield SystemCommand("screenshot", "Save the screen as an SVG picture", self.deliver_screenshot)

    def _runner(self, screen: PanelScreen, action_id: str) -> Callable[[], Any]:
        async def run() -> None:
            await screen.run_action(action_id)

        return run


def _make_screen(place: str, panel: PanelContext) -> PanelScreen:
    if place == "studies":
        return StudiesScreen(panel)
    if place == "trials":
        return TrialsScreen(panel)
    if place == "devices":
        from htr_tui.panel.screens.devices import DevicesScreen

        return DevicesScreen(panel)
    # Charts and pictures are loaded when they are wanted, so that the panel starts without them.
    from htr_tui.panel.screens.trial import TrialScreen

    return TrialScreen(panel)


def run_panel(directory: Path, study: str | None = None) -> int:
    """Open the panel on DIR/runs, on one study if it is named; the exit status is the app's."""
    runs = directory / "runs"
    is_read_only = runs.is_dir() and not os.access(runs, os.W_OK)
    app = HtrApp(directory, study, is_read_only=is_read_only)
    # A lost line ends the panel (never a study), also where a parent such as nohup had the signal ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    app.run()
    return app.return_code or 0
