"""One evaluation that many tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from faster_diffusion.evaluation import Evaluation
from tests.evaluation import tiny


@dataclass(frozen=True)
class Run:
    found: Evaluation
    folder: Path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tiny pipeline's, with reports."""
    folder = tmp_path_factory.mktemp("evaluation") / "run"
    return Run(tiny.run(folder, reports=True), folder)
