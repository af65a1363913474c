"""One tuning that many tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from faster_diffusion.tuning import Tuning
from faster_diffusion.tuning.speed import Speed
from tests.tuning import tiny

# By which plans are ranked: that of a large network. What is measured of a toy is mostly noise, and another every time.
SPEED = Speed(call=1.0, step=0.1, rest=0.5, fractions={"encoder": 0.7})


@dataclass(frozen=True)
class Run:
    found: Tuning
    folder: Path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tuning") / "run"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Speed, "measured", lambda *_: SPEED)
        return Run(tiny.run(folder, max_seconds=100), folder)
