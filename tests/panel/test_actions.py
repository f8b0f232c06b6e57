from __future__ import annotations

from pathlib import Path

import pytest
from textual.containers import ScrollableContainer

from htr_tui.panel.actions import (
    ACTIONS,
    BY_ID,
    EVERYWHERE,
    PANE_KEYS,
    Place,
    actions_for,
    bindings_for,
    key_name,
    key_table,
)
from htr_tui.panel.app import HtrApp
from htr_tui.panel.frame.text_pane import TextPane
from htr_tui.panel.screens.base import PanelScreen
from htr_tui.panel.screens.devices import DevicesScreen
from htr_tui.panel.screens.help import help_lines
from htr_tui.panel.screens.studies import StudiesScreen
from htr_tui.panel.screens.trial import TrialScreen
from htr_tui.panel.screens.trial_pictures import PicturesPane
from htr_tui.panel.screens.trials import TrialsScreen
from htr_tui.panel.widgets.chart_grid import ChartGrid
from htr_tui.panel.widgets.curve_chart import CurveChart
from htr_tui.panel.widgets.log_lines import LogLines
from htr_tui.panel.widgets.picture_view import PictureView
from htr_tui.panel.widgets.trial_table import VirtualTable

SCREENS: dict[Place, type[PanelScreen]] = {
    "studies": StudiesScreen,
    "trials": TrialsScreen,
    "trial": TrialScreen,
    "devices": DevicesScreen,
}
PLACES: list[Place] = list(SCREENS)


@pytest.mark.parametrize("place", PLACES)
def test_every_key_of_a_screen_means_one_thing(place: Place) -> None:
    keys = [key for action in actions_for(place) for key in action.keys]
    assert sorted(keys) == sorted(set(keys))


@pytest.mark.parametrize("place", PLACES)
def test_the_bindings_of_a_screen_are_those_of_the_table(place: Place) -> None:
    screen = SCREENS[place]
    assert place == screen.PLACE
    bound = {(key.strip(), binding.action) for binding in screen.BINDINGS for key in binding.key.split(",")}  # type: ignore[union-attr]
    assert bound == {(key, action.id) for action in actions_for(place) for key in action.keys}


@pytest.mark.parametrize("place", PLACES)
def test_every_action_has_a_method(place: Place) -> None:
    for action in actions_for(place):
        assert callable(getattr(SCREENS[place], f"action_{action.id}", None)), action.id


def test_every_action_is_described_and_what_changes_is_marked() -> None:
    assert len(BY_ID) == len(ACTIONS)
    for action in ACTIONS:
        assert action.title
        assert action.keys
        assert action.where <= EVERYWHERE
        assert action.help.endswith(".")
        assert action.help[0].isupper()
        assert not action.destroys or action.changes
        assert not action.is_for_own or action.changes
    of_own = {"stop", "retry", "pause", "promote", "enqueue"}
    assert {action.id for action in ACTIONS if action.is_for_own} == of_own
    assert {action.id for action in ACTIONS if action.changes} == {"launch", "import"} | of_own


@pytest.mark.parametrize("place", PLACES)
def test_the_help_page_has_every_action_with_its_reason(place: Place) -> None:
    reasons = {"stop": "nothing is running"}
    text = "\n".join("".join(piece for piece, _ in line) for line in help_lines(place, reasons.get, width=200))
    for action in actions_for(place):
        assert key_name(action.keys[0]) in text
        assert action.help in text
    assert ("Not now: nothing is running." in text) == (place != "devices")


def test_the_documentation_has_the_tables() -> None:
    page = (Path(__file__).parents[2] / "docs" / "panel.md").read_text()
    for place in PLACES:
        assert key_table(place) in page, f"docs/panel.md lacks the keys of {place}; see key_table"


def test_the_palette_offers_the_actions_of_the_screen(tmp_path: Path) -> None:
    app = HtrApp(tmp_path)
    screen = StudiesScreen(app.panel)
    screen.why_not = {"stop": "no"}.get  # type: ignore[method-assign,assignment]
    titles = [command.title for command in app.get_system_commands(screen)]
    for action in actions_for("studies"):
        is_offered = f"{action.title} ({action.shown_key})" in titles
        assert is_offered == (action.id not in ("stop", "palette")), action.id
    assert "theme" in titles
    assert "Devices (6)" in titles


def test_bindings_have_ids_for_a_keymap_of_the_user() -> None:
    ids = [binding.id for place in PLACES for binding in bindings_for(place)]
    assert len(ids) == len(set(ids))


def test_the_keys_of_panes_are_bound_in_a_pane() -> None:
    widgets = [VirtualTable, ChartGrid, CurveChart, PictureView, PicturesPane, LogLines, TextPane, ScrollableContainer]
    bound = {key for widget in widgets for binding in widget.BINDINGS for key in binding.key.split(",")}  # type: ignore[attr-defined]
    for place in PLACES:
        assert {key for key, _ in PANE_KEYS[place]} <= bound
        assert not {key for key, _ in PANE_KEYS[place]} & {key for a in actions_for(place) for key in a.keys}
