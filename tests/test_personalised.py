"""Personalised weights, loaded before or after enabling: the image is the same, and it is of those weights."""

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import CustomDiffusionAttnProcessor
from safetensors.torch import save_file

import faster_diffusion as fd
from faster_diffusion import demo
from specimens import toys
from specimens.rows.common import DOUBLE
from specimens.rows.variants import ADAPTED, with_example_images
from specimens.toys import accelerated, images_after

pytestmark = pytest.mark.slow

MODES = pytest.mark.parametrize("parallel", [True, False, 2], ids=["parallel", "sequential", "two-at-once"])
KEYS = [0, 3]


def other_network():
    """The toy's network with other weights."""
    network, generator = toys.unet(), torch.Generator().manual_seed(21)
    for parameter in network.parameters():
        parameter.data = parameter + 0.05 * torch.randn(parameter.shape, generator=generator)
    return network


def custom_diffusion(folder):
    """Trained keys and values of the cross-attention, as Custom Diffusion leaves them."""
    network, generator = toys.unet(), torch.Generator().manual_seed(22)
    processors = {}
    for name in network.attn_processors:
        layer = network.get_submodule(name.removesuffix(".processor"))
        width = toys.TEXT[-1] if layer.is_cross_attention else None
        processor = CustomDiffusionAttnProcessor(
            train_kv=layer.is_cross_attention,
            train_q_out=False,
            hidden_size=layer.inner_dim,
            cross_attention_dim=width,
        )
        for parameter in processor.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        processors[name] = processor
    network.set_attn_processor(processors)
    network.save_attn_procs(folder, safe_serialization=False)
    weights = "pytorch_custom_diffusion_weights.bin"
    # Not told the pipeline, diffusers 0.42 reads the weights and leaves the network as it was.
    return lambda pipe: pipe.unet.load_attn_procs(folder, weight_name=weights, _pipeline=pipe)


def dreambooth(folder):
    """All weights of the network trained, kept as a folder."""
    other_network().save_pretrained(folder)
    return lambda pipe: setattr(pipe, "unet", UNet2DConditionModel.from_pretrained(folder))


def community_checkpoint(folder):
    """The same as a single file."""
    save_file(other_network().state_dict(), folder / "checkpoint.safetensors")
    toys.unet().save_config(folder)

    def load(pipe):
        pipe.unet = UNet2DConditionModel.from_single_file(
            str(folder / "checkpoint.safetensors"), config=str(folder), local_files_only=True
        ).eval()

    return load


def state_of_another(folder):
    """The same put into the network that is there."""
    weights = other_network().state_dict()
    return lambda pipe: pipe.unet.load_state_dict(weights)


@pytest.fixture(params=[custom_diffusion, dreambooth, community_checkpoint, state_of_another], ids=lambda f: f.__name__)
def load(request, tmp_path):
    return request.param(tmp_path)


def test_before_or_after_in_parallel_or_not_it_is_one_image_and_not_that_of_the_old_weights(load):
    expected, again = images_after(load, accelerated(key_steps=KEYS))
    assert torch.equal(expected, again)
    assert (expected - images_after(accelerated(key_steps=KEYS))[0]).abs().max() > 0.1
    for parallel in (True, False, 2):
        for image in images_after(accelerated(key_steps=KEYS, parallel=parallel), load):
            # Random keys make attention all but choose one word, which magnifies rounding (2e-4 on some machines).
            torch.testing.assert_close(image, expected, rtol=0, atol=1e-3)


def test_with_every_step_key_the_image_is_the_baselines(load):
    baseline = images_after(load)[0]
    assert torch.equal(images_after(load, accelerated(key_steps="all"))[0], baseline)
    assert torch.equal(images_after(accelerated(key_steps="all"), load)[0], baseline)


def test_a_saved_pipeline_comes_back_and_is_accelerated_alike(tmp_path):
    pipe = toys.stable_diffusion(other_network())
    with fd.enable(pipe, key_steps=KEYS):
        expected = toys.sample(pipe)
        pipe.save_pretrained(tmp_path)
    absent = dict.fromkeys(("tokenizer", "safety_checker", "feature_extractor", "image_encoder"))
    loaded = StableDiffusionPipeline.from_pretrained(tmp_path, **absent)
    loaded.set_progress_bar_config(disable=True)
    assert not fd.is_enabled(loaded)
    with fd.enable(loaded, key_steps=KEYS):
        assert torch.equal(toys.sample(loaded), expected)


def drawn(*steps):
    """A picture by the embedded model, whose text encoder reads real words."""
    pipe = demo.load("scenes", torch_dtype=DOUBLE)
    pipe.set_progress_bar_config(disable=True)
    for step in steps:
        step(pipe)
    call = {"num_inference_steps": 4, "generator": torch.manual_seed(0), "output_type": "latent"}
    return pipe("a <thing> left of a blue cube", **call).images


def test_a_learned_word_counts_before_or_after():
    width = demo.load("scenes").text_encoder.config.hidden_size
    word = {"<thing>": torch.randn(width, generator=torch.Generator().manual_seed(23))}

    def learned(pipe):
        pipe.load_textual_inversion(word)

    expected = drawn(learned, accelerated(key_steps=[0, 2]))
    assert torch.equal(drawn(accelerated(key_steps=[0, 2]), learned), expected)
    torch.testing.assert_close(
        drawn(accelerated(key_steps=[0, 2], parallel=False), learned), expected, atol=1e-4, rtol=0
    )
    assert (drawn(accelerated(key_steps=[0, 2])) - expected).abs().max() > 0.01
    assert torch.equal(drawn(learned, accelerated(key_steps="all")), drawn(learned))


@MODES
def test_a_changed_weight_of_an_example_image_makes_a_key_step(parallel):
    pipe = with_example_images(toys.stable_diffusion())

    def change(pipe, step, t, tensors):
        if step == 4:
            pipe.set_ip_adapter_scale(0.3)
        return tensors

    with fd.enable(pipe, key_steps=KEYS, parallel=parallel) as handle:
        toys.sample(pipe, **ADAPTED["call"], callback_on_step_end=change)
    assert handle.summary().key_steps == (0, 3, 5)
