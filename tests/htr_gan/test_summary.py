"""What a run leaves for people: tables, the summary, the time left."""

from __future__ import annotations

import csv
from pathlib import Path

from htr_gan.config.schema import GanConfig
from htr_gan.expression import parse_expression
from htr_gan.training.callbacks.history import as_table
from htr_gan.training.progress import Progress
from htr_gan.training.summary import SHOWN_EPOCHS, summary_text
from htr_gan.training.time_left import TimeLeft, clock


def trained(epochs: int, best: int = 1) -> Progress:
    progress = Progress()
    for epoch in range(1, epochs + 1):
        progress.global_step = epoch * 4
        values = {"val/cer": 0.5, "seconds/train": 61.0, "seconds/validation": 2.0}
        progress.finish_epoch(values, 2.0 if epoch == best else 1.0)
    return progress


def test_a_table_has_columns_that_came_later() -> None:
    progress = trained(2)
    progress.finish_epoch({"val/cer": 0.25, "loss/ctc, late": 0.1}, 0.0)
    rows = list(csv.DictReader(as_table(progress.history).splitlines()))
    assert [row["loss/ctc, late"] for row in rows] == ["", "", "0.1"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["val/cer"]) == 0.25
    assert rows[2]["seconds/train"] == ""


def test_a_summary_says_what_was_set_and_what_came_out(gan_config: GanConfig, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch\n")
    text = summary_text(tmp_path, gan_config, trained(3, best=2), ["stopped early: a | b *c*"])
    assert "3 of 3 epochs of 4 steps, effective batch 4" in text
    assert "Best epoch: 2 (`val/psnr + val/ssim - 100 * val/cer` = 2)" in text
    assert "3:03 of steps, 0:06 of validation" in text
    assert "| `train.batch` | 4 | 8 |" in text
    assert "`train.lr`" not in text, "it is the default"
    assert "| **2** | 0.5 |" in text
    assert "stopped early: a \\| b \\*c\\*" in text, "data, not markup"
    assert "- `metrics.csv`" in text
    assert "- `final`" not in text


def test_a_long_summary_shows_first_best_and_last(gan_config: GanConfig, tmp_path: Path) -> None:
    text = summary_text(tmp_path, gan_config, trained(1000, best=777), [])
    rows = [line for line in text.splitlines() if line.endswith("| 0.5 |")]
    assert len(rows) in (SHOWN_EPOCHS, SHOWN_EPOCHS + 1)
    assert rows[0].startswith("| 1 |")
    assert rows[-1].startswith("| 1000 |")
    assert any(row.startswith("| **777** |") for row in rows)


def test_the_time_left_counts_steps_and_validations() -> None:
    left = TimeLeft()
    assert left.seconds(100, 2) is None
    left.take_steps(4, 2.0)
    assert left.seconds(10, 2) == 5.0
    left.take_validation(3.0)
    left.take_validation(5.0)
    assert left.seconds(10, 2) == 13.0
    assert [clock(seconds) for seconds in (0.0, 59.6, 61.0, 3723.0)] == ["0:00", "1:00", "1:01", "1:02:03"]


def test_the_best_epoch_is_looked_for_again_when_the_formula_changes() -> None:
    progress = Progress()
    for psnr, cer in ((20.0, 0.5), (25.0, 0.4), (21.0, 0.1), (22.0, 0.3)):
        progress.finish_epoch({"val/psnr": psnr, "val/cer": cer}, psnr)
    assert progress.best_epoch == 2
    progress.choose_best(parse_expression("-val/cer"), {1, 2, 4})
    assert (progress.best_epoch, progress.best_score) == (4, -0.3), "the third is no longer on the disk"
    progress.choose_best(parse_expression("val/new"), {1, 2, 4})
    assert (progress.best_epoch, progress.best_score) == (4, None)
    assert Progress.from_record(progress.record()) == progress
