"""What all screens share: header, key bar, the actions of the table, and when to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from htr_tui.panel.actions import BY_ID, Place, actions_for
from htr_tui.panel.frame.banner import Banner
from htr_tui.panel.frame.header import HeaderLine, HeaderPart
from htr_tui.panel.frame.key_bar import KeyBar, KeyHint
from htr_tui.panel.messages import PlaceRequested
from htr_tui.panel.screens import reasons, requests
from htr_tui.panel.screens.attention import banner_text
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.headline import study_parts
from htr_tui.panel.views import StudyView
from htr_tui.panel.widgets.trial_table import VirtualTable

SMALLEST = (60, 12)
"""Columns and rows below which there is only a notice."""
TOO_SMALL = "This terminal is too small: the panel needs 60x12, and is at its best from 80x24 on. Keys still work."
CONTINUE = "continue"
"""What the key that pauses does in a paused study."""
WIDE = 110
"""Columns from which on a detail pane fits beside a table."""
HUGE = 160
"""Columns from which on the detail pane gets more room."""


class PanelScreen(Screen[None]):
    """A screen with a place in the actions table; it draws from the store when it is told that the store changed."""

    PLACE: ClassVar[Place]
    AUTO_FOCUS = "#main"
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (SMALLEST[0], "-narrow"), (WIDE, "-wide"), (HUGE, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (SMALLEST[1], "-high")]

    def __init__(self, panel: PanelContext) -> None:
        super().__init__()
        self.panel = panel
        self._is_settled = False
        self._first_key: int | str | None = None
        self.draws = 0
        """Times it asked the store; counted for tests."""

    # -- layout ----------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Header, banner, body, key bar."""
        yield HeaderLine(id="header")
        yield Banner(is_ascii=self.panel.is_ascii, id="banner")
        yield from self.compose_body()
        yield KeyBar(id="keys")
        yield Static(TOO_SMALL, id="too-small", markup=False)

    def compose_body(self) -> ComposeResult:
        """What stands between header and key bar."""
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        """Draw what changed while another screen was in front."""
        if self.is_mounted:
            self.draw()

    def on_mount(self) -> None:
        """Draw for the first time."""
        self.draw()

    def on_resize(self, event: events.Resize) -> None:
        """Lay columns and texts out anew, once the panes have their new size."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Show what the store knows now; called at most four times a second."""
        self.draws += 1
        self.draw_body()
        self.draw_frame()

    def draw_body(self) -> None:
        """Show the newest records in the panes."""
        raise NotImplementedError

    def _stay_on_top(self, table: VirtualTable, *, is_loaded: bool) -> None:
        """Keep the cursor on the first row while rows come in above it, unless the user has moved it."""
        if self._is_settled:
            return
        if self._first_key is None or table.cursor_key == self._first_key:
            table.move_cursor(0)
            self._first_key = table.cursor_key
        self._is_settled = is_loaded

    def draw_frame(self) -> None:
        """Show the newest state in header, banner and key bar."""
        self.query_one(HeaderLine).show(self.header_parts())
        loud = self.loud_study()
        text, advice = banner_text(loud, self.panel.clock(), self.keys_elsewhere(loud))
        self.query_one(Banner).show(text, advice, self.app.size.width)
        self.query_one(KeyBar).show(self.key_hints())

    def header_parts(self) -> Sequence[HeaderPart]:
        """The header of the screens of one study."""
        return study_parts(self.panel, self.panel.store.study(self.panel.study))

    def loud_study(self) -> StudyView | None:
        """The study whose troubles the banner tells."""
        return self.panel.store.study(self.panel.study)

    def keys_elsewhere(self, loud: StudyView | None) -> str:
        """Where the keys are about that study; empty if here."""
        return "" if loud is None or loud.name == self.current_study() else "On its row"

    def title_of(self, action_id: str) -> str:
        """What an action is called just now."""
        study = self.panel.store.study(self.current_study())
        if action_id == "pause" and study is not None and study.state == "paused":
            return CONTINUE
        return BY_ID[action_id].title

    def key_hints(self) -> list[KeyHint]:
        """The keys of this screen, with the reason where one does nothing."""
        return [
            KeyHint(
                action.id,
                action.shown_key,
                self.title_of(action.id),
                action.help,
                self.why_not(action.id),
                1 if self.title_of(action.id) == CONTINUE else action.rank,
            )
            for action in actions_for(self.PLACE)
            if action.rank and action.id != f"show_{self.PLACE}"
        ]

    # -- what can be done ------------------------------------------------------------------------------------------

    def current_study(self) -> str | None:
        """The study that an action is for."""
        return self.panel.study

    def current_trial(self) -> int | None:
        """The trial that an action is for."""
        return self.panel.trial

    def why_not(self, action_id: str) -> str | None:
        """Why an action would do nothing now; None if it would."""
        return reasons.why_not(action_id, self.panel, self.current_study(), self.current_trial())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what would do nothing."""
        if action not in BY_ID:
            return True
        return None if self.why_not(action) is not None else True

    def on_key(self, event: events.Key) -> None:
        """Say why a key does nothing, instead of staying silent."""
        for action in actions_for(self.PLACE):
            if event.key in action.keys and (reason := self.why_not(action.id)) is not None:
                self.notify(f"{action.shown_key}: {reason}", severity="warning", timeout=4, markup=False)
                event.stop()

    @on(KeyBar.Clicked)
    async def run_clicked(self, message: KeyBar.Clicked) -> None:
        """Do what the key does."""
        message.stop()
        if (reason := self.why_not(message.action)) is not None:
            self.notify(reason, severity="warning", timeout=4, markup=False)
        else:
            await self.run_action(message.action)

    # -- actions that every screen has -----------------------------------------------------------------------------

    def action_show_studies(self) -> None:
        """Go to the studies."""
        self.post_message(PlaceRequested("studies"))

    def action_show_trials(self) -> None:
        """Go to the trials."""
        self.post_message(PlaceRequested("trials"))

    def action_show_trial(self) -> None:
        """Go to the trial."""
        self.post_message(PlaceRequested("trial"))

    def action_show_devices(self) -> None:
        """Go to the devices."""
        self.post_message(PlaceRequested("devices"))

    def action_open(self) -> None:
        """Screens with something to open say what."""

    def action_back(self) -> None:
        """Screens with something behind them say what."""

    def action_search(self) -> None:
        """Screens with something to search say how."""

    def action_search_next(self) -> None:
        """See `action_search`."""

    def action_search_previous(self) -> None:
        """See `action_search`."""

    def action_help(self) -> None:
        """Show the keys of this screen."""
        from htr_tui.panel.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.PLACE, self.why_not))

    async def action_palette(self) -> None:
        """Find an action by name."""
        await self.app.run_action("command_palette")

    async def action_quit(self) -> None:
        """Close the panel."""
        await self.app.action_quit()

    def action_down(self) -> None:
        """Move the focused pane down."""
        self._move("down")

    def action_up(self) -> None:
        """Move the focused pane up."""
        self._move("up")

    def action_left(self) -> None:
        """Move the focused pane left."""
        self._move("left")

    def _move(self, direction: str) -> None:
        pane: Widget | None = self.focused
        while pane is not None and pane is not self:
            for name in (f"action_cursor_{direction}", f"action_scroll_{direction}"):
                if callable(method := getattr(pane, name, None)):
                    method()
                    return
            pane = pane.parent if isinstance(pane.parent, Widget) else None

    @work(group="request", exit_on_error=False)
    async def action_launch(self) -> None:
        """Go on with a study or start one."""
        await requests.launch(self.app, self.panel, self.current_study())

    @work(group="request", exit_on_error=False)
    async def action_stop(self) -> None:
        """Stop the study, after asking."""
        await requests.stop(self.app, self.panel, self.current_study())

    @work(group="request", exit_on_error=False)
    async def action_retry(self) -> None:
        """Run the trial again, after showing with what."""
        await requests.retry(self.app, self.panel, self.current_study(), self.current_trial())

    @work(group="request", exit_on_error=False)
    async def action_pause(self) -> None:
        """Pause the study, after asking, or continue it."""
        await requests.pause_or_continue(self.app, self.panel, self.current_study())

    @work(group="request", exit_on_error=False)
    async def action_promote(self) -> None:
        """Run the trial's parameters again outside of the search."""
        from htr_tui.panel.screens import new_trials

        await new_trials.promote(self.app, self.panel, self.current_study(), self.current_trial())

    @work(group="request", exit_on_error=False)
    async def action_enqueue(self) -> None:
        """Type a trial in."""
        from htr_tui.panel.screens import new_trials

        await new_trials.enqueue(self.app, self.panel, self.current_study(), self.current_trial())

    @work(group="request", exit_on_error=False)
    async def action_import(self) -> None:
        """Read a study from elsewhere."""
        from htr_tui.panel.screens import diagnosis

        await diagnosis.import_study(self.app, self.panel)

    @work(group="request", exit_on_error=False)
    async def action_diagnose(self) -> None:
        """Say what is odd about the study."""
        from htr_tui.panel.screens import diagnosis

        name = self.current_study()
        await diagnosis.diagnose(self.app, self.panel, [name] if name is not None else [])
