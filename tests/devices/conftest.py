from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import nvml


@pytest.fixture(scope="session")
def fake_nvml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not nvml.has_compiler():
        pytest.skip("no gcc")
    return nvml.build(tmp_path_factory.mktemp("nvml"))
