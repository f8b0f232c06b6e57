"""The parts of the header: where you are, how the study stands, the GPU, who supervises."""

from __future__ import annotations

from htr_tui.panel import format
from htr_tui.panel.frame.header import HeaderPart
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.trial_columns import GB, elapsed, value_digits
from htr_tui.panel.views import GpuView, StudyView
from htr_tui.text import clean_text

STUDY_MARKS = {
    "running": ("●", ">"),
    "paused": ("=", "="),
    "stopped": ("■", "="),
    "finished": ("✓", "+"),
    "interrupted": ("!", "!"),
}
"""The mark of each state of a study and its ASCII form."""


def study_mark(state: str, ascii: bool) -> str:
    """The one-cell mark of a study's state."""
    return STUDY_MARKS.get(state, ("?", "?"))[1 if ascii else 0]


def study_parts(panel: PanelContext, study: StudyView | None) -> list[HeaderPart]:
    """The header of a study's screens."""
    if study is None:
        return [HeaderPart(panel.study or "no study", "name", 0), *stale_parts(panel)]
    parts = [
        HeaderPart(clean_text(study.name, 40), "name", 0),
        HeaderPart(progress_text(study), "plain", 1),
    ]
    failed = study.counts["failed"]
    if failed:
        parts.append(HeaderPart(f"{'!' if panel.is_ascii else '⚑'} {failed} failed", "bad", 3))
    if study.best is not None and study.best.value is not None:
        value = format.number(study.best.value, value_digits(study.best.value))
        parts.append(HeaderPart(f"best #{study.best.number} {value}", "good", 2, is_right=True))
    elif study.pareto:
        parts.append(HeaderPart(f"{len(study.pareto)} on the Pareto front", "good", 2, is_right=True))
    elif study.has_nothing_feasible:
        parts.append(HeaderPart("none feasible", "warn", 2, is_right=True))
    if study.waiting and study.state == "running":
        parts.append(HeaderPart(f"waits: {clean_text(study.waiting, 44)}", "warn", 2))
    parts += gpu_parts(panel)
    parts += stale_parts(panel)
    parts.append(supervisor_part(panel, study))
    return parts


def progress_text(study: StudyView) -> str:
    """`23/50`, or what is known of it."""
    if not study.is_loaded:
        return f"reading, {study.total} trials so far"
    return f"{study.ended}/{study.budget}" if study.budget else f"{study.ended} of {study.total}"


def supervisor_part(panel: PanelContext, study: StudyView) -> HeaderPart:
    """Whether somebody looks after the study, and what to do if nobody does."""
    supervisor = study.supervisor
    ascii = panel.is_ascii
    mark = study_mark(study.state, ascii)
    if study.state == "running":
        since = panel.clock() - supervisor.started if supervisor.started else None
        text = f"{mark} supervised {elapsed(since)}" if since is not None else f"{mark} supervised"
        if supervisor.liveness == "elsewhere":
            text += f" on {clean_text(supervisor.host, 30)}"
        if study.stop_requested:
            text = f"{mark} stopping" + (" now" if study.stop_requested == "now" else "")
        elif study.waiting and not study.running:
            return HeaderPart(f"{study_mark('paused', ascii)} waiting", "warn", 0, is_right=True)
        return HeaderPart(text, "warn" if study.stop_requested else "good", 0, is_right=True)
    if study.state == "paused":
        if study.has_paused_itself:
            return HeaderPart("! paused by itself: P continues", "bad", 0, is_right=True)
        return HeaderPart(f"{mark} paused: P continues", "warn", 0, is_right=True)
    if study.facts.imported is not None:
        return HeaderPart("imported, read-only", "warn", 0, is_right=True)
    if study.state == "interrupted":
        return HeaderPart("! interrupted: l to go on", "bad", 0, is_right=True)
    return HeaderPart(f"{mark} {study.state}", "warn" if study.state == "stopped" else "plain", 0, is_right=True)


def gpu_parts(panel: PanelContext) -> list[HeaderPart]:
    """The first GPUs in short; the strip of the Studies screen has them all."""
    machine = panel.store.machine
    if machine is None or not machine.gpus:
        return []
    return [HeaderPart(gpu_text(gpu, panel.is_ascii), "plain", 4, is_right=True) for gpu in machine.gpus[:1]]


def gpu_text(gpu: GpuView, ascii: bool) -> str:
    """`gpu0 ██████░░ 11.2/16 GB 87%`."""
    text = f"gpu{gpu.index}"
    if gpu.used_bytes is not None and gpu.total_bytes:
        share = gpu.used_bytes / gpu.total_bytes
        text += f" {format.bar(share, 8, ascii)} {gpu.used_bytes / GB:.1f}/{gpu.total_bytes / GB:.0f} GB"
    if gpu.load is not None:
        text += f" {gpu.load:.0f}%"
    return text


def stale_parts(panel: PanelContext) -> list[HeaderPart]:
    """A word when what is shown may be old."""
    return [
        HeaderPart(f"! {feed} stale: {clean_text(reason, 60)}", "bad", 1, is_right=True)
        for feed, reason in panel.stale.items()
    ]
