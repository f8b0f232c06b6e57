"""The live bar of a running trial: epoch, step, time left."""

from __future__ import annotations

from htr_tui.panel import format
from htr_tui.panel.views import LiveAttempt


def epoch_bar(live: LiveAttempt | None, epoch: int | None, epochs: int | None, width: int, ascii: bool) -> str:
    """`epoch 6/10 ███░░░`: the bar is the whole trial, the step within the epoch included."""
    if live is not None:
        epoch, epochs = live.epoch if live.epoch is not None else epoch, live.epochs or epochs
    if epoch is None:
        return f"starting {format.bar(None, width, ascii)}"
    done = epochs_done(live, epoch)
    share = done / epochs if epochs else None
    return f"epoch {epoch}/{epochs or '?'} {format.bar(share, width, ascii)}"


def epochs_done(live: LiveAttempt | None, epoch: int) -> float:
    """Epochs that are done, with the part of the current one; a metrics event ends its epoch."""
    if live is None or live.step is None:
        return float(epoch)
    return max(0.0, epoch - 1 + (live.fraction or 0.0))


def step_text(live: LiveAttempt | None) -> str:
    """`step 120/300 at 4.2/s`, or nothing where the trainer does not tell."""
    if live is None or live.step is None or not live.of:
        return ""
    text = f"step {live.step}/{live.of}"
    return text + (f" {format.number(live.rate, 1)}/s" if live.rate else "")


def time_left(
    live: LiveAttempt | None, epochs_seconds: float | None, epoch: int | None, epochs: int | None
) -> float | None:
    """Seconds until the trial's last epoch ends, at `epochs_seconds` an epoch."""
    if live is not None:
        epoch, epochs = live.epoch if live.epoch is not None else epoch, live.epochs or epochs
    if epoch is None or not epochs or epochs_seconds is None:
        return None
    return max(0.0, epochs - epochs_done(live, epoch)) * epochs_seconds
