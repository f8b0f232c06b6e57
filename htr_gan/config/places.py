"""Where a run keeps what it shares with other runs."""

from __future__ import annotations

import os
from pathlib import Path

from htr_gan.config.schema import Config

CACHE_VARIABLE = "HTR_GAN_CACHE"


def cache_folder(config: Config) -> Path:
    """`cache_dir` of the configuration, else $HTR_GAN_CACHE, else .cache/htr-gan below the current folder."""
    if config.cache_dir is not None:
        return config.cache_dir
    from_environment = os.environ.get(CACHE_VARIABLE)
    return Path(from_environment) if from_environment else Path.cwd() / ".cache" / "htr-gan"
