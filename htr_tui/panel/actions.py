"""The one table of what a user can do; bindings, key bar, palette, help page and docs are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from textual.binding import Binding

Place = Literal["studies", "trials", "trial", "devices"]

EVERYWHERE: Final[frozenset[Place]] = frozenset({"studies", "trials", "trial", "devices"})
OF_STUDIES: Final[frozenset[Place]] = frozenset({"studies", "trials", "trial"})
"""Where there is a study to act on."""
PLACE_TITLES: Final[dict[Place, str]] = {
    "studies": "Studies",
    "trials": "Trials",
    "trial": "Trial",
    "devices": "Devices",
}

_KEY_NAMES: Final[dict[str, str]] = {
    "slash": "/",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "esc",
    "ctrl+p": "^p",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the user can do, with everything that is shown about it."""

    id: str
    """Name of the method that does it (`action_<id>`), and of the binding."""
    keys: tuple[str, ...]
    """Keys as Textual names them; the first is shown."""
    title: str
    """One or two words for the key bar and the palette."""
    help: str
    """One sentence for the help page, the palette and the documentation."""
    where: frozenset[Place] = EVERYWHERE
    destroys: bool = False
    """It ends or changes running work, so it asks first."""
    changes: bool = False
    """A read-only panel forbids it."""
    rank: int = 5
    """Order in the key bar, from the left; 0 keeps it out."""

    shown_as: str = ""
    """What the key bar shows instead of the first key, where two actions share a place."""
    is_for_own: bool = False
    """Whether it needs a study that can run: an imported one is only read."""

    @property
    def shown_key(self) -> str:
        """The first key as people write it."""
        return self.shown_as or key_name(self.keys[0])


def key_name(key: str) -> str:
    """A key as people write it: "/" for "slash"."""
    return _KEY_NAMES.get(key, key)


def _at(*places: Place) -> frozenset[Place]:
    return frozenset(places)


ACTIONS: Final[tuple[Action, ...]] = (
    Action(
        "open",
        ("enter",),
        "open",
        "Open what the cursor is on: a study, a trial, a chart, the log line of an evidence, the trial of a process.",
        rank=2,
    ),
    Action("back", ("escape",), "back", "Go back to where you came from; first it ends a search or filter.", rank=9),
    Action(
        "launch",
        ("l",),
        "launch",
        "Go on with a stopped, paused or interrupted study, or start a study file.",
        changes=True,
        rank=1,
    ),
    Action(
        "stop",
        ("s",),
        "stop",
        "Stop the study: trials finish their step, save a checkpoint, and can be continued.",
        OF_STUDIES,
        destroys=True,
        changes=True,
        is_for_own=True,
        rank=1,
    ),
    Action(
        "retry",
        ("r",),
        "retry+fix",
        "Run a failed, pruned or stopped trial again, with the fix that its finding suggests.",
        _at("trials", "trial"),
        changes=True,
        is_for_own=True,
        rank=1,
    ),
    Action(
        "pause",
        ("P",),
        "pause",
        "Start nothing new in the study while running trials go on; the same key continues a paused study.",
        OF_STUDIES,
        changes=True,
        is_for_own=True,
        rank=2,
    ),
    Action(
        "promote",
        ("p",),
        "promote",
        "Run the trial's parameters again outside of the search, at full length: a study of its own.",
        _at("trials", "trial"),
        changes=True,
        is_for_own=True,
        rank=1,
    ),
    Action(
        "enqueue",
        ("e",),
        "enqueue",
        "Type a trial in by hand, beginning with a copy of the one under the cursor; what is left empty is drawn.",
        _at("trials", "trial"),
        changes=True,
        is_for_own=True,
        rank=2,
    ),
    Action(
        "diagnose",
        ("D",),
        "diagnosis",
        "Say in words what is odd about the study: zombies, nothing complete, equal values, edges, duplicates.",
        OF_STUDIES,
        rank=4,
    ),
    Action(
        "import",
        ("i",),
        "import",
        "Read a study from elsewhere (Optuna, MLflow) into a view that is only read, with its diagnosis.",
        _at("studies"),
        changes=True,
        rank=3,
    ),
    Action("search", ("slash",), "search", "Go to the next row or log line that holds a text.", OF_STUDIES, rank=3),
    Action("search_next", ("n",), "next", "Go to the next match of the search.", OF_STUDIES, rank=0),
    Action("search_previous", ("N",), "previous", "Go to the match before.", OF_STUDIES, rank=0),
    Action(
        "filter",
        ("f",),
        "filter",
        "Show only some trials: a state, a text, or a comparison such as value>20 or epoch<=3.",
        _at("trials"),
        rank=3,
    ),
    Action("mark", ("space",), "mark", "Mark or unmark the trial under the cursor.", _at("trials"), rank=4),
    Action("sort", ("o",), "sort", "Sort by the next column; a click on a header does it too.", _at("trials"), rank=4),
    Action("sort_reverse", ("O",), "reverse", "Turn the order of the rows around.", _at("trials"), rank=0),
    Action(
        "detail",
        ("d",),
        "detail",
        "Show or hide the pane beside the table (110 columns and more).",
        _at("trials"),
        rank=0,
    ),
    Action("tab_next", ("tab",), "next tab", "Go to the next tab.", _at("trial"), rank=2),
    Action("tab_previous", ("shift+tab",), "tab back", "Go to the tab before.", _at("trial"), rank=0),
    Action(
        "attempt_previous",
        ("left_square_bracket",),
        "attempt",
        "Show the attempt before this one.",
        _at("trial"),
        rank=3,
        shown_as="[ ]",
    ),
    Action("attempt_next", ("right_square_bracket",), "next attempt", "Show the next attempt.", _at("trial"), rank=0),
    Action(
        "trial_previous", ("less_than_sign",), "trial above", "Show the trial above in the table.", _at("trial"), rank=0
    ),
    Action(
        "trial_next", ("greater_than_sign",), "trial below", "Show the trial below in the table.", _at("trial"), rank=0
    ),
    Action("down", ("j",), "down", "Move down (also the arrow key).", rank=0),
    Action("up", ("k",), "up", "Move up (also the arrow key).", rank=0),
    Action("left", ("h",), "left", "Move left (also the arrow key); the right side is the arrow key only.", rank=0),
    Action("show_studies", ("1",), "Studies", "Show all studies.", rank=7),
    Action("show_trials", ("2",), "Trials", "Show the trials of the study.", rank=7),
    Action("show_trial", ("3",), "Trial", "Show everything about one trial.", rank=7),
    Action("show_devices", ("6",), "Devices", "Show the GPUs, who holds them, and what waits for them.", rank=7),
    Action("help", ("question_mark",), "keys", "Show the keys of this screen.", rank=6),
    Action("palette", ("ctrl+p",), "palette", "Find any action, screen or theme by name.", rank=8),
    Action("quit", ("q",), "quit", "Close the panel; the studies go on.", rank=8),
)
"""Every action, in the order of the help page."""

