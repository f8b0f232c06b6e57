"""One step of real training, once a test process, for everything that uses what was trained."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from htr_gan.__main__ import main
from tests.htr_gan.conftest import GAN, RECOGNIZER

SHORT = ["--set", "train.epochs=1", "--set", "train.steps=1"]
WITHOUT_JUDGE = ["--set", "loss.adv=0"]
"""Spares the tracing of the discriminator, which nothing here uses."""


@dataclass(frozen=True)
class Runs:
    """Folders of two runs."""

    gan: Path
    recogniser: Path
    cache: Path
    """The cache folder they were trained with."""


@functools.cache
def _train_in(folder: Path) -> Runs:
    folder.mkdir()
    (folder / "recognizer.yaml").write_text(RECOGNIZER)
    (folder / "gan.yaml").write_text(GAN)
    runs = Runs(folder / "gan", folder / "recogniser", folder / "cache")
    with mock.patch.dict(os.environ, {"HTR_GAN_CACHE": str(runs.cache)}):
        assert main(["train", str(folder / "recognizer.yaml"), "--out", str(runs.recogniser), *SHORT]) == 0
        shared = f"recognizer.path={runs.recogniser / 'recognizer'}"
        assert (
            main(["train", str(folder / "gan.yaml"), "--out", str(runs.gan), *SHORT, *WITHOUT_JUDGE, "--set", shared])
            == 0
        )
    return runs


@pytest.fixture(name="runs")
def trained_runs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The runs, with their cache in force; nobody may write into their folders."""
    runs = _train_in(tmp_path_factory.getbasetemp() / "trained-runs")
    monkeypatch.setenv("HTR_GAN_CACHE", str(runs.cache))
    return runs
