"""The known architectures: as large as they are said to be, and called as their pipelines want it."""

import diffusers
import pytest
import torch

from faster_diffusion.accounting.flops import twin
from faster_diffusion.benchmark.architectures import ARCHITECTURES
from faster_diffusion.benchmark.cases import case
from faster_diffusion.benchmark.prepared import prepare
from faster_diffusion.models.stages import layout_of

PARAMETERS = {  # of the network, in millions, as its authors say; DiT's blocks each have an embedding of their own here
    "sd15": 860,
    "sd21": 866,
    "sdxl": 2567,
    "controlnet": 860,
    "if-1": 4300,
    "if-2": 1260,
    "if-3": 473,
    "modelscope": 1411,
    "svd": 1525,
    "animatediff": 1313,
    "dit-xl": 750,
}
LATENTS = {  # of one call of the network, for two images of 64 x 64 pixels with guidance
    "if-1": (4, 3, 64, 64),
    "if-2": (4, 6, 64, 64),
    "if-3": (4, 7, 16, 16),
    "modelscope": (4, 4, 16, 8, 8),
    "svd": (4, 25, 8, 8, 8),
    "animatediff": (4, 4, 16, 8, 8),
}


def weightless(part):
    return twin(getattr(diffusers, part.cls), part.config)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_network_is_as_large_as_the_published_one(name):
    assert parameters(weightless(ARCHITECTURES[name].network())) / 1e6 == pytest.approx(PARAMETERS[name], rel=5e-3)


def test_the_control_network_and_the_vae_are_as_large_as_the_published_ones():
    parts = ARCHITECTURES["controlnet"].parts
    assert parameters(weightless(parts["controlnet"])) / 1e6 == pytest.approx(361, rel=5e-3)
    assert parameters(weightless(parts["vae"])) / 1e6 == pytest.approx(83.7, rel=5e-3)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_call_has_latents_of_its_size_with_and_without_guidance(name, narrow_architectures):
    prepared = prepare(case(name, size=(64, 64), batch=2, vae=False, steps=1))
    sample = layout_of(prepared.network).sample
    seen = []

    def look(module, args, kwargs):
        seen.append(tuple((args[0] if args else kwargs[sample]).shape))

    prepared.network.register_forward_pre_hook(look, with_kwargs=True)
    prepared.sample(1)
    assert seen == [LATENTS.get(name, (4, 4, 8, 8))]


def test_without_guidance_half_as_much_is_computed(narrow_architectures):
    prepared = prepare(case("sd15", size=(64, 64), batch=2, guidance=1.0, vae=False))
    seen = []
    prepared.network.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[0]))
    prepared.sample(1)
    assert seen == [2]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_networks_are_made_in_the_precision_asked_for(narrow_architectures, dtype):
    pipe = ARCHITECTURES["sdxl"].build(dtype, "cpu", (64, 64))
    assert {parameter.dtype for part in (pipe.unet, pipe.vae) for parameter in part.parameters()} == {dtype}
    assert torch.get_default_dtype() == torch.float32
    assert pipe.scheduler.betas.dtype == torch.float32


def test_a_transformer_is_made_for_its_size(narrow_architectures):
    for side in (64, 128):
        pipe = ARCHITECTURES["dit-xl"].build(torch.float32, "cpu", (side, side))
        assert pipe.transformer.config.sample_size == side // 8
