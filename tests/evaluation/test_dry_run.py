"""What a run takes is told before any weights are loaded."""

import pytest
from diffusers import DDIMScheduler

from faster_diffusion.arms import Arm
from faster_diffusion.evaluation import Judges
from faster_diffusion.evaluation import dry_run as module
from faster_diffusion.evaluation.dry_run import Model, check_installed, requirements
from faster_diffusion.generation.prompts import Prompt
from faster_diffusion.generation.sampling import Settings

PROMPTS = [Prompt("a", n) for n in range(5)]
KNOWN = Model(DDIMScheduler(), (64, 32))


def foreseen(*specs, settings=None, judges=None, models=(KNOWN,), out=None, prompts=PROMPTS):
    arms = [Arm.parse(spec) for spec in specs]
    return requirements(arms, prompts, settings or Settings((10,)), judges or Judges(), models, out, "cpu")


def test_network_calls_are_those_of_all_batches_and_of_the_image_that_is_counted(tmp_path):
    assert foreseen("baseline", out=tmp_path).network_calls == (1 + 1) * 10
    assert foreseen("baseline", out=tmp_path, settings=Settings((10,), batch_size=2)).network_calls == (1 + 3) * 10
    assert foreseen("baseline", "steps:4", out=tmp_path).network_calls == 2 * (10 + 4)
    assert foreseen("heun:10", out=tmp_path).network_calls == 2 * 19


def test_pipelines_in_a_row_add_up(tmp_path):
    settings = Settings((10, 4))
    assert foreseen("baseline", out=tmp_path, settings=settings, models=(KNOWN, Model())).network_calls == 2 * 14


def test_the_disk_must_be_large_enough(tmp_path, monkeypatch):
    assert foreseen("baseline", "paper", out=tmp_path).disk_bytes == 10 * (64 * 32 * 3 + 4096)
    monkeypatch.setattr(module, "_free", lambda folder: 1000)
    with pytest.raises(ValueError, match="may need 0.0 GB, but 0.0 GB are free"):
        foreseen("baseline", out=tmp_path / "not" / "yet")


def test_a_network_that_cannot_be_found_is_told(tmp_path):
    with pytest.raises(ValueError, match="The network gone.pt cannot be had: there is no file"):
        foreseen("baseline", out=tmp_path, judges=Judges(features="gone.pt"))


def test_what_will_be_measured_is_told(tmp_path):
    told = foreseen("baseline", out=tmp_path, judges=Judges(features="scenes"))
    assert "FID to baseline" in told.measured
    assert any(reason.startswith("CLIP score (needs a CLIP") for reason in told.not_measured)
    assert "5 images, 20 network calls" in str(told)


def test_a_peer_that_is_not_installed_is_told(monkeypatch):
    import sys

    check_installed(Arm.parse("tome:0.5"))
    monkeypatch.setitem(sys.modules, "tomesd", None)
    with pytest.raises(ImportError, match="tomesd is not installed"):
        check_installed(Arm.parse("tome:0.5"))
