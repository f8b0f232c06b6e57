"""The plainest Textual program: one Static. What a panel costs is told as a ratio to it."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static


class PlainApp(App[None]):
    BINDINGS = [("q", "quit", "quit")]

    def compose(self) -> ComposeResult:
        yield Static("ready")


if __name__ == "__main__":
    PlainApp().run()
