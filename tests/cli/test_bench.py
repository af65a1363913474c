"""`faster-diffusion bench` on models that take milliseconds."""

import json
import re
from importlib import import_module

import pytest
from PIL import Image

from faster_diffusion.benchmark.architectures import ARCHITECTURES
from tests.narrow import all_narrow

FAST = ("--steps", 4, "--rounds", 1, "--no-memory")


@pytest.fixture
def narrow_architectures(monkeypatch):
    for name, architecture in all_narrow().items():
        monkeypatch.setitem(ARCHITECTURES, name, architecture)


def reports(path):
    return json.loads(path.read_text())["reports"]


def test_table_file_and_picture(run, tiny_model, tmp_path):
    result = run("bench", tiny_model, *FAST, "--arm", "uniform:2", "--arm", "tgate:2", "--batch", 1, "--batch", 2)
    assert result.exit_code == 0
    assert [report["case"]["batch"] for report in reports(tmp_path / "bench.json")] == [1, 2]
    for text in ("baseline", "uniform:2", "tgate:2", "with VAE", "torch", "bench.json", "bench-speed.png"):
        assert text in result.stdout
    assert Image.open(tmp_path / "bench-speed.png").width > 500


@pytest.mark.slow
def test_peak_memory_is_that_of_a_process_that_samples(run, tiny_model, tmp_path):
    run("bench", tiny_model, "--steps", 2, "--rounds", 1, "--arm", "baseline")
    (report,) = reports(tmp_path / "bench.json")
    assert 2**27 < report["arms"]["baseline"]["peak_memory_bytes"] < 2**33


def test_an_arm_that_cannot_be_used_has_a_row_and_its_reason(run, tiny_model):
    result = run("bench", tiny_model, *FAST, "--arm", "tgate:2", "--guidance", 1)
    assert result.exit_code == 0
    assert re.search(r"│ tgate:2 +│ +not measured │", result.stdout)
    assert "tgate:2 was not measured: ValueError: T-GATE needs guidance" in result.stdout


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_where_it_was(run, tiny_model, tmp_path, monkeypatch):
    options = ("bench", tiny_model, *FAST, "--arm", "baseline", "--batch", 1, "--batch", 2)
    measured = []
    measuring = import_module("faster_diffusion.benchmark.measure")
    real = measuring.measure

    def killed_at_the_second(one, *more):
        measured.append(one.batch)
        if len(measured) == 2:
            raise KeyboardInterrupt
        return real(one, *more)

    monkeypatch.setattr(measuring, "measure", killed_at_the_second)
    assert run(*options).exit_code != 0
    first = reports(tmp_path / "bench.json")
    assert [report["case"]["batch"] for report in first] == [1]
    assert run(*options).exit_code == 0
    assert measured == [1, 2, 2]
    assert reports(tmp_path / "bench.json")[0] == first[0]
    assert run(*options, "--again").exit_code == 0
    assert measured == [1, 2, 2, 1, 2]


def test_a_dry_run_lists_every_case_of_a_suite_and_measures_nothing(run, tmp_path):
    result = run("bench", "--suite", "gpu", "--dry-run")
    assert result.exit_code == 0
    for text in ("sd15 768x768, batch 16", "svd 576x1024, batch 4", "float16 on cuda, graphs", "paper + parallel:4"):
        assert text in result.stdout
    listed = [line for line in result.stdout.splitlines() if re.match(r"\d+: ", line)]
    assert f"\n{len(listed)} cases" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_smallest_cases_for_a_gpu_run_on_a_cpu(run, narrow_architectures, tmp_path):
    on_a_cpu = ("--device", "cpu", "--dtype", "float32", "--steps", 2, "--size", 64, "--rounds", 1, "--no-memory")
    of_the_suite = ("--suite", "gpu", "--batch", 1, "--mode", "eager", "--arm", "uniform:2")
    result = run("bench", "controlnet", "dit-xl", *of_the_suite, *on_a_cpu)
    assert result.exit_code == 0
    cases = [report["case"] for report in reports(tmp_path / "bench.json")]
    assert [(case["model"], case["device"], case["size"]) for case in cases] == [
        ("controlnet", "cpu", [64, 64]),
        ("dit-xl", "cpu", [64, 64]),
    ]


def test_quick_says_what_was_scaled_down(run):
    assert "2 cases" in run("bench", "--quick", "--dry-run").stdout


def test_arms_from_a_file_keep_their_names(run, tiny_model, tmp_path):
    (tmp_path / "arms.yaml").write_text("ours: uniform:2\n")
    run("bench", tiny_model, *FAST, "--arms", "arms.yaml")
    assert list(reports(tmp_path / "bench.json")[0]["arms"]) == ["baseline", "ours"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--suite", "magic"), "Unknown suite 'magic'. Known: quick, cpu, gpu"),
        (("--mode", "magic"), "Unknown mode 'magic'"),
        (("--mode", "graphs", "--device", "cpu"), "CUDA graphs need a GPU"),
        (("--arm", "magic"), "'magic' is not understood"),
        (("--arms", "nowhere.yaml"), "nowhere.yaml"),
        (("--size", "500"), "--size 500"),
        (("no/such/model",), "Architectures with random weights: sd15"),
        (("--suite", "gpu", "scenes"), "No case of the suite"),
        (("--suite", "gpu", "--device", "cpu", "--mode", "graphs"), "CUDA graphs need a GPU"),
    ],
)
def test_a_mistake_is_one_line(run, options, says):
    result = run("bench", *options)
    assert result.exit_code != 0
    assert result.stderr.startswith("Error: ")
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_where_nothing_could_be_measured_the_command_fails(run, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run("bench", tmp_path / "empty", *FAST)
    assert result.exit_code == 1
    assert "No arm could be measured" in result.stderr
