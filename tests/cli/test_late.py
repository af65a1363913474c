"""The command answers before the library is loaded, where it need not be."""

import subprocess
import sys

import pytest

from faster_diffusion import analysis
from faster_diffusion.benchmark.architectures import ARCHITECTURES
from faster_diffusion.benchmark.cases import MODES, SUITES
from faster_diffusion.cli import names
from faster_diffusion.evaluation import METRICS
from faster_diffusion.models import schedulers
from faster_diffusion.options.profile import SUFFIX

COMMANDS = ("demo", "generate", "video", "show", "info", "evaluate", "bench", "analyze", "tune", "fit")


def test_what_help_lists_is_what_there_is():
    for text, there in (
        (names.ARCHITECTURES, ARCHITECTURES),
        (names.SUITES, SUITES),
        (names.MODES, MODES),
        (names.METRICS, METRICS),
    ):
        assert text == ", ".join(there)
    assert names.SOLVERS == schedulers.NAMES
    assert ",".join(map(str, analysis.KEYS)) == names.KEYS
    assert names.PROFILE == SUFFIX


def test_help_version_and_mistakes_in_arguments_load_neither_torch_nor_diffusers(tmp_path):
    folder, file = tmp_path / "x.png", tmp_path / "file"
    folder.mkdir()
    file.touch()
    asked = [
        ("--version",),
        ("--help",),
        ("-h",),
        ("nonsense",),
        *((name, "-h") for name in COMMANDS),
        ("tune", "--no"),
        *((*words, "--out", str(folder)) for words in (("demo",), ("bench",), ("fit",), ("video", "a"))),
        *((*words, "--out", str(file)) for words in (("generate", "a"), ("evaluate",), ("tune",), ("analyze",))),
    ]
    script = f"""
import sys
from faster_diffusion.cli import run
for arguments in {asked}:
    sys.argv = ["faster-diffusion", *arguments]
    try:
        run()
    except SystemExit as end:
        wrong = "--out" in arguments or arguments[-1] in ("nonsense", "--no")
        assert end.code == (2 if wrong else 0), (arguments, end.code)
print(sorted({{"torch", "diffusers", "transformers"}} & sys.modules.keys()))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("[]\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_code_page_that_lacks_a_letter_does_not_end_a_command(encoding, run_process, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    result = run_process("show", "日本.png")
    assert result.returncode == 2
    assert "There is no" in result.stderr
    assert "Traceback" not in result.stderr
