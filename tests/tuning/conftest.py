"""One tuning that many tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from faster_diffusion.tuning import Tuning
from tests.tuning import tiny


@dataclass(frozen=True)
class Run:
    found: Tuning
    folder: Path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tuning") / "run"
    return Run(tiny.run(folder, max_seconds=100), folder)
