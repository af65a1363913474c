"""FLOPs by stage, against real execution and against the published figures of Stable Diffusion."""

from collections import defaultdict

import pytest
import torch
from diffusers import (
    UNet2DConditionModel,
    UNet2DModel,
    UNet3DConditionModel,
    UNetMotionModel,
    UNetSpatioTemporalConditionModel,
)
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from faster_diffusion.accounting.flops import encoder_flops, stage_flops, twin
from faster_diffusion.benchmark.architectures import ARCHITECTURES
from faster_diffusion.models.families import LAYOUTS
from faster_diffusion.models.inputs import network_inputs

SD15, SDXL = (ARCHITECTURES[name].network().config for name in ("sd15", "sdxl"))


@pytest.fixture
def tiny() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=24,
        norm_num_groups=8,
        attention_head_dim=4,
    ).eval()


def shares(flops: dict[str, int]) -> dict[str, float]:
    """Percent of the whole by kind of stage."""
    totals: dict[str, float] = defaultdict(float)
    for stage, count in flops.items():
        totals[stage.partition(".")[0]] += 100 * count / sum(flops.values())
    return totals


def test_counts_what_a_real_forward_computes(tiny):
    inputs = {
        "sample": torch.randn(3, 4, 24, 16),
        "timestep": torch.tensor(7),
        "encoder_hidden_states": torch.randn(3, 11, 24),
    }
    # The fused attention kernel of the CPU has no FLOP formula in torch; as matrix products it has.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        tiny(**inputs)
    flops = stage_flops(tiny, (), inputs)
    assert sum(flops.values()) == counter.get_total_flops()
    for stage, count in flops.items():
        if stage != "other":
            assert count == sum(counter.get_flop_counts()[f"UNet2DConditionModel.{stage}"].values())


def test_stages_stand_in_the_order_they_run(tiny):
    flops = stage_flops(tiny, (), network_inputs(tiny, 1, 8, 8))
    assert list(flops) == [
        "conv_in", "down_blocks.0", "down_blocks.1", "mid_block", "up_blocks.0", "up_blocks.1", "other",
    ]  # fmt: skip


def test_stable_diffusion_15_costs_what_is_published():
    unet = twin(UNet2DConditionModel, SD15)
    flops = stage_flops(unet, (), network_inputs(unet, 2, 64, 64))
    assert sum(flops.values()) == pytest.approx(1607e9, rel=1e-3)  # one step with guidance, 803 GMAC
    by_kind = shares(flops)
    assert by_kind["down_blocks"] == pytest.approx(31.0, abs=0.1)
    assert by_kind["mid_block"] == pytest.approx(1.5, abs=0.1)
    assert by_kind["up_blocks"] == pytest.approx(67.4, abs=0.1)


def test_sdxl_shares_are_the_published_ones():
    unet = twin(UNet2DConditionModel, SDXL)
    by_kind = shares(stage_flops(unet, (), network_inputs(unet, 2, 128, 128)))
    assert by_kind["down_blocks"] == pytest.approx(31.6, abs=0.1)
    assert by_kind["mid_block"] == pytest.approx(11.8, abs=0.1)
    assert by_kind["up_blocks"] == pytest.approx(56.6, abs=0.1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_does_not_matter(tiny, dtype):
    shapes = (1, 4, 8, 8), (1, 5, 24)
    latents, text = (torch.zeros(shape) for shape in shapes)
    expected = stage_flops(tiny, (latents, 3, text))
    assert stage_flops(tiny.to(dtype), (latents.to(dtype), 3, text.to(dtype))) == expected


def test_what_was_counted_before_answers_for_nothing_else(tiny):
    once = stage_flops(tiny, (), network_inputs(tiny, 1, 8, 8))
    twice = stage_flops(tiny, (), network_inputs(tiny, 2, 8, 8))
    assert {stage: 2 * count for stage, count in once.items()} == twice
    narrower = type(tiny).from_config({**tiny.config, "block_out_channels": (16, 24)})
    assert sum(stage_flops(narrower, (), network_inputs(narrower, 1, 8, 8)).values()) < sum(once.values())
    assert list(stage_flops(tiny, (), network_inputs(tiny, 1, 8, 8), ["conv_in", "mid_block"])) == [
        "conv_in", "mid_block", "other",
    ]  # fmt: skip


def test_the_model_is_not_run(tiny):
    calls = []
    tiny.register_forward_pre_hook(lambda *_: calls.append(1))
    stage_flops(tiny, (), network_inputs(tiny, 1, 8, 8))
    assert not calls
    assert all(parameter.device.type == "cpu" for parameter in tiny.parameters())


def test_a_compiled_model_is_counted_as_itself(tiny):
    inputs = network_inputs(tiny, 1, 8, 8)
    assert stage_flops(torch.compile(tiny), (), inputs) == stage_flops(tiny, (), inputs)


def test_a_model_without_config_is_counted_as_it_is_but_has_no_twin():
    linear = nn.Linear(2, 3)
    assert sum(stage_flops(linear, (torch.zeros(5, 2),)).values()) == 2 * 5 * 2 * 3
    with pytest.raises(TypeError, match="Linear has none"):
        twin(linear)


def test_inputs_follow_the_config():
    labelled = twin(UNet2DConditionModel, {"num_class_embeds": 1000, "in_channels": 7, "cross_attention_dim": 1024})
    inputs = network_inputs(labelled, 2, 32, 48)
    assert inputs["sample"].shape == (2, 7, 32, 48)
    assert inputs["class_labels"].shape == (2,)
    assert sum(stage_flops(labelled, (), inputs).values()) > 0


VIDEO = {"block_out_channels": (32, 32, 64, 64), "layers_per_block": 1}


@pytest.mark.parametrize(
    ("cls", "config", "shape"),
    [
        (UNet2DModel, {"sample_size": 16, "block_out_channels": (32, 32, 64, 64)}, (2, 3, 16, 16)),
        (UNet3DConditionModel, {**VIDEO, "attention_head_dim": 16}, (2, 4, 5, 16, 16)),
        (UNetMotionModel, {**VIDEO, "motion_max_seq_length": 32}, (2, 4, 5, 16, 16)),
        (UNetSpatioTemporalConditionModel, {**VIDEO, "num_attention_heads": (2, 2, 4, 4)}, (2, 5, 8, 16, 16)),
    ],
)
def test_every_known_network_is_counted(cls, config, shape):
    assert cls.__name__ in LAYOUTS
    network = twin(cls, config)
    inputs = network_inputs(network, 2, 16, 16, frames=5)
    assert inputs["sample"].shape == shape
    flops = stage_flops(network, (), inputs)
    assert 0 < encoder_flops(network, flops) < sum(flops.values())
    assert all(count > 0 for count in flops.values())
