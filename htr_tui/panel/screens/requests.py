"""What the panel asks for: a question to the user, one command line, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from textual.app import App

from htr_tui.files import read_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import TrialRecord
from htr_tui.panel.commands import CommandResult
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.dialogs import Choice, ChoiceDialog, LaunchDialog, MessageDialog
from htr_tui.panel.screens.retry_dialog import RetryDialog
from htr_tui.panel.views import StudyView
from htr_tui.text import clean_text
from htr_tui.triage.finding import Finding

STARTABLE = frozenset({"stopped", "interrupted"})
FILES_SHOWN = 200

Severity = Literal["information", "warning", "error"]


async def launch(app: App[Any], panel: PanelContext, preferred: str | None) -> None:
    """Ask which study to go on with or which file to start, and do it."""
    studies = [study for study in panel.store.studies() if study.state in STARTABLE]
    studies.sort(key=lambda study: study.name != preferred)
    files = await asyncio.to_thread(study_files, panel.directory)
    choices = [Choice(study.name, f"go on with {study.name}", _why_go_on(study)) for study in studies]
    choices += [Choice(str(panel.directory / file), f"start {file}") for file in files]
    hint = "" if choices else f"No stopped study, and no study file in {panel.directory / 'configs' / 'studies'}."
    answer = await app.push_screen_wait(LaunchDialog(choices, hint, is_ascii=panel.is_ascii))
    if answer is None:
        return
    result = await _run(app, panel, ["run", answer], f"launching {Path(answer).name}")
    if result.is_done:
        study = result.answer.get("study")
        tell(app, f"{study or answer} is supervised now")
        warnings = result.answer.get("warnings")
        for warning in warnings if isinstance(warnings, list) else []:
            tell(app, str(warning), severity="warning")


def study_files(directory: Path) -> list[Path]:
    """Study files that ship with the folder, relative to it; called in a thread."""
    folder = directory / "configs" / "studies"
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError:
        return []
    return [path.relative_to(directory) for path in found if path.is_file()][:FILES_SHOWN]


def _why_go_on(study: StudyView) -> str:
    counts = study.counts
    waiting = counts["stopped"] + counts["queued"] + counts["running"]
    text = f"{study.state}, {study.ended} of {study.budget or study.total} trials ended"
    return text + (f", {waiting} to be continued first" if waiting else "")


async def stop(app: App[Any], panel: PanelContext, name: str | None) -> None:
    """Ask, and stop the study."""
    study = panel.store.study(name)
    if study is None:
        return
    running = len(study.running)
    trials = "1 trial is" if running == 1 else f"{running} trials are"
    answer = await app.push_screen_wait(
        ChoiceDialog(
            f"Stop {study.name}?",
            f"{trials} running. What is stopped can be continued with l.",
            [
                Choice("no", "no, go on"),
                Choice("stop", "stop", "each trial finishes its step and saves a checkpoint first"),
                Choice("now", "stop now", "terminate after a short grace; work since the last checkpoint may be lost"),
            ],
            is_ascii=panel.is_ascii,
        )
    )
    if answer not in ("stop", "now"):
        return
    arguments = ["stop", study.name, "--no-wait", *(["--now"] if answer == "now" else [])]
    result = await _run(app, panel, arguments, f"stopping {study.name}")
    if result.is_done:
        message = result.answer.get("message")
        tell(app, f"{study.name}: {message or 'asked to stop'}")


async def retry(app: App[Any], panel: PanelContext, name: str | None, number: int | None) -> None:
    """Show the fixes of the trial's finding, and run it again with the chosen one."""
    trial = panel.store.trial(name, number)
    if name is None or trial is None:
        return
    finding = await asyncio.to_thread(_read_finding, panel.runs / name, trial)
    fixes = finding.fixes if finding is not None else ()
    reason = finding.title if finding is not None and finding.title else f"It is {trial.state}."
    answer = await app.push_screen_wait(RetryDialog(trial.number, reason, fixes, is_ascii=panel.is_ascii))
    if answer is None:
        return
    arguments = ["retry", name, str(trial.number), *answer.arguments()]
    result = await _run(app, panel, arguments, f"queueing trial {trial.number} again")
    if result.is_done:
        fix = result.answer.get("fix")
        tell(app, f"trial {trial.number} is queued again" + (f" with {fix}" if fix else ""))


def _read_finding(study: Path, trial: TrialRecord) -> Finding | None:
    attempt = trial.last_attempt
    record = read_json(StudyPaths(study).attempt(trial.number, attempt.number).finding) if attempt else None
    return Finding.from_json(record) if record is not None else None


async def _run(app: App[Any], panel: PanelContext, arguments: Sequence[str], doing: str) -> CommandResult:
    tell(app, f"{doing} ...", timeout=3)
    result = await panel.commands.run(arguments)
    panel.feed.look_now()
    if result.exit_status is None:
        tell(app, f"{doing}: no answer yet; it goes on by itself", severity="warning")
    elif not result.is_done:
        title = f"htr-tui {arguments[0]} failed (exit status {result.exit_status})"
        await app.push_screen_wait(MessageDialog(title, result.explain(), is_ascii=panel.is_ascii))
    return result


def tell(app: App[Any], text: str, *, severity: Severity = "information", timeout: float = 5) -> None:
    """A toast of plain text."""
    app.notify(clean_text(text, 400), severity=severity, timeout=timeout, markup=False)
