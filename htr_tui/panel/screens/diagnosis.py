"""A study's diagnosis in words, and the import of studies from elsewhere, which ends with one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.widgets import Static

from htr_tui.diagnosis.diagnosis import Diagnosis, Severity
from htr_tui.diagnosis.study import diagnose as diagnose_fold
from htr_tui.journal.fold import JournalReader
from htr_tui.journal.paths import StudyPaths
from htr_tui.panel.frame.lines import Lines, Look, to_content
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.dialogs import MessageDialog
from htr_tui.panel.screens.form_dialog import FormDialog, FormField, form_width
from htr_tui.panel.screens.requests import tell
from htr_tui.processes.presence import read_presence

SIGNS: Final[Mapping[Severity, tuple[str, Look]]] = {
    "error": ("!! ERROR", "bad"),
    "warning": ("! WARNING", "warn"),
    "info": ("NOTE", "accent"),
}


async def diagnose(app: App[Any], panel: PanelContext, names: Sequence[str]) -> None:
    """Show the diagnosis of studies, once it was read."""
    if names:
        await app.push_screen_wait(DiagnosisDialog(panel, names))


async def import_study(app: App[Any], panel: PanelContext) -> None:
    """Ask from where, import, and show what is odd about what came."""
    fields = [
        FormField("url", "from", "", "", "old.db, sqlite:///..., postgresql://..., mlruns, http://..."),
        FormField("study", "study there", "", "empty: all of them"),
        FormField("metric", "metric", "", "MLflow: the objective"),
        FormField("direction", "direction", "", "MLflow: maximize | minimize"),
    ]
    text = "An Optuna storage (also an old one, or a JournalStorage file) or an MLflow store. It is only read, never changed."
    dialog = FormDialog(
        "Import a study", text, fields, import_arguments, panel.commands.run, verb="import", is_ascii=panel.is_ascii
    )
    result = await app.push_screen_wait(dialog)
    panel.feed.look_now()
    if result is None:
        return
    if not result.is_done:
        tell(app, "import: no answer yet; it goes on by itself", severity="warning")
        return
    studies = result.answer.get("studies")
    made = [study for study in studies if isinstance(study, dict)] if isinstance(studies, list) else []
    for study in made:
        for warning in study.get("warnings") or ():
            tell(app, f"{study.get('study')}: {warning}", severity="warning")
    await diagnose(app, panel, [str(study["study"]) for study in made if study.get("study")])


def import_arguments(typed: Mapping[str, str]) -> list[str]:
    """What was typed as a command line; ValueError where it is none."""
    url, direction = typed["url"].strip(), typed["direction"].strip()
    if not url:
        raise ValueError("from where? A file, a folder or a URL is needed")
    if url.startswith("-"):
        raise ValueError(f"{url}: neither a path nor a URL; write ./{url} for a file of that name")
    arguments = ["import", url]
    arguments += [f"--{name}={text}" for name in ("study", "metric") if (text := typed[name].strip())]
    if direction:
        if direction not in ("maximize", "minimize"):
            raise ValueError(f"direction {direction}: maximize or minimize")
        arguments.append(f"--{direction}")
    return arguments


class DiagnosisDialog(MessageDialog):
    """What the trials of a study tell together, the worst first; read in a thread."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("D", "cancel", "Close", show=False)]

    def __init__(self, panel: PanelContext, names: Sequence[str]) -> None:
        title = f"Diagnosis of {names[0]}" if len(names) == 1 else f"Diagnosis of {len(names)} studies"
        super().__init__(title, "reading the journal ...", is_ascii=panel.is_ascii)
        self._panel = panel
        self._names = tuple(names)

    def on_mount(self) -> None:
        """Begin to read."""
        self._read()

    @work(group="diagnosis", exclusive=True, exit_on_error=False)
    async def _read(self) -> None:
        lines = Lines(form_width(self.app), self._is_ascii)
        for name in self._names:
            try:
                trials, found = await asyncio.to_thread(read_diagnosis, self._panel.runs / name, self._panel.clock())
            except OSError as error:
                lines.wrap(f"{name} cannot be read: {error}", "bad")
                continue
            if len(self._names) > 1:
                lines.heading(name)
            describe_diagnosis(lines, trials, found)
        self.query_one("#text > Static", Static).update(to_content(lines.lines))


def read_diagnosis(study: Path, now: float) -> tuple[int, list[Diagnosis]]:
    """(number of trials, what was found) of a study's folder; reads the whole journal, so not in an event loop."""
    paths = StudyPaths(study)
    reader = JournalReader(paths.journal)
    reader.refresh()
    presence = read_presence(paths.supervisor)
    found = diagnose_fold(reader.fold, now, is_supervised=presence is not None and presence.alive)
    return len(reader.fold.trials), found


def describe_diagnosis(lines: Lines, trials: int, found: Sequence[Diagnosis]) -> None:
    """Every finding with its numbers and what to do."""
    if not found:
        lines.wrap(f"Nothing suspicious in {trials} trials." if trials else "No trials yet.", "good")
    for diagnosis in found:
        sign, look = SIGNS.get(diagnosis.severity, ("NOTE", "accent"))
        lines.blank()
        lines.wrap(f"{sign}  {diagnosis.title}", look, limit=3)
        lines.wrap(diagnosis.text, indent="  ", limit=12)
        if diagnosis.remedy:
            lines.wrap(f"What to do: {diagnosis.remedy}", "bold", indent="  ", limit=8)
