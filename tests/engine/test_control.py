"""Residuals of control networks and adapters are kept with the encoder's features of the key step."""

import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

import faster_diffusion as fd
from specimens import toys
from specimens.rows.control import adapted_xl, with_edges_xl

MODES = pytest.mark.parametrize("parallel", [True, False, 2], ids=["parallel", "sequential", "two-at-once"])


@pytest.fixture(scope="module")
def pipe():
    base = toys.stable_diffusion()
    control = ControlNetModel.from_unet(base.unet, conditioning_embedding_out_channels=(4, 8)).eval()
    generator = torch.Generator().manual_seed(7)
    for name, parameter in control.named_parameters():
        if name.startswith(("controlnet_down_blocks", "controlnet_mid_block", "controlnet_cond_embedding.conv_out")):
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1  # they start at zero
    pipe = StableDiffusionControlNetPipeline(**base.components, controlnet=control, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sample(pipe, **call):
    edges = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(8))
    return toys.sample(pipe, image=edges, **call)


def test_with_every_step_key_the_controlled_image_is_the_untouched_one(pipe):
    untouched = sample(pipe)
    assert (untouched - sample(pipe, controlnet_conditioning_scale=0.0)).abs().max() > 0.1
    with fd.enable(pipe, key_steps="all"):
        assert torch.equal(sample(pipe), untouched)


def test_controlled_sampling_in_parallel_equals_sequential_and_reuses(pipe):
    made = []
    for parallel in (True, False, 2):
        with fd.enable(pipe, parallel=parallel) as handle:
            made.append(sample(pipe))
        assert (handle.summary().computed, handle.summary().reused) == (5, 5)
    for image in made[1:]:
        torch.testing.assert_close(image, made[0], rtol=0, atol=1e-4)


def calls_of(control, monkeypatch):
    calls, forward = [], control.forward

    def counting(*args, **kwargs):
        calls.append(1)
        return forward(*args, **kwargs)

    monkeypatch.setattr(control, "forward", counting)
    return calls


@MODES
def test_the_control_network_runs_at_key_steps_only(pipe, parallel, monkeypatch):
    calls = calls_of(pipe.controlnet, monkeypatch)
    with fd.enable(pipe, key_steps=[0, 3], parallel=parallel) as handle:
        first = sample(pipe)
        assert len(calls) == 2
        summary = handle.summary()
        assert (summary.control_computed, summary.control_reused) == (2, 8)
        assert "Control network ran in 2 of 10 calls." in str(summary)
        assert torch.equal(sample(pipe), first)


@MODES
def test_where_control_ends_a_key_step_begins(pipe, parallel):
    with fd.enable(pipe, key_steps=[0, 3], parallel=parallel) as handle:
        ends = sample(pipe, control_guidance_end=0.6)
        assert handle.summary().key_steps == (0, 3, 6)
        assert (handle.summary().control_computed, handle.summary().control_reused) == (3, 7)
        whole = sample(pipe)
    assert (ends - whole).abs().max() > 0.01


@MODES
def test_a_changed_prompt_runs_the_control_network_anew(pipe, parallel):
    other = torch.cat(list(toys.prompt(seed=9).values()))

    def change(pipe, step, t, tensors):
        return {"prompt_embeds": other} if step == 5 else {}

    with fd.enable(pipe, key_steps=[0, 3], parallel=parallel) as handle:
        sample(pipe, callback_on_step_end=change, callback_on_step_end_tensor_inputs=["prompt_embeds"])
    assert handle.summary().key_steps == (0, 3, 6)
    assert handle.summary().control_computed == 3


def test_guess_mode_in_parallel_equals_sequential(pipe):
    pipe.to(torch.float64)  # in which rounding is far below what is allowed
    made = []
    for parallel in (True, False):
        with fd.enable(pipe, key_steps=[0, 3], parallel=parallel) as handle:
            made.append(sample(pipe, guess_mode=True))
        assert handle.summary().control_computed == 2
    torch.testing.assert_close(*made, rtol=0, atol=1e-4)


def test_several_control_networks_at_once(pipe):
    pipe.to(torch.float64)  # in which rounding is far below what is allowed
    both = StableDiffusionControlNetPipeline(
        **{**pipe.components, "controlnet": [pipe.controlnet, pipe.controlnet]}, requires_safety_checker=False
    )
    both.set_progress_bar_config(disable=True)
    edges = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(8))
    call = {"image": [edges, 1 - edges], "controlnet_conditioning_scale": [0.5, 0.7]}
    made = []
    for parallel in (True, False):
        with fd.enable(both, key_steps=[0, 3], parallel=parallel) as handle:
            made.append(toys.sample(both, **call))
        assert (handle.summary().control_computed, handle.summary().control_reused) == (2, 8)
    torch.testing.assert_close(*made, rtol=0, atol=1e-4)


def features(unet):
    """Constant features as a T2I-Adapter gives them, one a level."""
    generator = torch.Generator().manual_seed(9)
    channels = unet.config.block_out_channels
    return [torch.randn(1, c, size, size, generator=generator) for c, size in zip(channels, (16, 8, 4, 2), strict=True)]


@torch.no_grad()
def loop(unet, scheduler, handle, **residuals):
    scheduler.set_timesteps(10)
    latent = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    text = toys.prompt()["prompt_embeds"]
    with handle.sampling(scheduler):
        for t in scheduler.timesteps:
            given = {name: [x.clone() for x in value] for name, value in residuals.items()}
            latent = scheduler.step(unet(latent, t, text, **given).sample, t, latent).prev_sample
    return latent


@MODES
@pytest.mark.parametrize("name", ["down_intrablock_additional_residuals", "down_block_additional_residuals"])
def test_adapter_features_act_once_on_what_is_kept(parallel, name):
    """At a key step alone: a second addition on kept features would be seen, as would one that is left out."""
    pipe = toys.stable_diffusion()
    unet = pipe.unet
    image = loop(unet, pipe.scheduler, fd.enable(unet, parallel=parallel), **{name: features(unet)})
    without = loop(unet, pipe.scheduler, fd.enable(unet, parallel=parallel))
    assert (image - without).abs().max() > 0.01

    # The same where the features are part of the weights: no argument that could be lost or used twice.
    twin = toys.stable_diffusion().unet
    for block, feature in zip(twin.down_blocks, features(twin), strict=True):
        add_to_output(block, feature)
    expected = loop(twin, pipe.scheduler, fd.enable(twin, parallel=parallel))
    torch.testing.assert_close(image, expected, rtol=0, atol=1e-4)


@MODES
def test_where_an_adapter_ends_a_key_step_begins(parallel):
    pipe = adapted_xl()
    pipe.set_progress_bar_config(disable=True)
    with fd.enable(pipe, key_steps=[0, 3], parallel=parallel) as handle:
        call = {**with_edges_xl(1), "generator": torch.manual_seed(3), "num_inference_steps": 10}
        pipe(**call, output_type="latent", adapter_conditioning_factor=0.6)
    assert handle.summary().key_steps == (0, 3, 6)


def add_to_output(block, feature):
    """What the forward of the network does with an adapter's feature, done by the block itself."""
    forward = block.forward
    with_attention = getattr(block, "has_cross_attention", False)

    def added(*args, **kwargs):
        if with_attention:
            return forward(*args, **kwargs, additional_residuals=feature.clone())
        output, skips = forward(*args, **kwargs)
        output += feature
        return output, skips

    block.forward = added
