"""What the author of a configuration should know before it trains: nothing here is wrong, some of it is a surprise."""

from __future__ import annotations

from collections.abc import Iterator

from htr_gan.config.schema import Config, GanConfig
from htr_gan.training.precision import precision_note


def advice(config: Config) -> Iterator[tuple[str, str]]:
    """Notes as (message, level)."""
    precision = precision_note(config.train.precision)
    if precision is not None:
        yield precision
    if isinstance(config, GanConfig) and config.loss.contrastive:
        yield from _about_negatives(config.train.batch, config.train.accumulation)


def _about_negatives(batch: int, accumulation: int) -> Iterator[tuple[str, str]]:
    """InfoNCE compares the lines that are in memory together."""
    if batch == 1:
        yield "loss.contrastive has no wrong texts to compare with in batches of one line: it is 0", "warning"
    elif accumulation > 1:
        message = f"loss.contrastive compares the {batch} lines of a batch; accumulation does not widen that"
        yield f"{message} to {batch * accumulation}", "info"
