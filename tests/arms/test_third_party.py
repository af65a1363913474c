"""Third-party methods, against what is known of them without our adapters."""

import sys

import pytest
import tgate
import tomesd
import torch
from torch.utils.flop_counter import FlopCounterMode

from faster_diffusion.arms import Arm
from specimens import toys
from specimens.rows import ROWS

ROW = {row.name: row for row in ROWS}


def sample(pipe, spec, **call):
    """Latents, and the FLOPs of the whole call."""
    with Arm.parse(spec).applied(pipe), FlopCounterMode(display=False) as counter:
        image = toys.sample(pipe, **{"num_inference_steps": 5, **call})
    return image, counter.get_total_flops()


@pytest.fixture(scope="module")
def pipe():
    return toys.stable_diffusion()


def test_deepcache_of_interval_one_is_the_baseline_image(pipe):
    baseline, flops = sample(pipe, "baseline")
    image, same_flops = sample(pipe, "deepcache:1")
    assert torch.equal(image, baseline)
    assert same_flops == flops


def test_deepcache_costs_less_the_longer_its_interval_and_more_with_more_layers(pipe):
    flops = [sample(pipe, spec)[1] for spec in ("deepcache:1", "deepcache:2", "deepcache:5")]
    assert flops[0] > flops[1] > flops[2]
    assert flops[1] < sample(pipe, "deepcache:2:3")[1] < flops[0]


def test_deepcache_begins_anew_with_every_call(pipe):
    with Arm.parse("deepcache:3").applied(pipe):
        first = toys.sample(pipe, num_inference_steps=7)
        toys.sample(pipe, n=2, num_inference_steps=4)
        assert torch.equal(toys.sample(pipe, num_inference_steps=7), first)


def test_tome_is_the_package_with_tokens_chosen_without_drawing(pipe):
    image = sample(pipe, "tome:0.5")[0]
    by_hand = toys.stable_diffusion()
    tomesd.apply_patch(by_hand, ratio=0.5, use_rand=False)
    assert torch.equal(image, toys.sample(by_hand, num_inference_steps=5))
    assert torch.equal(sample(pipe, "tome:0.5")[0], image)


def test_tome_attends_with_as_many_tokens_as_it_leaves(pipe):
    attention = pipe.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1
    tokens = []
    hook = attention.to_q.register_forward_pre_hook(lambda module, args: tokens.append(args[0].shape[1]))
    for spec in ("baseline", "tome:0.25", "tome:0.75"):
        sample(pipe, spec, num_inference_steps=1)
    hook.remove()
    assert tokens == [256, 192, 64]


@pytest.mark.parametrize("name", ["stable-diffusion", "xl", "stable-video-diffusion", "pixart-alpha", "pixart-sigma"])
def test_tgate_is_the_loop_of_the_package(name):
    row = ROW[name]
    arm = Arm.parse("tgate:2")
    with arm.applied(pipe := row.pipe()), FlopCounterMode(display=False) as gated:
        image = row.sample(pipe, num_inference_steps=3)
    loaders = (loader for loader in vars(tgate) if loader.lower() == f"tgate{SHORT[name]}loader")
    by_hand = getattr(tgate, next(loaders))(row.pipe())
    torch.manual_seed(0)
    generator = [torch.Generator().manual_seed(3)]
    call = {**row.inputs(1), **row.call, "num_inference_steps": 3, "output_type": "latent", "generator": generator}
    expected = by_hand.tgate(**call, gate_step=2, return_dict=False)[0]
    assert torch.equal(image, torch.as_tensor(expected))
    with FlopCounterMode(display=False) as full:
        row.sample(pipe, num_inference_steps=3)
    assert gated.get_total_flops() < full.get_total_flops()


SHORT = {
    "stable-diffusion": "sd",
    "xl": "sdxl",
    "stable-video-diffusion": "svd",
    "pixart-alpha": "pixartalpha",
    "pixart-sigma": "pixartsigma",
}


def test_tgate_needs_guidance(pipe):
    with pytest.raises(ValueError, match="needs guidance"):
        sample(pipe, "tgate:4", guidance_scale=1.0)


@pytest.mark.parametrize(
    ("name", "spec", "says"),
    [
        ("dit", "deepcache:2", "patches a UNet; DiTPipeline has none"),
        ("kandinsky-3", "deepcache:2", r"DeepCache 0\.1\.1 fails on Kandinsky3Pipeline: AttributeError"),
        ("controlnet-xs", "deepcache:2", "fails on .*: AttributeError"),
        ("kandinsky-2.2", "deepcache:2", "fails on KandinskyV22Pipeline: IndexError"),
        ("text-to-video-zero", "deepcache:2", "goes back to a step"),
        ("controlnet-xs", "tome:0.5", "fails on .*: IndexError"),
        ("text-to-video", "tome:0.5", "takes frames for the height"),
        ("if-stage-1", "tome:0.5", "has none of the blocks"),
        ("t2i-adapter-xl", "tome:0.5", r"attends at lower resolutions only; try tome:0\.5:2"),
        ("gligen", "tome:0.5", "gated attention of GLIGEN"),
        ("dit", "tome:0.5", "patches a UNet; DiTPipeline has none"),
        ("controlnet", "tgate:4", "does not know StableDiffusionControlNetPipeline. Pipelines it knows: StableDiff"),
    ],
)
def test_applicable_says_why_not(name, spec, says):
    with pytest.raises(ValueError, match=says) as error, Arm.parse(spec).applied(pipe := ROW[name].pipe()):
        pass
    assert Arm.parse(spec).applicable(pipe) == str(error.value)


@pytest.mark.parametrize(
    ("name", "patch", "error"),
    [
        ("kandinsky-2.2", "deepcache", IndexError),
        ("text-to-video-zero", "deepcache", RuntimeError),
        ("controlnet-xs", "tome", IndexError),
        ("text-to-video", "tome", ZeroDivisionError),
    ],
)
def test_what_is_refused_beforehand_really_fails_with_the_package_alone(name, patch, error):
    row = ROW[name]
    pipe = row.pipe()
    if patch == "tome":
        tomesd.apply_patch(pipe, ratio=0.5)
    else:
        from DeepCache import DeepCacheSDHelper

        helper = DeepCacheSDHelper(pipe=pipe)
        helper.set_params(cache_interval=2)
        helper.enable()
    with pytest.raises(error):
        row.sample(pipe)


@pytest.mark.parametrize(
    ("spec", "package"), [("deepcache:2", "DeepCache"), ("tome:0.5", "tomesd"), ("tgate:4", "tgate")]
)
def test_a_package_that_is_not_installed_is_named_with_its_extra(pipe, monkeypatch, spec, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert f"{package} is not installed: pip install 'faster-diffusion[peers]'" in Arm.parse(spec).applicable(pipe)


def test_offloading_would_undo_a_patch():
    pipe = toys.stable_diffusion()
    pipe.enable_model_cpu_offload(device="cpu")
    assert "which offloading undoes" in Arm.parse("deepcache:2").applicable(pipe)
