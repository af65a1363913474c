"""Token merging (tomesd) with the engine: the order of switching on does not matter, nor how steps are decoded."""

import pytest
import tomesd
import torch

import faster_diffusion as fd
from specimens import toys
from specimens.toys import accelerated, images_after


def merged(pipe):
    """Merges half of the tokens at every level. At random in the original, which would draw anew in every batch."""
    tomesd.apply_patch(pipe, ratio=0.5, max_downsample=8, use_rand=False)


@pytest.mark.parametrize("parallel", [True, False, 2], ids=["parallel", "sequential", "two-at-once"])
def test_merged_before_or_after_enabling_the_image_is_the_same_and_so_is_the_second(parallel):
    first, second = images_after(merged, accelerated(parallel=parallel))
    assert torch.equal(first, second)
    for image in images_after(accelerated(parallel=parallel), merged):
        assert torch.equal(image, first)


def doubled(pipe):
    """In double precision: in single, rounding decides between tokens that are nearly as alike."""
    pipe.to(torch.float64)


def test_in_parallel_equals_sequential_and_merging_matters():
    decoded = (accelerated(parallel=parallel) for parallel in (True, False))
    parallel, sequential = (images_after(doubled, merged, decoding)[0] for decoding in decoded)
    torch.testing.assert_close(parallel, sequential, rtol=0, atol=1e-4)
    assert (parallel - images_after(doubled, accelerated())[0]).abs().max() > 0.1


def test_with_every_step_key_and_after_disabling_the_image_is_that_of_merging_alone():
    expected = images_after(merged)[0]
    assert torch.equal(images_after(merged, accelerated(key_steps="all"))[0], expected)
    assert torch.equal(images_after(merged, accelerated(), fd.disable)[0], expected)


def test_after_the_merging_is_taken_off_the_image_is_that_of_the_engine_alone():
    assert torch.equal(images_after(accelerated(), merged, tomesd.remove_patch)[0], images_after(accelerated())[0])


def test_tokens_are_merged_and_steps_reused():
    pipe = toys.stable_diffusion()
    merged(pipe)
    handle = fd.enable(pipe)
    toys.sample(pipe)
    assert (handle.summary().computed, handle.summary().reused) == (5, 5)
