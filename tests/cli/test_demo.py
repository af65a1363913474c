"""`faster-diffusion demo` on the embedded model."""

import re
import subprocess
import sys

import pytest
from PIL import Image

from faster_diffusion.generation.images import read_settings


def test_shows_times_fidelity_and_agreement_and_writes_the_picture(run, tmp_path):
    result = run("demo", "--steps", 12, "--prompts", 2, "--out", "pairs.png", "--seed", 3)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    for pattern in (
        r"^Origin Pipeline: \d+\.\d{3} seconds$",
        r"^Faster Diffusion: \d+\.\d{3} seconds$",
        r"^Speed-up: \d+\.\d\dx in the network .*, \d+\.\d\dx for the whole call$",
        r"^Fidelity to the originals: PSNR \d+\.\d dB to \d+\.\d dB, median \d+\.\d dB",
        r"^Original: prompt accuracy \d of 2, CLIP score -?0\.\d{3}$",
        r"^Accelerated: prompt accuracy \d of 2, CLIP score -?0\.\d{3}$",
    ):
        assert re.search(pattern, result.stdout, re.MULTILINE), pattern
    picture = Image.open(tmp_path / "pairs.png")
    assert picture.height > 2 * 192
    assert picture.width > 2 * 192
    assert read_settings(tmp_path / "pairs.png")["steps"] == 12


def test_no_difference_where_every_step_is_key(run):
    result = run("demo", "--steps", 3, "--prompts", 1, "--key-steps", "all")
    assert "Fidelity to the originals: identical" in result.stdout


def test_generate_and_info_know_the_embedded_model(run, tmp_path):
    assert run("info", "scenes").exit_code == 0
    assert run("generate", "a red sphere", "--steps", 3, "--out", "x.png").exit_code == 0
    assert read_settings(tmp_path / "x.png")["model"] == "scenes"


@pytest.mark.slow
def test_without_the_commands_own_dependencies_it_says_what_to_install():
    script = "import sys; sys.modules['typer'] = None; from faster_diffusion.cli import run; run()"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.strip() == "The command needs typer. Install it with: pip install 'faster-diffusion[cli]'"
