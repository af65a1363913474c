"""The parts of the recipe of the video model that are no training."""

import pytest
import torch

from faster_diffusion.demo.clips import caption, obeys, parse
from faster_diffusion.demo.scenes import held_out
from recipes.video import data
from recipes.video.unet import HEAD, build
from tests import toys


@pytest.fixture(scope="module")
def clips():
    return data.make_clips(6)


def test_training_never_sees_scenes_that_are_held_out(clips):
    assert not any(held_out(clip.scene) for clip in clips[0])


def test_a_clip_backwards_is_told_the_other_way(clips):
    scenes, frames = clips
    told, both = data.with_reversed(scenes, frames.transpose(1, 2))
    assert len(told) == len(both) == 2 * len(scenes)
    for clip, shown in zip(told, both, strict=True):
        assert obeys(shown.permute(1, 2, 3, 0).numpy(), caption(clip)).all_right


def test_what_is_told_is_true(clips):
    from recipes.scenes import tokenizer

    words = tokenizer.build()
    tokens = data.tell(clips[0], variants=3)
    for clip, ways in zip(clips[0], tokens, strict=True):
        for way in ways:
            said = parse(words.decode(way, skip_special_tokens=True))
            assert (said.direction, said.thing.colour, said.thing.shape) == (
                clip.direction,
                clip.thing.colour,
                clip.thing.shape,
            )


def test_untrained_it_draws_every_frame_as_the_image_model_does():
    same_heads = {"block_out_channels": (2 * HEAD,) * 4, "attention_head_dim": 2}
    image = toys.stable_diffusion(toys.unet(**same_heads))
    unet = build(image)["unet"].eval()
    torch.manual_seed(0)
    clip, words = torch.randn(2, 4, 3, 16, 16), torch.randn(2, *toys.TEXT[1:])
    with torch.no_grad():
        frames = clip.transpose(1, 2).flatten(0, 1)
        drawn = image.unet(frames, 500, words.repeat_interleave(3, 0)).sample
        torch.testing.assert_close(unet(clip, 500, words).sample.transpose(1, 2).flatten(0, 1), drawn)
