"""What others put into a network: never another image in silence, and no savings that there are not."""

import copy

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.hooks import HookRegistry, ModelHook, PyramidAttentionBroadcastConfig, apply_pyramid_attention_broadcast
from diffusers.hooks.layerwise_casting import apply_layerwise_casting
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import AttnProcessor

import faster_diffusion as fd
from faster_diffusion.models.patches import patches
from specimens import toys

KEYS = {"key_steps": [0, 2], "prior_noise": None}
FEW = {"num_inference_steps": 5}


@pytest.fixture
def pipe():
    return toys.stable_diffusion()


def attention(pipe):
    return next(module for module in pipe.unet.modules() if isinstance(module, BasicTransformerBlock)).attn1


def hook_on_the_network(pipe):
    def rescaled(module, args, kwargs, output):
        first, second = output[0].chunk(2)
        return (torch.cat([first, second + 0.5 * (second - first)]),)

    pipe.unet.register_forward_hook(rescaled, with_kwargs=True)


def hook_on_a_layer(pipe):
    pipe.unet.conv_out.register_forward_hook(lambda module, args, output: output + output.mean(0, keepdim=True))


def pre_hook_on_a_block(pipe):
    pipe.unet.mid_block.register_forward_pre_hook(lambda module, args: (args[0].flip(0), *args[1:]))


def replaced_forward_of_a_layer(pipe):
    layer = attention(pipe)
    forward = layer.forward
    layer.forward = lambda states, *args, **kwargs: forward(states + states[:1], *args, **kwargs)


def swapped_class(pipe):
    layer = attention(pipe)

    class OfMyOwn(type(layer)):
        def forward(self, states, *args, **kwargs):
            return super().forward(states, *args, **kwargs) * torch.linspace(0.5, 1, len(states)).view(-1, 1, 1)

    layer.__class__ = OfMyOwn


def replaced_method(pipe):
    layer = attention(pipe)
    heads = layer.head_to_batch_dim
    layer.head_to_batch_dim = lambda states, *args, **kwargs: heads(states + states.mean(0), *args, **kwargs)
    layer.processor = AttnProcessor()  # the one that asks for it


class Mixing(ModelHook):
    def post_forward(self, module, output):
        return output + output.mean(0, keepdim=True)


def hook_of_a_registry(pipe):
    HookRegistry.check_if_exists_or_initialize(pipe.unet.conv_out).register_hook(Mixing(), "mine")


def under_layerwise_casting(pipe):
    replaced_forward_of_a_layer(pipe)
    apply_layerwise_casting(pipe.unet, torch.float32, torch.float32)


MIXING = (
    hook_on_the_network,
    hook_on_a_layer,
    pre_hook_on_a_block,
    replaced_forward_of_a_layer,
    swapped_class,
    replaced_method,
    hook_of_a_registry,
    under_layerwise_casting,
)


@pytest.mark.parametrize("put", MIXING)
def test_what_may_look_across_a_batch_is_decoded_one_by_one_and_named_once(pipe, put, caplog):
    with fd.enable(pipe, **KEYS) as handle:  # put on after enabling, and in a run that was started before
        toys.sample(pipe, **FEW)
        together = handle.summary().decoder_batches
        put(pipe)
        image = toys.sample(pipe, 2, **FEW)
        toys.sample(pipe, 2, **FEW)
        assert handle.summary().reused == 3
        assert (together, handle.summary().decoder_batches) == (2, 5)
    with fd.enable(pipe, **KEYS, parallel=False):
        torch.testing.assert_close(image, toys.sample(pipe, 2, **FEW), rtol=0, atol=1e-4)
    assert caplog.text.count("may mix the samples of a batch: steps are decoded one by one") == 1


def test_what_is_marked_as_looking_at_samples_alone_is_decoded_together(pipe, caplog):
    def halved(module, args, output):
        return output / 2

    halved.batch_independent = True
    pipe.unet.conv_out.register_forward_hook(halved)
    with fd.enable(pipe, **KEYS) as handle:
        toys.sample(pipe, **FEW)
    assert handle.summary().decoder_batches == 2
    assert "may mix" not in caplog.text


