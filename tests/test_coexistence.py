"""The engine together with what else users switch on: the order of switching on does not matter."""

import copy
import shutil
import tempfile
import weakref

import pytest
import torch
from accelerate import disk_offload
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig

import faster_diffusion as fd
from specimens import toys


def lora(pipe, adapter="toy", seed=5):
    """Adds a LoRA that changes the image, on attention and convolutions of all of the network."""
    pipe.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v", "conv_in", "conv1"]), adapter)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in pipe.unet.named_parameters():
        if f"lora_B.{adapter}" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3


def offload_to_disk(pipe):
    """The hooks of enable_sequential_cpu_offload, which itself needs an accelerator, with weights on disk."""
    folder = tempfile.mkdtemp()
    disk_offload(pipe.unet, folder, torch.device("cpu"))
    weakref.finalize(pipe, shutil.rmtree, folder)


SWITCHES = {
    "model offload": lambda pipe: pipe.enable_model_cpu_offload(device="cpu"),
    "sequential offload": offload_to_disk,
    "group offload by leaf": lambda pipe: pipe.enable_group_offload(torch.device("cpu"), offload_type="leaf_level"),
    "group offload by block": lambda pipe: pipe.enable_group_offload(
        torch.device("cpu"), offload_type="block_level", num_blocks_per_group=1
    ),
    "layerwise casting": lambda pipe: pipe.unet.enable_layerwise_casting(
        storage_dtype=torch.bfloat16, compute_dtype=torch.float32
    ),
    "LoRA": lora,
    "FreeU": lambda pipe: pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4),
    "attention slicing": lambda pipe: pipe.enable_attention_slicing(1),
    "fused QKV": lambda pipe: pipe.fuse_qkv_projections(vae=False),
    "channels last": lambda pipe: pipe.unet.to(memory_format=torch.channels_last),
}
QUICK = {"model offload", "LoRA", "FreeU", "attention slicing"}
MODES = pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "sequential"])


@pytest.fixture
def pipe():
    return toys.stable_diffusion()


def images(switch, enabled_first, **options):
    """Two calls of a fresh pipeline with a switch put on before or after enabling."""
    steps = [toys.accelerated(**options), switch]
    return toys.images_after(*(steps if enabled_first else reversed(steps)))


@pytest.fixture(
    params=[
        pytest.param(name, id=name.replace(" ", "-"), marks=() if name in QUICK else pytest.mark.slow)
        for name in SWITCHES
    ]
)
def switch(request):
    return SWITCHES[request.param]


@MODES
def test_switched_on_before_or_after_the_image_is_the_same_and_so_is_the_second(switch, parallel):
    before, after = images(switch, True, parallel=parallel), images(switch, False, parallel=parallel)
    for image in (*before, *after):
        torch.testing.assert_close(image, before[0], rtol=0, atol=1e-4)


def test_it_is_accelerated_all_the_same(switch, pipe):
    switch(pipe)
    handle = fd.enable(pipe)
    for _ in range(2):
        toys.sample(pipe)
        assert (handle.summary().computed, handle.summary().reused) == (5, 5)


def test_parallel_is_sequential(switch):
    torch.testing.assert_close(
        images(switch, False, parallel=True)[1], images(switch, False, parallel=False)[1], rtol=0, atol=1e-4
    )


def test_with_every_step_key_and_after_disabling_the_image_is_the_baselines(switch, pipe):
    switch(pipe)
    baseline = toys.sample(pipe)
    with fd.enable(pipe, key_steps="all"):
        assert torch.equal(toys.sample(pipe), baseline)
    fd.enable(pipe)
    toys.sample(pipe)
    fd.disable(pipe)
    assert torch.equal(toys.sample(pipe), baseline)


def test_switching_a_lora_in_the_middle_of_a_run_makes_a_key_step(pipe):
    lora(pipe, "one", seed=5)
    lora(pipe, "two", seed=6)
    pipe.unet.set_adapters(["one"])

    def change(pipe, step, t, tensors):
        if step == 4:
            pipe.unet.set_adapters(["two"], weights=[0.5])
        return tensors

    handle = fd.enable(pipe, key_steps=[0, 2])
    toys.sample(pipe, callback_on_step_end=change)
    assert handle.summary().key_steps == (0, 2, 5)


def test_the_lora_scale_of_a_call_counts(pipe):
    lora(pipe)
    made = {}
    for scale in (0.0, 1.0):
        for parallel in (True, False):
            with fd.enable(pipe, parallel=parallel):
                made[scale, parallel] = toys.sample(pipe, cross_attention_kwargs={"scale": scale})
        torch.testing.assert_close(made[scale, True], made[scale, False], rtol=0, atol=1e-4)
    assert (made[0.0, True] - made[1.0, True]).abs().max() > 0.1


@MODES
def test_bfloat16(pipe, parallel):
    pipe.to(torch.bfloat16)
    prompt = {name: embeds.bfloat16() for name, embeds in toys.prompt().items()}
    baseline = toys.sample(pipe, **prompt)
    with fd.enable(pipe, parallel=parallel):
        image = toys.sample(pipe, **prompt)
    assert image.dtype == torch.bfloat16
    assert (image - baseline).abs().max() < 2  # latents have a spread of about 9; the method moves them by up to 0.7
    with fd.enable(pipe, key_steps="all"):
        assert torch.equal(toys.sample(pipe, **prompt), baseline)


def test_inference_mode(pipe):
    with fd.enable(pipe):
        expected = toys.sample(pipe)
        with torch.inference_mode():
            assert torch.equal(toys.sample(pipe), expected)


def test_a_saved_pipeline_is_an_ordinary_one(pipe, tmp_path):
    baseline = toys.sample(pipe)
    fd.enable(pipe)
    toys.sample(pipe)
    pipe.save_pretrained(tmp_path)
    loaded = StableDiffusionPipeline.from_pretrained(tmp_path, tokenizer=None)
    loaded.set_progress_bar_config(disable=True)
    assert not fd.is_enabled(loaded)
    assert torch.equal(toys.sample(loaded), baseline)


def test_a_deepcopy_is_enabled_by_itself(pipe):
    baseline = toys.sample(pipe)
    fd.enable(pipe, key_steps="uniform:3")
    accelerated = toys.sample(pipe)
    twin = copy.deepcopy(pipe)
    assert fd.is_enabled(twin)
    assert torch.equal(toys.sample(twin), accelerated)
    fd.disable(pipe)
    assert torch.equal(toys.sample(twin), accelerated)
    assert torch.equal(toys.sample(pipe), baseline)
    fd.disable(twin)
    assert torch.equal(toys.sample(twin), baseline)


def test_a_deepcopy_of_an_enabled_network_is_enabled_by_itself(pipe):
    fd.enable(pipe.unet)
    twin = copy.deepcopy(pipe.unet)
    assert isinstance(twin, UNet2DConditionModel)
    fd.disable(pipe.unet)
    assert fd.is_enabled(twin)
