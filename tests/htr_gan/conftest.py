"""A micro preset: the real code on lines of 16 x 64 pixels, a few steps long."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from htr_gan.config.load import load_config
from htr_gan.config.schema import GanConfig, RecognizerConfig

RECOGNIZER = """\
task: recognizer
data: {lines: 24, held_out: 8, height: 16, width: 64, text_length: 6, fonts: [kalam], workers: 0}
model: {width: 2, lstm: 4}
train: {epochs: 2, steps: 3, batch: 4}
"""

GAN = """\
task: gan
recognizer: {config: recognizer.yaml}
data: {lines: 24, held_out: 8, height: 16, width: 64, text_length: 6, fonts: [kalam], workers: 0}
model: {width: 2, levels: 2, discriminator_width: 2, text_lstm: 4}
train: {epochs: 3, steps: 4, batch: 4, samples: 2}
"""

THIRD_PARTY_WARNINGS = (
    "ignore::DeprecationWarning:tensorflow.*",
    "ignore::DeprecationWarning:keras.*",
    "ignore:.*np.object.*:FutureWarning",
    "ignore:.*__array__ implementation.*:DeprecationWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """TensorFlow and Keras warn about themselves; our own warnings stay errors."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for warning in THIRD_PARTY_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True)
def own_signals_and_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Commands take signals and use the cache; tests give both back."""
    monkeypatch.setenv("HTR_GAN_CACHE", str(tmp_path / "cache"))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def micro(tmp_path: Path) -> Path:
    """The path of a micro GAN configuration, with its recogniser's beside it."""
    return write_micro(tmp_path)


def write_micro(folder: Path) -> Path:
    """Write both micro configurations into `folder`; returns the GAN's."""
    (folder / "recognizer.yaml").write_text(RECOGNIZER)
    (folder / "gan.yaml").write_text(GAN)
    return folder / "gan.yaml"


@pytest.fixture
def gan_config(micro: Path) -> GanConfig:
    """The micro GAN configuration."""
    config = load_config(micro)
    assert isinstance(config, GanConfig)
    return config


@pytest.fixture
def recognizer_config(micro: Path) -> RecognizerConfig:
    """The micro recogniser configuration."""
    config = load_config(micro.with_name("recognizer.yaml"))
    assert isinstance(config, RecognizerConfig)
    return config


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a configuration's text and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write
