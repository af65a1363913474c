"""`faster-diffusion info` from configs alone."""

import json
import shutil
from importlib.metadata import version

import pytest

SD15 = {"_class_name": "UNet2DConditionModel", "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}


@pytest.fixture
def sd15(tmp_path):
    """Stable Diffusion 1.5 as its configs alone."""
    for name, config in (
        ("model_index.json", {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}),
        ("unet/config.json", SD15),
        ("vae/config.json", {"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512]}),
    ):
        path = tmp_path / "sd15" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config))
    return tmp_path / "sd15"


def test_plan_of_the_paper_on_stable_diffusion(run, sd15):
    result = run("info", sd15, "--json")
    facts = json.loads(result.stdout)
    assert facts["parameters"] == 859_520_964
    assert facts["latents"] == [2, 4, 64, 64]
    assert facts["pixels"] == [512, 512]
    assert facts["plan"]["step_indices"] == facts["plan"]["orders"] == [0, 1, 2, 3, 5, 10, 15, 25, 35]
    assert facts["plan"]["flops_baseline"] == pytest.approx(50 * 1607e9, rel=1e-3)
    assert facts["plan"]["flops_untouched"] == facts["plan"]["flops_baseline"]  # its former name
    assert facts["plan"]["saved"] == pytest.approx(0.266, abs=0.001)
    assert facts["plan"]["speed_up"] == pytest.approx(1.36, abs=0.01)


def test_shares_add_up(run, sd15):
    stages = json.loads(run("info", sd15, "--json").stdout)["stages"]
    assert sum(stage["fraction"] for stage in stages) == pytest.approx(1)
    assert all(stage["share"] == stage["fraction"] for stage in stages)  # its former name
    parts = {stage["name"]: stage["part"] for stage in stages}
    assert parts["conv_in"] == parts["down_blocks.3"] == parts["mid_block"] == "encoder"
    assert parts["up_blocks.0"] == parts["other"] == "decoder"


def test_size_and_plan_can_be_chosen(run, sd15):
    facts = json.loads(
        run("info", sd15, "--height", 768, "--width", 512, "--steps", 20, "--key-steps", "uniform:5", "--json").stdout
    )
    assert facts["latents"] == [2, 4, 96, 64]
    assert facts["plan"]["step_indices"] == [0, 5, 10, 15]


def test_table(run, sd15):
    result = run("info", sd15)
    assert result.exit_code == 0
    for fragment in ("859.5 M parameters", "down_blocks.1", "24.6 %", "9 of 50 steps", "26.7% saved"):
        assert fragment in result.stdout


def test_version(run):
    assert run("--version").stdout.strip() == version("faster-diffusion")


def test_size_that_has_no_latents(run, sd15):
    result = run("info", sd15, "--height", 100)
    assert result.exit_code == 2
    assert "nearest that is: 96" in result.stderr


def test_needs_no_weights(run, tiny_model, tmp_path):
    folder = tmp_path / "bare"
    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    assert run("info", folder).exit_code == 0


def test_folder_of_the_network_alone(run, tiny_model):
    facts = json.loads(run("info", tiny_model / "unet", "--json").stdout)
    assert facts["network"] == "UNet2DConditionModel"
    assert facts["latents"] == [2, 4, 16, 16]
