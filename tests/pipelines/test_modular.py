"""Modular Diffusers: blocks instead of a pipeline class, and guiders that call the network several times a step."""

from typing import Any

import pytest
import torch
from diffusers import (
    AdaptiveProjectedGuidance,
    AutoGuidance,
    ClassifierFreeGuidance,
    LayerSkipConfig,
    PerturbedAttentionGuidance,
    SmoothedEnergyGuidance,
)
from diffusers.guiders.smoothed_energy_guidance import SmoothedEnergyGuidanceConfig
from diffusers.modular_pipelines.stable_diffusion_xl import StableDiffusionXLAutoBlocks

import faster_diffusion as fd
from specimens.rows.common import STEPS
from specimens.rows.xl import pooled, xl

pytestmark = pytest.mark.slow

KEYS = [0, 3, 4]
CLOSE = {"rtol": 0, "atol": 1e-3}
BLOCKS = "mid_block.attentions.0.transformer_blocks"
GUIDERS = {  # with the orders at which each call of a step begins
    "classifier-free": (lambda: ClassifierFreeGuidance(guidance_scale=5), [0, 0]),
    "adaptive-projected": (lambda: AdaptiveProjectedGuidance(guidance_scale=5), [0, 0]),
    "auto": (lambda: AutoGuidance(auto_guidance_config=LayerSkipConfig([0], fqn=BLOCKS)), [0, 0]),
    "perturbed-attention": (
        lambda: PerturbedAttentionGuidance(
            perturbed_guidance_config=LayerSkipConfig(
                [0], fqn=BLOCKS, skip_attention=False, skip_attention_scores=True, skip_ff=False
            ),
            perturbed_guidance_start=0,
            perturbed_guidance_stop=1,
        ),
        [0, 0, 1],  # what it perturbs it leaves out of the first step
    ),
    "smoothed-energy": (
        lambda: SmoothedEnergyGuidance(seg_guidance_config=SmoothedEnergyGuidanceConfig([0], fqn=BLOCKS)),
        [0, 0, 1],
    ),
}


@pytest.fixture(scope="module")
def components():
    return {name: part for name, part in xl().components.items() if name in ("unet", "vae", "scheduler")}


@pytest.fixture(params=GUIDERS)
def guided(request, components):
    """A pipeline, and the order at which each of its network calls of a step begins."""
    guider, begins = GUIDERS[request.param]
    pipe = StableDiffusionXLAutoBlocks().sub_blocks["denoise"].init_pipeline()
    pipe.update_components(**components, guider=guider())
    pipe.set_progress_bar_config(disable=True)
    return pipe, begins


def sample(pipe: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return pipe(**pooled(1), num_inference_steps=STEPS, generator=generator, height=32, width=32, output="latents")


def test_with_every_step_key_the_result_is_bit_exactly_the_untouched_one(guided):
    pipe, _ = guided
    untouched = sample(pipe)
    with fd.enable(pipe, key_steps="all"):
        assert torch.equal(sample(pipe), untouched)
    assert torch.equal(sample(pipe), untouched)


def test_parallel_equals_sequential_and_every_call_of_a_step_follows_the_plan(guided):
    pipe, begins = guided
    keys = [{first, *(key for key in KEYS if key > first)} for first in begins]
    made = {}
    for parallel in (True, False):
        with fd.enable(pipe, key_steps=KEYS, parallel=parallel) as handle:
            made[parallel] = sample(pipe)
            assert torch.equal(sample(pipe), made[parallel])
        summary = handle.summary()
        assert summary.key_steps == tuple(sorted(set().union(*keys)))
        assert summary.computed == sum(map(len, keys))
        assert summary.computed + summary.reused == sum(STEPS - first for first in begins)
    torch.testing.assert_close(made[True], made[False], **CLOSE)
    assert (made[True] - sample(pipe)).abs().max() > 1e-3


def test_nothing_is_left_of_it_after_disable(guided):
    pipe, _ = guided
    call = type(pipe).__call__
    with fd.enable(pipe):
        assert fd.is_enabled(pipe)
        assert type(pipe).__call__ is not call
    assert not fd.is_enabled(pipe)
    assert type(pipe).__call__ is call


def test_blocks_without_a_network_are_refused():
    with pytest.raises(ValueError, match="neither UNet nor transformer"):
        fd.enable(StableDiffusionXLAutoBlocks().sub_blocks["text_encoder"].init_pipeline())