PANE_KEYS: Final[dict[Place, tuple[tuple[str, str], ...]]] = {
    "studies": (("g", "Go to the first row."), ("G", "Go to the last row.")),
    "devices": (("g", "Go to the first process."), ("G", "Go to the last process.")),
    "trials": (("g", "Go to the first row."), ("G", "Go to the last row."), ("right", "Scroll to more columns.")),
    "trial": (
        ("left", "Metrics: the chart to the left. Pictures: the epoch before. Log: scroll."),
        ("right", "Metrics: the chart to the right. Pictures: the next epoch. Log: scroll."),
        ("y", "Metrics: a logarithmic axis, on and off."),
        ("z", "Pictures: panels below each other or side by side."),
        ("end", "Log: follow its end again."),
    ),
}
"""Keys that the panes themselves understand; a test compares them with their bindings."""

BY_ID: Final[dict[str, Action]] = {action.id: action for action in ACTIONS}


def actions_for(place: Place) -> tuple[Action, ...]:
    """The actions of a screen, in the order of the table."""
    return tuple(action for action in ACTIONS if place in action.where)


def bindings_for(place: Place) -> list[Binding]:
    """Textual bindings of a screen; `tab` must win over Textual's own change of focus."""
    return [
        Binding(
            ",".join(action.keys),
            action.id,
            action.title,
            show=action.rank > 0,
            key_display=action.shown_key,
            tooltip=action.help,
            id=f"{place}.{action.id}",
            priority="tab" in action.id.split("_"),
        )
        for action in actions_for(place)
    ]


def key_table(place: Place) -> str:
    """The Markdown table of a screen's keys, as it stands in `docs/panel.md`."""
    lines = ["| key | action | what it does |", "| --- | --- | --- |"]
    for action in actions_for(place):
        keys = " ".join(f"`{key_name(key)}`" for key in action.keys)
        lines.append(f"| {keys} | {action.title} | {action.help} |")
    lines += [f"| `{key_name(key)}` | | {help} |" for key, help in PANE_KEYS[place]]
    return "\n".join(lines)
