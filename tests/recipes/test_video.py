"""The parts of the recipe of the video model that are no training."""

from dataclasses import replace

import pytest
import torch

from faster_diffusion import demo
from faster_diffusion.demo.clips import DIRECTIONS, Clip, caption, obeys, parse
from faster_diffusion.demo.scenes import held_out
from faster_diffusion.demo.scenes import parse as parse_scene
from recipes.scenes import tokenizer
from recipes.scenes.unet import tokenise
from recipes.video import data, reading
from recipes.video.unet import HEAD, build, flatten_convolutions, scheduler
from specimens import toys

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clips():
    return data.make_clips(6)


def untrained():
    """An image model with as many heads as the video model makes of it, and that."""
    image = toys.stable_diffusion(toys.unet(block_out_channels=(2 * HEAD,) * 4, attention_head_dim=2))
    return image, build(image)


def test_training_never_sees_scenes_that_are_held_out(clips):
    assert not any(held_out(clip.scene) for clip in clips[0])


def test_a_clip_backwards_is_told_the_other_way(clips):
    scenes, frames = clips
    told, both = data.with_reversed(scenes, frames.transpose(1, 2))
    assert len(told) == len(both) == 2 * len(scenes)
    for clip, shown in zip(told, both, strict=True):
        assert obeys(shown.permute(1, 2, 3, 0).numpy(), caption(clip)).all_right


def test_what_is_told_is_true(clips):
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


def test_without_what_goes_over_time_it_draws_every_frame_as_the_image_model_does():
    image, unet = untrained()
    over_time = [part for part in unet.modules() if isinstance(part, torch.nn.Conv3d)]
    for weight in [weight for part in over_time for weight in part.parameters()]:
        torch.nn.init.zeros_(weight)
    torch.manual_seed(0)
    clip, words = torch.randn(2, 4, 3, 16, 16), torch.randn(2, *toys.TEXT[1:])
    with torch.no_grad():
        frames = clip.transpose(1, 2).flatten(0, 1)
        drawn = image.unet(frames, 500, words.repeat_interleave(3, 0)).sample
        torch.testing.assert_close(unet(clip, 500, words).sample.transpose(1, 2).flatten(0, 1), drawn)


def test_convolutions_over_time_are_the_same_as_those_of_a_picture():
    _, unet = untrained()
    torch.manual_seed(0)
    clip, words = torch.randn(2, 4, 3, 16, 16), torch.randn(2, *toys.TEXT[1:])
    with torch.no_grad():
        stock = unet(clip, 500, words).sample
        flatten_convolutions(unet)
        torch.testing.assert_close(unet(clip, 500, words).sample, stock)


def test_untrained_it_tells_the_first_frame_from_the_last():
    """Of a clip whose frames are all the same: what goes over time sees where the clip ends."""
    _, unet = untrained()
    torch.manual_seed(0)
    clip, words = torch.randn(1, 4, 1, 16, 16).expand(-1, -1, 8, -1, -1), torch.randn(1, *toys.TEXT[1:])
    with torch.no_grad():
        drawn = unet(clip, 500, words).sample
    assert (drawn[:, :, 0] - drawn[:, :, -1]).std() > 0.01 * drawn.std()


def test_it_learns_to_draw_from_noise_in_which_nothing_of_a_clip_is_left():
    assert scheduler().alphas_cumprod[-1] == 0
    sampling = scheduler()
    sampling.set_timesteps(25)
    assert sampling.timesteps[0] == 999


def test_each_token_shall_say_what_it_said_of_the_still_scene_and_then_the_direction():
    clip = parse("a small red cube slides to the left on a grey background")
    lesson = reading.lesson([(clip, None)])
    words = tokenizer.build()
    told, still = (words.convert_ids_to_tokens(tokens[0]) for tokens in (lesson.tokens, lesson.still))
    told, still = ([token.removesuffix("</w>") for token in tokens] for tokens in (told, still))
    pairs = [(token, still[place]) for token, place in zip(told, lesson.place[0], strict=True)]
    start, end = pairs.index(("cube", "cube")), pairs.index(("on", "on"))
    assert all(said == before for said, before in [*pairs[: start + 1], *pairs[end:]])
    assert {before for _, before in pairs[start + 1 : end]} == {"cube"}  # the words of the motion
    assert lesson.way[0].tolist() == [-1] * end + [0] * (len(told) - end)


def test_a_tower_learns_to_read_motions(tmp_path, monkeypatch):
    """From clips of two scenes, in a few steps: it tells the directions apart, and its states of things are kept."""
    image = demo.load("scenes")
    told = [(Clip(parse_scene(f"a {colour} cube"), way), None) for colour in ("red", "blue") for way in DIRECTIONS]
    monkeypatch.setattr(reading, "BATCH", 8)
    plan = replace(reading.PLAN, steps=200, warmup=10)
    tower = reading.fit(image.text_encoder, told, tmp_path, plan)
    states = tower(tokenise([caption(*one) for one in told])).last_hidden_state
    before = image.text_encoder(tokenise(["a red cube"])).last_hidden_state
    ways = reading.directions(image.text_encoder)[:4]
    added = states[:4, -1] - before[0, -1]
    assert (added @ ways.T).argmax(1).tolist() == [0, 1, 2, 3]
    assert (states[0, :4] - before[0, :4]).square().mean() < 0.1 * before.square().mean()
    kept = reading.load(image.text_encoder, tmp_path)
    torch.testing.assert_close(kept.state_dict(), tower.state_dict())
