"""Compiled networks: never a wrong image, in whatever order; regional compilation keeps its speed."""

import pytest
import torch
from torch._dynamo.testing import CompileCounter

import faster_diffusion as fd
from specimens import toys

CALL = {"num_inference_steps": 4, "guidance_scale": 1.0}
KEYS = [0, 1]  # one key step that nothing follows, one with a group


def blocks(pipe, backend):
    pipe.unet.compile_repeated_blocks(backend=backend)


def each_stage(pipe, backend):
    for stage in (*pipe.unet.down_blocks, pipe.unet.mid_block, *pipe.unet.up_blocks):
        stage.compile(backend=backend)


def in_place(pipe, backend):
    pipe.unet.compile(backend=backend)


def wrapped(pipe, backend):
    pipe.unet = torch.compile(pipe.unet, backend=backend)


WAYS = pytest.mark.parametrize("compile_it", [blocks, each_stage, in_place, wrapped])


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()


def small():
    return toys.stable_diffusion(
        toys.unet(
            block_out_channels=(8, 8),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        )
    )


@WAYS
@pytest.mark.parametrize("enabled_first", [True, False], ids=["compiled-after", "compiled-before"])
@pytest.mark.slow
def test_the_image_is_that_of_the_network_as_it_is(compile_it, enabled_first):
    pipe = small()
    with fd.enable(pipe, key_steps=KEYS):
        expected = toys.sample(pipe, **CALL)
    if enabled_first:
        handle = fd.enable(pipe, key_steps=KEYS)
        compile_it(pipe, "eager")
    else:
        compile_it(pipe, "eager")
        handle = fd.enable(pipe, key_steps=KEYS)
    for parallel in (True, False):
        for _ in range(2):
            torch.testing.assert_close(toys.sample(pipe, **CALL), expected, rtol=0, atol=1e-5)
            assert handle.summary().reused == 2
        handle = fd.enable(pipe, key_steps=KEYS, parallel=not parallel)
    fd.disable(pipe)
    torch.testing.assert_close(toys.sample(pipe, **CALL), toys.sample(small(), **CALL), rtol=0, atol=1e-5)


@pytest.mark.parametrize("compile_it", [blocks, each_stage])
def test_compiled_blocks_run_compiled_at_key_steps_and_others(compile_it, caplog):
    pipe, counter = small(), CompileCounter()
    compile_it(pipe, counter)
    fd.enable(pipe, key_steps=KEYS, parallel=False)
    toys.sample(pipe, **CALL)
    first = counter.frame_count
    assert first > 0
    toys.sample(pipe, **CALL)
    assert counter.frame_count == first
    assert "compiled as a whole" not in caplog.text


@pytest.mark.parametrize("compile_it", [in_place, wrapped])
def test_a_network_compiled_as_a_whole_is_named_as_the_slower_way(compile_it, caplog):
    pipe = small()
    compile_it(pipe, "eager")
    fd.enable(pipe, key_steps=KEYS)
    toys.sample(pipe, **CALL)
    assert caplog.text.count("compile_repeated_blocks() keeps the speed") == 1


def test_a_run_of_key_steps_only_stays_compiled_as_a_whole(caplog):
    pipe, counter = small(), CompileCounter()
    wrapped(pipe, counter)
    fd.enable(pipe, key_steps="all")
    toys.sample(pipe, **CALL)
    assert counter.frame_count > 0
    assert "compiled as a whole" not in caplog.text


@pytest.mark.parametrize("compile_it", [in_place, wrapped])
def test_a_plan_that_reuses_predictions_stays_compiled_as_a_whole(compile_it, caplog):
    pipe, counter = small(), CompileCounter()
    fd.enable(pipe, key_steps=KEYS, reuse="output", forecast=1)
    expected = toys.sample(pipe, **CALL)
    compile_it(pipe, counter)
    torch.testing.assert_close(toys.sample(pipe, **CALL), expected, rtol=0, atol=1e-5)
    assert counter.frame_count > 0
    assert counter.op_count > 100  # not the odd line around eager blocks: the network
    assert "compiled as a whole" not in caplog.text
