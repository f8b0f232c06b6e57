"""Measures systems on lines: the network, and beside it what does nothing (degraded), what needs no learning
(background division), and what cannot be surpassed (the clean picture), all read by the same recogniser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from htr_gan.data.flatten import flatten_paper
from htr_gan.inference.measured_lines import MeasuredLines
from htr_gan.inference.reader import Reader
from htr_gan.inference.reading import Reading
from htr_gan.inference.restorer import Restorer
from htr_gan.metrics.background import divide_background
from htr_gan.metrics.intervals import Interval, mean_difference, mean_interval, rate_difference, rate_interval
from htr_gan.metrics.picture import psnr, ssim
from htr_gan.metrics.text import character_counts, word_counts

Pictures = NDArray[np.uint8]
Check = Callable[[], None]

DEGRADED, BACKGROUND, FLATTENED, RESTORED, CLEAN = "degraded", "background", "flattened", "restored", "clean"
SECOND = "2"
"""Ending of the name of what the second run made."""


@dataclass(frozen=True)
class Measured:
    """What one system made of all lines, and how good that is."""

    name: str
    pictures: Pictures
    readings: tuple[Reading, ...]
    edits: NDArray[np.int64]
    characters: NDArray[np.int64]
    word_edits: NDArray[np.int64]
    words: NDArray[np.int64]
    psnr: NDArray[np.float64] | None
    """dB a line; None where no clean picture is known, and for the clean picture itself."""
    ssim: NDArray[np.float64] | None

    def totals(self) -> dict[str, Interval]:
        """CER and WER of the corpus (fractions), means of PSNR (dB) and SSIM."""
        found = {
            "cer": rate_interval(self.edits, self.characters),
            "wer": rate_interval(self.word_edits, self.words),
        }
        if self.psnr is not None and self.ssim is not None:
            found |= {"psnr": mean_interval(self.psnr), "ssim": mean_interval(self.ssim)}
        return found

    def by_group(self, groups: Sequence[str]) -> dict[str, dict[str, Interval]]:
        """CER and WER of each group of lines; groups without any text have no rate and are left out."""
        members = np.asarray(groups)
        found = {}
        for name in sorted(set(groups)):
            chosen = members == name
            if self.words[chosen].sum():
                found[name] = {
                    "cer": rate_interval(self.edits[chosen], self.characters[chosen]),
                    "wer": rate_interval(self.word_edits[chosen], self.words[chosen]),
                }
        return found

    def minus(self, other: Measured) -> dict[str, Interval]:
        """This system's figures minus the other's, paired by line."""
        found = {
            "cer": rate_difference(other.edits, self.edits, self.characters),
            "wer": rate_difference(other.word_edits, self.word_edits, self.words),
        }
        if self.psnr is not None and other.psnr is not None and self.ssim is not None and other.ssim is not None:
            found |= {"psnr": mean_difference(other.psnr, self.psnr), "ssim": mean_difference(other.ssim, self.ssim)}
        return found


def measure_restorers(
    restorers: list[Restorer], reader: Reader, lines: MeasuredLines, batch: int, check: Check
) -> dict[str, Measured]:
    """The generators of one or two runs and their peers, by name, in the order in which people compare them."""
    assert lines.degraded is not None
    candidates = _unlearned(lines.degraded)
    for number, restorer in enumerate(restorers):
        candidates[RESTORED + SECOND * number] = _restored(restorer, lines.degraded, batch, check)
    if lines.clean is not None:
        candidates[CLEAN] = lines.clean
    return {name: measure(name, pictures, reader, lines, batch, check) for name, pictures in candidates.items()}


def measure_readers(readers: list[Reader], lines: MeasuredLines, batch: int, check: Check) -> dict[str, Measured]:
    """What one or two recognisers read in clean lines, and the first one in degraded lines if there are such."""
    assert lines.clean is not None
    found = {}
    for number, reader in enumerate(readers):
        name = CLEAN + SECOND * number
        found[name] = measure(name, lines.clean, reader, lines, batch, check)
    if lines.degraded is not None:
        peers = _unlearned(lines.degraded).items()
        found |= {name: measure(name, pictures, readers[0], lines, batch, check) for name, pictures in peers}
    return found


def measure(name: str, pictures: Pictures, reader: Reader, lines: MeasuredLines, batch: int, check: Check) -> Measured:
    """Read and compare pictures [lines, height, width]; `check` may raise between batches to end the work."""
    readings: list[Reading] = []
    for start in range(0, len(pictures), batch):
        check()
        readings += reader.read(list(pictures[start : start + batch]), batch)
    texts = [reading.text for reading in readings]
    is_comparable = lines.clean is not None and not name.startswith(CLEAN)
    return Measured(
        name,
        pictures,
        tuple(readings),
        *character_counts(texts, lines.texts),
        *word_counts(texts, lines.texts),
        psnr=_by_line(psnr, pictures, lines.clean, batch) if is_comparable else None,
        ssim=_by_line(ssim, pictures, lines.clean, batch) if is_comparable else None,
    )


def _unlearned(degraded: Pictures) -> dict[str, Pictures]:
    """What every restoration has to beat: the lines as they are, and two classic methods without anything to learn.

    The first is tuned for noisy, stained lines, the second for faded ones on smooth paper.
    """
    return {
        DEGRADED: degraded,
        BACKGROUND: np.stack([divide_background(picture) for picture in degraded]),
        FLATTENED: np.stack([flatten_paper(picture) for picture in degraded]),
    }


def _restored(restorer: Restorer, pictures: Pictures, batch: int, check: Check) -> Pictures:
    """As 8-bit pictures, which is what `htr-gan restore` writes."""
    restored = np.empty_like(pictures)
    for start in range(0, len(pictures), batch):
        check()
        part = pictures[start : start + batch].astype(np.float32) / np.float32(255.0)
        lines = restorer.restore_lines(list(part), batch)
        restored[start : start + batch] = np.rint(np.stack(lines) * 255.0).astype(np.uint8)
    return restored


def _by_line(
    metric: Callable[[Any, Any], Any], pictures: Pictures, clean: Pictures | None, batch: int
) -> NDArray[np.float64]:
    assert clean is not None
    values = [
        metric(_unit(pictures[start : start + batch]), _unit(clean[start : start + batch])).numpy()
        for start in range(0, len(pictures), batch)
    ]
    return np.asarray(np.concatenate(values), np.float64)


def _unit(pictures: Pictures) -> Any:
    return tf.constant(pictures[..., np.newaxis], tf.float32) / 255.0
