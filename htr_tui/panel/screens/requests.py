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
from htr_tui.panel.screens.attention import pause_text
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.dialogs import Choice, ChoiceDialog, LaunchDialog, MessageDialog
from htr_tui.panel.screens.retry_dialog import RetryDialog
from htr_tui.panel.views import StudyView
from htr_tui.text import clean_text
from htr_tui.triage.finding import Finding

STARTABLE = frozenset({"stopped", "interrupted", "paused"})
FILES_SHOWN = 200

Severity = Literal["information", "warning", "error"]


async def launch(app: App[Any], panel: PanelContext, preferred: str | None) -> None:
    """Ask which study to go on with or which file to start, and do it."""
    studies = [s for s in panel.store.studies() if s.state in STARTABLE and s.facts.imported is None]
    studies.sort(key=lambda study: study.name != preferred)
    files = await asyncio.to_thread(study_files, panel.directory)
    choices = [Choice(study.name, _go_on(study), _why_go_on(study, panel.clock())) for study in studies]
    choices += [Choice(str(panel.directory / file), f"start {file}") for file in files]
    hint = "" if choices else f"No stopped study, and no study file in {panel.directory / 'configs' / 'studies'}."

    async def show(choice: str) -> None:
        from htr_tui.panel.screens.preview import preview

        await preview(app, panel, choice)

    answer = await app.push_screen_wait(LaunchDialog(choices, hint, show, is_ascii=panel.is_ascii))
    if answer is None:
        return
    if (chosen := panel.store.study(answer)) is not None and chosen.state == "paused":
        await _continue(app, panel, chosen)
        return
    result = await run_command(app, panel, ["run", answer], f"launching {Path(answer).name}")
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


def _go_on(study: StudyView) -> str:
    return f"continue {study.name}" if study.state == "paused" else f"go on with {study.name}"


def _why_go_on(study: StudyView, now: float) -> str:
    counts = study.counts
    if study.state == "paused":
        return pause_text(study, now)
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
    result = await run_command(app, panel, arguments, f"stopping {study.name}")
    if result.is_done:
        message = result.answer.get("message")
        tell(app, f"{study.name}: {message or 'asked to stop'}")


async def pause_or_continue(app: App[Any], panel: PanelContext, name: str | None) -> None:
    """Continue a paused study; ask, and pause one that runs."""
    study = panel.store.study(name)
    if study is None:
        return
    if study.state == "paused":
        await _continue(app, panel, study)
        return
    answer = await app.push_screen_wait(
        ChoiceDialog(
            f"Pause {study.name}?",
            "Running trials go on to their end; nothing new is started until the study is continued with P.",
            [Choice("no", "no, go on"), Choice("pause", "pause", "the supervisor stays and waits")],
            is_ascii=panel.is_ascii,
        )
    )
    if answer != "pause":
        return
    result = await run_command(app, panel, ["pause", study.name], f"pausing {study.name}")
    if result.is_done:
        tell(app, f"{study.name}: {result.answer.get('message') or 'starts nothing new; P continues it'}")


async def _continue(app: App[Any], panel: PanelContext, study: StudyView) -> None:
    result = await run_command(app, panel, ["continue", study.name], f"continuing {study.name}")
    if result.is_done:
        tell(app, f"{study.name}: {result.answer.get('message') or 'goes on'}")


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
    result = await run_command(app, panel, arguments, f"queueing trial {trial.number} again")
    if result.is_done:
        fix = result.answer.get("fix")
        tell(app, f"trial {trial.number} is queued again" + (f" with {fix}" if fix else ""))


def _read_finding(study: Path, trial: TrialRecord) -> Finding | None:
    attempt = trial.last_attempt
    record = read_json(StudyPaths(study).attempt(trial.number, attempt.number).finding) if attempt else None
    return Finding.from_json(record) if record is not None else None


async def run_command(app: App[Any], panel: PanelContext, arguments: Sequence[str], doing: str) -> CommandResult:
    """Run one command line, and explain its failure in a dialog."""
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
