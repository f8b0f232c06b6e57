"""`htr-gan evaluate`: what it measures is what training measured, and what it writes can be trusted."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from htr_gan.__main__ import main
from htr_gan.config.load import load_config
from htr_gan.config.places import cache_folder
from htr_gan.data.pairs import load_pairs
from htr_gan.inference.line_groups import groups_of
from htr_gan.inference.measured_lines import MeasuredLines, flattened, lines_to_measure
from htr_gan.inference.sheet import best_median_worst, fitting_text
from htr_gan.inference.trained import Trained
from htr_gan.metrics.text import character_error_rate
from tests.htr_gan.source_makers import PAPER, good_rows, write_pack
from tests.htr_gan.trained_runs import Runs, trained_runs

__all__ = ["trained_runs"]


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    capsys.readouterr()
    assert main(["evaluate", *map(str, arguments), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def figure(found: dict[str, object], *keys: str) -> float:
    value: object = found
    for key in (*keys, "value"):
        assert isinstance(value, dict)
        value = value[key]
    assert isinstance(value, float)
    return value


def test_figures_are_those_of_the_training(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results"
    found = evaluated(capsys, runs.gan, "--out", out)
    told = json.loads((runs.gan / "history.json").read_text())["epochs"][-1]["values"]
    assert figure(found, "systems", "restored", "cer") == pytest.approx(told["val/cer"], abs=0.05)
    assert figure(found, "systems", "degraded", "cer") == pytest.approx(told["val/degraded_cer"])
    assert figure(found, "systems", "restored", "psnr") == pytest.approx(told["val/psnr"], abs=0.05)
    assert figure(found, "systems", "restored", "ssim") == pytest.approx(told["val/ssim"], abs=0.01)
    assert json.loads((out / "totals.json").read_text()) == found
    assert "| background division |" in (out / "summary.md").read_text()
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.width > 400
    rows = list(csv.DictReader((out / "lines.csv").open(encoding="utf-8", newline="")))
    assert len(rows) == 8
    for name in ("degraded", "background", "restored", "clean"):
        rate = character_error_rate([row[f"{name}_read"] for row in rows], [row["text"] for row in rows])
        assert figure(found, "systems", name, "cer") == pytest.approx(rate)
    assert "clean_psnr" not in rows[0]
    mean = np.mean([float(row["restored_psnr"]) for row in rows])
    assert figure(found, "systems", "restored", "psnr") == pytest.approx(mean, abs=0.01)


def test_two_checkpoints_are_compared_in_pairs(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, runs.gan, runs.gan, "--checkpoint", "best", "--checkpoint", "epoch-0001")
    differences = found["differences"]
    assert isinstance(differences, dict)
    same = differences["restored2 - restored"]
    assert {key: (v["value"], v["low"], v["high"]) for key, v in same.items()} == dict.fromkeys(
        ("cer", "wer", "psnr", "ssim"), (0.0, 0.0, 0.0)
    )
    gain = figure(found, "systems", "restored", "psnr") - figure(found, "systems", "degraded", "psnr")
    assert figure(found, "differences", "restored - degraded", "psnr") == pytest.approx(gain)


def test_a_recogniser_is_measured_on_lines_of_any_source(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = write_pack(tmp_path / "pack", good_rows())
    found = evaluated(capsys, runs.recogniser, "--data", pack, "--split", "test", "--out", tmp_path / "out")
    systems, groups = found["systems"], found["groups"]
    assert isinstance(systems, dict)
    assert isinstance(groups, dict)
    assert list(systems) == ["clean"]
    assert set(systems["clean"]) == {"cer", "wer"}
    assert found["lines"] == 2
    assert len(groups["page"]) == 2
    assert evaluated(capsys, runs.recogniser / "recognizer", "--data", pack, "--split", "test")["systems"] == systems


def test_lines_without_a_clean_side_are_read_only(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = write_pack(tmp_path / "pack", good_rows())
    found = evaluated(capsys, runs.gan, "--data", pack, "--out", tmp_path / "out")
    systems = found["systems"]
    assert isinstance(systems, dict)
    assert list(systems) == ["degraded", "background", "flattened", "restored"]
    assert all(set(system) == {"cer", "wer"} for system in systems.values())


def test_results_are_replaced_only_when_asked(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    arguments = ["evaluate", str(runs.recogniser), "--out", str(out)]
    assert main([*arguments, "--force"]) == 2
    assert "thesis.tex" in capsys.readouterr().err
    (out / "thesis.tex").rename(out / "totals.json")
    assert main(arguments) == 2
    assert (out / "totals.json").read_text() == "mine"
    assert main([*arguments, "--force"]) == 0
    assert json.loads((out / "totals.json").read_text())["lines"] == 8


def test_wrong_folders_and_checkpoints_are_told(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        ([tmp_path / "none"], "no such folder"),
        ([tmp_path], "nothing trained in it"),
        ([runs.gan, "--checkpoint", "epoch-0009"], "there are: epoch-0001"),
        ([runs.gan, runs.recogniser], "cannot be compared"),
        ([runs.gan, "--data", tmp_path / "gone"], "No such file"),
        ([runs.recogniser / "recognizer"], "--data"),
        ([runs.gan, "--checkpoint", "best", "--checkpoint", "last"], "once for each run"),
    ):
        assert main(["evaluate", *map(str, arguments)]) == 2, arguments
        assert said in capsys.readouterr().err


def test_damaged_weights_are_never_used(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "run"
    shutil.copytree(runs.gan, copy)
    state = copy / "checkpoints" / "epoch-0001" / "state.npz"
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 0xFF
    state.write_bytes(bytes(data))
    assert main(["evaluate", str(copy)]) == 2
    assert "epoch-0001" in capsys.readouterr().err
    shutil.rmtree(copy / "checkpoints")
    assert main(["evaluate", str(copy)]) == 2
    assert "no checkpoint in it" in capsys.readouterr().err


def test_sheets_show_each_line_once_and_every_character() -> None:
    rates = np.asarray([0.5, 0.0, 0.9, 0.1, 0.2, 0.3, 0.0])
    chosen = best_median_worst(rates, np.asarray([0, 2, 0, 0, 0, 0, 1.0]), 2)
    assert chosen == {"best": [6, 1], "median": [3, 4], "worst": [2, 0]}
    few = best_median_worst(rates[:2], rates[:2], 4)
    assert sorted(few["best"] + few["median"] + few["worst"]) == [0, 1]
    font, shown = fitting_text("été \x1b[31m œ\u202e\U0010fffe")
    assert "été " in shown
    assert "<U+001B>[31m" in shown
    assert "<U+202E>" in shown
    assert font.getlength(shown) > 0


def test_groups_come_from_packs_and_pages(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", good_rows(2, 1, 1))
    names = [f"pack/lines/{index:03d}.png" for index in range(4)]
    assert groups_of(names, [pack]) == {"page": ("page-0", "page-1", "page-2", "page-3")}
    assert groups_of([*names, "other/x.png"], [pack]) == {"source": ("pack",) * 4 + ("other",)}
    assert groups_of(["a/1.xml#l1", "a/1.xml#l2", "a/2.xml#l1"], []) == {"page": ("a/1.xml", "a/1.xml", "a/2.xml")}


def test_lines_of_a_gan_are_its_validation_pairs_and_those_of_folders_are_as_they_are(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", good_rows())
    text = f"data: {{sources: [{pack}], height: 16, width: 64, text_length: 8}}\n"
    for task in ("gan", "recognizer"):
        (tmp_path / f"{task}.yaml").write_text(f"task: {task}\n{text}")
    trained = Trained(tmp_path, "gan", load_config(tmp_path / "gan.yaml"))

    def lines(data: Path | None, split: str = "held-out") -> MeasuredLines:
        return lines_to_measure(trained, data, split, lambda: None, lambda _message: None, (16, 64))

    own = lines(None)
    pairs = load_pairs(
        load_config(tmp_path / "gan.yaml").data,
        "held-out",
        cache_folder(load_config(tmp_path / "gan.yaml")),
        lambda: None,
        lambda _message: None,
    )
    assert own.clean is not None
    assert own.degraded is not None
    np.testing.assert_array_equal(own.clean, pairs.clean)
    np.testing.assert_array_equal(own.degraded, pairs.degraded)
    for data in (pack, tmp_path / "recognizer.yaml"):
        raw = lines(data)
        assert raw.clean is None
        assert raw.degraded is not None
        assert np.median(raw.degraded) == PAPER, "neither whitened nor degraded"
        assert raw.texts == own.texts
    white = flattened(replace(raw, clean=raw.degraded, degraded=None), lambda: None).clean
    assert white is not None
    assert np.median(white) == 255
