"""What changes in a network in the middle of a run makes the next step a key step."""

import copy

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

import faster_diffusion as fd
from faster_diffusion.engine.watch import Watch
from specimens import toys


class Half(AttnProcessor):
    def __call__(self, *args, **kwargs):
        return super().__call__(*args, **kwargs) * 0.5


def other_weights(unet):
    generator = torch.Generator().manual_seed(7)
    return {n: w + 0.05 * torch.randn(w.shape, generator=generator) for n, w in unet.state_dict().items()}


def copied_in_place(unet):
    with torch.no_grad():
        unet.mid_block.resnets[0].conv1.weight.mul_(0.5)


def past_the_counting(unet):
    for parameter in unet.parameters():
        parameter.data.mul_(0.9)


def other_data(unet):
    unet.conv_in.weight.data = unet.conv_in.weight.data * 0.5


def another_module(unet):
    unet.mid_block = copy.deepcopy(unet.mid_block)
    unet.mid_block.resnets[0].conv1.weight.data *= 0.5


def another_class(unet):
    unet.conv_in.__class__ = type("Doubled", (nn.Conv2d,), {"forward": lambda self, x: 2 * nn.Conv2d.forward(self, x)})


def another_forward(unet):
    forward = unet.mid_block.forward
    unet.mid_block.forward = lambda *args, **kwargs: forward(*args, **kwargs) * 0.5


CHANGES = {
    "FreeU": lambda unet: unet.enable_freeu(0.9, 0.2, 1.2, 1.4),
    "processors": lambda unet: unet.set_attn_processor(Half()),
    "state dict": lambda unet: unet.load_state_dict(other_weights(unet)),
    "state dict assigned": lambda unet: unet.load_state_dict(other_weights(unet), assign=True),
    "in place": copied_in_place,
    "past the counting": past_the_counting,
    "other data": other_data,
    "another module": another_module,
    "another class": another_class,
    "another forward": another_forward,
    "forward hook": lambda unet: unet.mid_block.register_forward_hook(lambda module, args, output: output * 0.5),
    "pre-hook": lambda unet: unet.mid_block.register_forward_pre_hook(lambda module, args: (args[0] * 0.5, *args[1:])),
    "setting": lambda unet: setattr(unet.mid_block.resnets[0], "output_scale_factor", 2.0),
}


@pytest.fixture(params=CHANGES)
def change(request):
    return CHANGES[request.param]


def sample(pipe, change):
    def changing(pipe, step, t, tensors):
        if step == 2:
            change(pipe.unet)
        return tensors

    return toys.sample(pipe, num_inference_steps=6, callback_on_step_end=changing)


@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "sequential"])
def test_the_next_step_is_a_key_step(change, parallel):
    with fd.enable(pipe := toys.stable_diffusion(), key_steps=[0, 1, 3], parallel=False):
        expected = sample(pipe, change)
    with fd.enable(pipe := toys.stable_diffusion(), key_steps=[0, 1], parallel=parallel) as handle:
        torch.testing.assert_close(sample(pipe, change), expected, rtol=0, atol=1e-4)
    assert handle.summary().key_steps == (0, 1, 3)


def test_a_state_has_its_number_again_when_it_comes_again():
    unet = toys.unet()
    watch = Watch(unet, alone=False)
    before = watch.now()
    assert watch.now() == before
    unet.enable_freeu(0.9, 0.2, 1.2, 1.4)
    between = watch.now()
    assert between != before
    hook = unet.register_forward_hook(lambda module, args, output: None)
    assert watch.now() not in (before, between)
    hook.remove()
    assert watch.now() == between


def test_nothing_changes_by_running_the_network():
    unet = toys.unet()
    watch = Watch(unet, alone=False)
    before = watch.now()
    with torch.no_grad():
        unet(torch.zeros(1, 4, 16, 16), 500, torch.zeros(1, 5, 32))
    assert watch.now() == before
