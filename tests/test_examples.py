"""Every example runs offline as it stands, says how long both pipelines took, and saves its picture."""

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"
STEPS = {"if_demo.py": 40}  # the paper's list for IF has so many key steps that shorter runs have no others


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*_demo.py")))
def test_an_example_runs_and_saves_its_picture(script, tmp_path, monkeypatch, capsys):
    picture = tmp_path / "picture.png"
    monkeypatch.setattr(sys, "argv", [script, "--steps", str(STEPS.get(script, 16)), "--output", str(picture)])
    monkeypatch.syspath_prepend(EXAMPLES)
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["Origin Pipeline", "Faster Diffusion"]
    assert min(Image.open(picture).size) >= 64
