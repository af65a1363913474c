"""Networks with something around them, and classes of one's own that pass their arguments on."""

import pickle
from io import BytesIO

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from peft import LoraConfig, get_peft_model

import faster_diffusion as fd
from faster_diffusion.models.layout import unwrap
from specimens import toys

KEYS = {"key_steps": [0, 2], "prior_noise": None}


class PassingOn(UNet2DConditionModel):
    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs)


class OtherwiseNamed(UNet2DConditionModel):
    def forward(self, x, t, context=None, **kwargs):
        return super().forward(x, t, context, **kwargs)


class WithAConstructor(UNet2DConditionModel):
    def __init__(self, width: int):
        super().__init__(**{**toys.unet().config, "block_out_channels": (width, width, 16, 16)})


def loop(network, handle=None, steps=5, channels=4):
    """The latent of a loop of one's own."""
    scheduler = DDIMScheduler(**toys.SCHEDULER)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    latent, text = torch.randn(2, 4, 16, 16, generator=generator), torch.randn(2, 5, 32, generator=generator)

    def sampled(latent):
        for t in scheduler.timesteps:
            seen = torch.cat([latent, latent], 1)[:, :channels]
            latent = scheduler.step(network(seen, t, text, return_dict=False)[0], t, latent).prev_sample
        return latent

    with torch.no_grad():
        if handle is None:
            return sampled(latent)
        with handle.sampling(scheduler):
            return sampled(latent)


def with_lora(unet):
    torch.manual_seed(3)
    return get_peft_model(unet, LoraConfig(r=2, target_modules=["to_q", "conv1"], init_lora_weights=False)).eval()


WRAPPERS = {
    "DataParallel": torch.nn.DataParallel,
    "PEFT": with_lora,
    "both": lambda unet: torch.nn.DataParallel(with_lora(unet)),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "sequential"])
def test_a_wrapped_network_gives_the_image_of_the_network_itself(wrap, parallel):
    wrapped = wrap(toys.unet())
    inner = unwrap(wrapped)
    assert type(inner) is UNet2DConditionModel
    with fd.enable(inner, **KEYS) as handle:
        assert not fd.is_enabled(wrapped)
        expected = loop(inner, handle)
    baseline = loop(wrapped)
    with fd.enable(wrapped, **KEYS, parallel=parallel) as handle:
        torch.testing.assert_close(loop(wrapped, handle), expected, rtol=0, atol=1e-4)
        assert (handle.summary().computed, handle.summary().reused) == (2, 3)
        assert handle.summary().flops_saved > 0
    assert torch.equal(loop(wrapped), baseline)


def test_copies_on_several_devices_are_refused():
    wrapped = torch.nn.DataParallel(toys.unet())
    wrapped.device_ids = [0, 1]  # as on a machine with two
    with pytest.raises(ValueError, match=r"within DataParallel over 2 devices.*\(network.module\)"):
        fd.enable(wrapped)


@pytest.mark.parametrize("wrap", [with_lora, torch.compile], ids=["PEFT", "compiled"])
def test_a_pipeline_takes_a_wrapped_network(wrap):
    pipe = toys.stable_diffusion()
    if wrap is with_lora:
        pipe.unet = wrap(pipe.unet)
    else:
        pipe.unet = wrap(pipe.unet, backend="eager")
    with fd.enable(pipe, **KEYS) as handle:
        toys.sample(pipe, num_inference_steps=5)
    assert handle.summary().reused == 3


@pytest.mark.parametrize("cls", [PassingOn, OtherwiseNamed])
@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "sequential"])
def test_arguments_are_those_of_the_class_that_is_known(cls, parallel):
    own = toys.unet()
    with fd.enable(own, **KEYS) as handle:
        expected = loop(own, handle)
    own.__class__ = cls
    with fd.enable(own, **KEYS, parallel=parallel) as handle:
        torch.testing.assert_close(loop(own, handle), expected, rtol=0, atol=1e-4)
        assert handle.summary().flops_saved > 0


def test_a_call_without_latent_or_timestep_says_so():
    own = toys.unet()
    own.__class__ = OtherwiseNamed
    scheduler = DDIMScheduler(**toys.SCHEDULER)
    scheduler.set_timesteps(2)
    with (
        fd.enable(own) as handle,
        handle.sampling(scheduler),
        pytest.raises(TypeError, match="without sample and timest"),
    ):
        own(x=torch.zeros(1, 4, 16, 16), t=scheduler.timesteps[0])


def test_the_sum_of_a_network_widened_by_hand_is_counted_on_its_own_modules():
    unet = toys.unet()
    as_made = fd.enable(unet, **KEYS)
    loop(unet, as_made)
    plain = as_made.summary()
    unet.conv_in = torch.nn.Conv2d(8, 8, 3, padding=1)
    handle = fd.enable(unet, **KEYS)
    loop(unet, handle, channels=8)
    assert handle.summary().uncounted is None
    wider = 5 * 2 * 2 * (4 * 8 * 9) * 16 * 16
    assert handle.summary().flops_baseline == plain.flops_baseline + wider


def test_the_sum_of_a_class_with_a_constructor_of_its_own():
    unet = WithAConstructor(8).eval()
    handle = fd.enable(unet, **KEYS)
    loop(unet, handle)
    assert handle.summary().flops_saved > 0


def test_the_sum_comes_without_flops_where_they_cannot_be_counted():
    class Listing(UNet2DConditionModel):
        def forward(self, sample, timestep, *args, **kwargs):
            sample.tolist()
            return super().forward(sample, timestep, *args, **kwargs)

    unet = toys.unet()
    unet.__class__ = Listing
    handle = fd.enable(unet, **KEYS)
    loop(unet, handle)
    summary = handle.summary()
    assert (summary.computed, summary.reused, summary.flops_saved) == (2, 3, 0)
    assert "FLOPs are not counted: Listing does not run on tensors without data" in str(summary)


@pytest.mark.parametrize(
    "fails", [{"prompt_embeds": torch.ones(1, 5, 31), "negative_prompt_embeds": torch.ones(1, 5, 31)}, None]
)
def test_a_run_that_failed_has_a_sum(fails):
    pipe = toys.stable_diffusion()
    handle = fd.enable(pipe)
    if fails is None:

        def full(*_):
            raise RuntimeError("full")

        pipe.unet.register_forward_pre_hook(full)
    with pytest.raises(RuntimeError):
        toys.sample(pipe, **(fails or {}))
    assert (handle.summary().computed, handle.summary().flops_saved) == (0, 0)
    assert "0 of 0 network calls" in str(handle.summary())


def test_a_pickled_pipeline_comes_back_enabled_with_the_same_options():
    pipe = toys.stable_diffusion()
    fd.enable(pipe, **KEYS)
    expected = toys.sample(pipe, num_inference_steps=5)
    twin = pickle.loads(pickle.dumps(pipe))
    assert fd.is_enabled(twin)
    fd.disable(pipe)
    assert torch.equal(toys.sample(twin, num_inference_steps=5), expected)
    fd.disable(twin)
    assert torch.equal(toys.sample(twin, num_inference_steps=5), toys.sample(pipe, num_inference_steps=5))


def test_a_saved_network_comes_back_enabled_with_the_same_options():
    unet, file = toys.unet(), BytesIO()
    handle = fd.enable(unet, **KEYS)
    expected = loop(unet, handle)
    torch.save(unet, file)
    file.seek(0)
    twin = torch.load(file, weights_only=False)
    assert torch.equal(loop(twin, vars(twin)["_faster_diffusion"]), expected)
