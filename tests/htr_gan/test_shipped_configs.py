"""Every configuration that is shipped: it loads, says what it does, and fits the recogniser that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_gan.config.load import load_config
from htr_gan.config.schema import GanConfig, RecognizerConfig

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(path for folder in ("gan", "recognizer") for path in (CONFIGS / folder).glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_it_loads_says_what_it_does_and_fits_its_recogniser(path: Path) -> None:
    config = load_config(path)
    text = path.read_text(encoding="utf-8")
    header = text.partition("task:")[0]
    assert header.startswith("# Trains:")
    assert all(word in header for word in ("# On:", "Time:", "Result:")), "a reader wants to know before he waits"
    assert f"# Run:    htr-gan train configs/{path.parent.name}/{path.name} --out" in header
    if isinstance(config, GanConfig):
        guide = load_config(config.recognizer.config)
        assert isinstance(guide, RecognizerConfig)
        assert (guide.data.height, guide.data.width) == (config.data.height, config.data.width)
        assert config.data.text_length <= config.data.width // guide.model.columns_per_step


def test_the_promised_presets_are_there() -> None:
    names = {f"{path.parent.name}/{path.stem}" for path in SHIPPED}
    assert {
        f"recognizer/{name}" for name in ("tiny", "laptop", "small", "medium", "large", "ctc", "transformer")
    } <= names
    gans = ("tiny", "laptop", "paper", "golden-baseline", "contrastive-on", "contrastive-off", "iterative")
    assert {f"gan/{name}" for name in gans} <= names


def test_the_contrastive_pair_differs_in_nothing_else() -> None:
    on, off = (load_config(CONFIGS / "gan" / f"contrastive-{side}.yaml") for side in ("on", "off"))
    assert isinstance(on, GanConfig)
    assert isinstance(off, GanConfig)
    assert (on.loss.contrastive, off.loss.contrastive) == (1.0, 0.0)
    assert on.model_copy(update={"loss": off.loss}) == off
    assert on.loss.model_copy(update={"contrastive": 0.0}) == off.loss


def test_golden_baseline_has_the_weights_of_the_experiments() -> None:
    config = load_config(CONFIGS / "gan" / "golden-baseline.yaml")
    assert isinstance(config, GanConfig)
    assert config.loss.weights() == {"pixel": 200, "rec_feat": 5, "ctc": 1, "adv": 3, "contrastive": 1}
    plan = config.train
    assert (plan.batch, plan.lr, plan.epochs, plan.steps) == (4, 2e-4, 30, 100)