def test_a_hook_that_does_not_read_what_it_is_given_cannot_mix_it(pipe):
    calls = []
    pipe.unet.conv_out.register_forward_hook(lambda *_: calls.append(1))
    assert patches(pipe.unet).mixing is None
    pipe.unet.conv_out.register_forward_hook(lambda module, args, output: calls.append((lambda: output)()))
    assert "conv_out" in patches(pipe.unet).mixing


class WithAConstructor(UNet2DConditionModel):
    def __init__(self, width: int = 8):
        super().__init__(block_out_channels=(width,) * 4, norm_num_groups=4)


def test_a_class_of_one_s_own_is_no_more_than_what_it_changes():
    assert patches(WithAConstructor()).mixing is None


def another_network(pipe):
    pipe.unet.forward = copy.deepcopy(pipe.unet).forward


def traced(pipe):
    class Positional(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, sample, timestep, text):
            return self.network(sample, timestep, text, return_dict=False)[0]

    latents, text = (torch.randn(2, *shape, dtype=pipe.unet.dtype) for shape in ((4, 16, 16), (5, 32)))
    example = latents, torch.tensor(500), text
    with torch.no_grad():
        trace = torch.jit.trace(Positional(copy.deepcopy(pipe.unet)), example, check_trace=False)
    pipe.unet.forward = lambda sample, timestep, encoder_hidden_states=None, **_: (
        trace(sample, timestep, encoder_hidden_states),
    )


@pytest.mark.parametrize("replace", [another_network, traced])
@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "sequential"])
def test_a_forward_that_meets_no_stage_is_run_as_it_is_and_nothing_is_said_to_be_saved(pipe, replace, parallel, caplog):
    pipe.to(torch.float64)  # in which rounding is far below what is allowed
    replace(pipe)
    untouched = toys.sample(pipe, **FEW)
    with fd.enable(pipe, **KEYS, parallel=parallel) as handle:
        torch.testing.assert_close(toys.sample(pipe, **FEW), untouched, rtol=0, atol=1e-5)
        toys.sample(pipe, **FEW)
    summary = handle.summary()
    assert (summary.computed, summary.reused, summary.flops_saved) == (5, 0, 0)
    assert caplog.text.count("every step runs in full, and no time is saved") == 1
    assert torch.equal(toys.sample(pipe, **FEW), untouched)


@pytest.mark.parametrize("replace", [another_network, traced])
def test_the_prediction_can_be_reused_of_any_forward(pipe, replace, caplog):
    with fd.enable(pipe, **KEYS, reuse="output", forecast=1) as handle:
        expected = toys.sample(pipe, **FEW)
        replace(pipe)
        torch.testing.assert_close(toys.sample(pipe, **FEW), expected, rtol=0, atol=1e-4)
    assert handle.summary().reused == 3
    assert not caplog.text


def test_another_cache_is_refused_by_name_when_it_is_there_and_when_it_comes(pipe):
    fd.enable(pipe)
    config = PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2,
        current_timestep_callback=lambda: 500,
        spatial_attention_block_identifiers=["."],
    )
    apply_pyramid_attention_broadcast(pipe.unet, config)
    with pytest.raises(ValueError, match="Pyramid Attention Broadcast is on the network.*disable_cache"):
        toys.sample(pipe)
    with pytest.raises(ValueError, match="Pyramid Attention Broadcast is on the network"):
        fd.enable(toys.stable_diffusion(pipe.unet))


def test_deepcache_is_refused_but_for_steps_decoded_one_by_one(pipe):
    package = pytest.importorskip("DeepCache")
    helper = package.DeepCacheSDHelper(pipe=pipe)
    helper.set_params(cache_interval=2)
    helper.enable()
    with pytest.raises(ValueError, match=r"DeepCache is on the network.*helper\.disable\(\).*parallel=False"):
        fd.enable(pipe)
    with fd.enable(pipe, **KEYS, parallel=False):
        toys.sample(pipe, **FEW)
    helper.disable()
    with fd.enable(pipe, **KEYS) as handle:  # the forwards that it puts back are the modules' own
        toys.sample(pipe, **FEW)
    assert handle.summary().decoder_batches == 2
