"""Clips of the little world: their words, their frames, and what a clip shows."""

import numpy as np
import pytest

from faster_diffusion.demo.clips import (
    DIRECTIONS,
    FRAMES,
    Clip,
    caption,
    held_out_prompts,
    obeys,
    parse,
    render,
    sample_clip,
)
from faster_diffusion.demo.scenes import Scene, Thing, held_out


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    return [(clip := sample_clip(rng), render(clip, rng)) for _ in range(40)]


def test_a_caption_says_what_moves_where_and_on_what():
    clip = Clip(Scene((Thing("red", "sphere", "small"),), None, "grey"), "to the left")
    assert caption(clip) == "a small red sphere rolls to the left on a grey background"
    assert caption(Clip(Scene((Thing("orange", "cube"),)), "up")) == "an orange cube slides up"


@pytest.mark.parametrize("verb", [None, "moves", "rolls"])
def test_parsing_undoes_captioning_whatever_the_verb(clips, verb):
    assert all(parse(caption(clip, verb)) == clip for clip, _ in clips)


@pytest.mark.parametrize(
    "text", ["a red sphere", "a red sphere rolls", "a red sphere flies up", "a red sphere left of a blue cube"]
)
def test_what_is_no_clip_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is no clip; one reads like"):
        parse(text)


def test_a_clip_is_of_one_thing_that_goes_a_known_way():
    thing = Thing("red", "sphere")
    with pytest.raises(ValueError, match="one thing moves"):
        Clip(Scene((thing, Thing("blue", "cube")), "above"), "up")
    with pytest.raises(ValueError, match="unknown direction 'sideways'; known: to the left"):
        Clip(Scene((thing,)), "sideways")


def test_renders_obey_their_captions(clips):
    verdicts = [obeys(frames, caption(clip)) for clip, frames in clips]
    assert all(v.all_right and v.steady for v in verdicts)
    assert {frames.shape for _, frames in clips} == {(FRAMES, 64, 64, 3)}


def test_a_clip_shown_backwards_goes_another_way(clips):
    for clip, frames in clips[:10]:
        verdict = obeys(frames[::-1], caption(clip))
        assert verdict.thing_right
        assert not verdict.direction_right


def test_a_thing_that_stands_still_goes_nowhere(clips):
    for clip, frames in clips[:10]:
        still = np.repeat(frames[:1], FRAMES, axis=0)
        for direction in DIRECTIONS:
            assert not obeys(still, caption(Clip(clip.scene, direction))).direction_right


def test_a_clip_of_something_else_is_not_obeyed(clips):
    (one, _), *rest = clips[:10]
    for clip, frames in rest:
        same = (clip.thing.colour, clip.thing.shape) == (one.thing.colour, one.thing.shape)
        assert obeys(frames, caption(one)).thing_right == same


def test_held_out_prompts_are_of_scenes_that_training_never_sees():
    prompts = held_out_prompts(20)
    assert prompts == held_out_prompts(20) != held_out_prompts(20, seed=1)
    assert all(held_out(parse(prompt).scene) for prompt in prompts)
    assert {parse(prompt).direction for prompt in prompts} == set(DIRECTIONS)
