"""CUDA graphs overwrite what they gave before: what a plan keeps outlives that."""

import pytest
import torch
from diffusers import StableDiffusionControlNetPipeline

import faster_diffusion as fd
from specimens import toys
from specimens.rows.control import control_of
from tests.engine.test_compiled import blocks, each_stage, in_place, small
from tests.engine.test_run import own_loop
from tests.graphs import Graphs, MarkStepBox

pytestmark = pytest.mark.slow

KEYS = [0, 1, 3, 4]
PLANS = {
    "in groups": {},
    "one by one": {"parallel": False, "forecast": 1},
    "half of the guidance": {"parallel": 2, "guidance_until": 0.5},
    "deep": {"reuse": "deep:1"},
    "prediction": {"reuse": "output", "forecast": 1},
}


@pytest.fixture(autouse=True)
def fresh_compiler(monkeypatch):
    torch._dynamo.reset()
    monkeypatch.setattr(MarkStepBox, "mark_step_counter", 0)  # of a process that has marked no step


def sample(pipe, **call):
    return toys.sample(pipe, num_inference_steps=6, **call)


def test_the_graphs_of_stages_need_marked_steps():
    """That of these tests' graphs, so that the others can fail; the model's own forward keeps skip features."""
    pipe = small()
    expected = sample(pipe)
    each_stage(pipe, Graphs())
    assert sample(pipe).isnan().any()
    pipe.unet.register_forward_pre_hook(lambda *_: torch.compiler.cudagraph_mark_step_begin())
    torch.testing.assert_close(sample(pipe), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_with_graphs_of_stages_the_image_is_that_without(plan):
    expected = made(plan, lambda pipe: None)
    graphs = Graphs()
    for image, without in zip(made(plan, lambda pipe: each_stage(pipe, graphs)), expected, strict=True):
        torch.testing.assert_close(image, without, rtol=0, atol=1e-5)
    assert graphs.runs > 20


def made(plan, compile_it):
    """Two images one after the other."""
    pipe = small()
    compile_it(pipe)
    with fd.enable(pipe, key_steps=KEYS, **plan):
        return [sample(pipe) for _ in range(2)]


@pytest.mark.parametrize("compile_it", [blocks, in_place])
@pytest.mark.parametrize("plan", ["one by one", "prediction"])
def test_so_it_is_with_graphs_of_blocks_and_of_the_whole(compile_it, plan):
    expected = made(PLANS[plan], lambda pipe: None)
    for image, without in zip(made(PLANS[plan], lambda pipe: compile_it(pipe, Graphs())), expected, strict=True):
        torch.testing.assert_close(image, without, rtol=0, atol=1e-5)


@pytest.mark.parametrize("parallel", [True, False])
def test_two_calls_a_step_may_both_be_graphs_to_their_last_layer(parallel):
    images = []
    for graphs in (None, Graphs()):
        pipe = small()
        if graphs is not None:
            each_stage(pipe, graphs)
            pipe.unet.conv_out = torch.compile(pipe.unet.conv_out, backend=graphs)
        handle = fd.enable(pipe.unet, key_steps=KEYS, parallel=parallel)
        pipe.scheduler.set_timesteps(6)
        images.append(own_loop(pipe.unet, pipe.scheduler, handle, calls_a_step=2))
    torch.testing.assert_close(images[1], images[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "stages"])
def test_a_control_network_may_be_graphs_too(whole):
    edges = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(8))
    images = []
    for graphs in (None, Graphs()):
        base = small()
        control = control_of(base.unet)
        pipe = StableDiffusionControlNetPipeline(**base.components, controlnet=control, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        if graphs is not None:
            each_stage(pipe, graphs)
            for part in (control,) if whole else (*control.down_blocks, control.mid_block):
                part.compile(backend=graphs)
        with fd.enable(pipe, key_steps=KEYS, parallel=False):
            images.append(sample(pipe, image=edges))
    torch.testing.assert_close(images[1], images[0], rtol=0, atol=1e-5)
