"""What a study file would run, before anything is run: words, environment, rendered config file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from textual.app import App

from htr_tui.panel.commands import CommandResult
from htr_tui.panel.frame.lines import Lines
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.dialogs import MessageDialog
from htr_tui.panel.screens.form_dialog import form_width
from htr_tui.panel.screens.parameters import describe_set
from htr_tui.panel.screens.requests import tell
from htr_tui.panel.screens.trial_config import show_variable

ROWS: Final = 200
"""Lines of a config file that are shown."""


class PreviewDialog(MessageDialog):
    """The preview, in a wide box."""


async def preview(app: App[Any], panel: PanelContext, choice: str) -> None:
    """Ask `check --show-command` about a study file, or about the file that a study was launched with."""
    study = panel.store.study(choice)
    path = panel.runs / choice / "study.yaml" if study is not None else Path(choice)
    tell(app, f"checking {path.name} ...", timeout=2)
    result = await panel.commands.run(["check", str(path), "--show-command"])
    lines = Lines(form_width(app), panel.is_ascii)
    describe_preview(lines, result)
    await app.push_screen_wait(PreviewDialog(f"What {choice} would run", lines.lines, is_ascii=panel.is_ascii))


def describe_preview(lines: Lines, result: CommandResult) -> None:
    """The commands of example trials, or what is wrong with the file."""
    previews = result.answer.get("preview")
    if not result.is_done or not isinstance(previews, list):
        for line in result.explain().splitlines():
            lines.wrap(line, "bad", limit=6)
        return
    for found in previews:
        if isinstance(found, dict):
            _describe_one(lines, found)
    warnings = result.answer.get("warnings")
    for warning in warnings if isinstance(warnings, list) else []:
        text = warning.get("message") if isinstance(warning, dict) else warning
        lines.wrap(f"! {text}", "warn", limit=4)
    if not previews:
        lines.add(("it would run nothing", "warn"))


def _describe_one(lines: Lines, found: Mapping[str, Any]) -> None:
    lines.heading(f"example: {found.get('label') or 'a trial'}")
    params = found.get("params")
    if isinstance(params, dict):
        lines.wrap(describe_set(params), "dim", limit=6)
    argv = found.get("argv")
    lines.blank()
    if isinstance(argv, list):
        lines.wrap(" ".join(shlex.quote(str(word)) for word in argv), "accent", limit=20)
    lines.wrap(f"in {found.get('cwd') or '?'}", "dim", limit=2)
    env = found.get("env")
    if isinstance(env, dict) and env:
        lines.heading("environment that is added")
        for name, value in list(env.items())[:ROWS]:
            lines.wrap(f"{name}={show_variable(str(name), str(value))}", indent="  ", limit=3)
    config = found.get("config")
    if isinstance(config, dict):
        lines.heading("config file that is written")
        lines.wrap(str(config.get("path")), "dim", limit=2)
        for line in str(config.get("text") or "").splitlines()[:ROWS]:
            lines.add("  ", line)
