"""The little world: its words, its pictures, and what training never sees of it."""

from itertools import pairwise

import numpy as np
import pytest

from faster_diffusion.demo.scenes import (
    BACKGROUNDS,
    COLOURS,
    RELATIONS,
    SHAPES,
    SIZES,
    Scene,
    Thing,
    caption,
    held_out,
    held_out_prompts,
    parse,
    render,
    sample_scene,
    shorten,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def scenes(rng):
    return [sample_scene(rng) for _ in range(400)]


def test_a_caption_says_everything_a_scene_has():
    scene = Scene((Thing("blue", "cube", "small"), Thing("green", "ring", "large")), "left of", "grey")
    assert caption(scene) == "a small blue cube left of a large green ring on a grey background"


def test_what_is_left_open_is_left_out():
    assert caption(Scene((Thing("orange", "sphere"),))) == "an orange sphere"


def test_parsing_undoes_captioning(scenes, rng):
    for scene in scenes:
        assert parse(caption(scene)) == scene
        short = shorten(scene, rng)
        assert parse(caption(short)) == short


def test_parsing_forgives_case_space_and_a_full_stop():
    assert parse("  A red  Sphere. ") == Scene((Thing("red", "sphere"),))


@pytest.mark.parametrize(
    "text", ["", "a cat", "a mauve sphere", "a red sphere on a green background", "a red sphere near a cube"]
)
def test_what_is_no_scene_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is no scene; one reads like"):
        parse(text)


def test_two_things_differ_in_colour_or_shape():
    with pytest.raises(ValueError, match="must differ"):
        Scene((Thing("red", "cube", "small"), Thing("red", "cube", "large")), "above")


def test_an_unknown_word_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown colour 'mauve'; known: red, orange"):
        Thing("mauve", "cube")


def test_sampling_reaches_every_word(scenes):
    things = [thing for scene in scenes for thing in scene.things]
    assert {t.colour for t in things} == set(COLOURS)
    assert {t.shape for t in things} == set(SHAPES)
    assert {t.size for t in things} == set(SIZES)
    assert {s.background for s in scenes} == set(BACKGROUNDS)
    assert {s.relation for s in scenes} == {None, *RELATIONS}


def test_a_picture_depends_on_nothing_but_scene_and_generator(scenes):
    for scene in scenes[:5]:
        one, two = (render(scene, np.random.default_rng(7)) for _ in range(2))
        assert one.shape == (64, 64, 3)
        assert one.dtype == np.uint8
        assert (one == two).all()


def test_pictures_of_one_scene_vary(scenes):
    assert (render(scenes[0], np.random.default_rng(1)) != render(scenes[0], np.random.default_rng(2))).any()


def test_things_stay_inside_the_picture(scenes, rng):
    for scene in scenes[:100]:
        picture = render(scene, rng).astype(int)
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert np.ptp(border, axis=-1).max() < 45  # no colour at the edge


def test_about_a_tenth_is_held_out(rng):
    for things in (1, 2):
        share = np.mean([held_out(sample_scene(rng, things)) for _ in range(4000)])
        assert 0.05 < share < 0.15


def test_holding_out_does_not_depend_on_which_thing_is_named_first(scenes):
    for scene in (s for s in scenes if len(s.things) == 2):
        assert held_out(scene) == held_out(Scene(scene.things[::-1], scene.relation, scene.background))


def test_held_out_prompts_are_held_out_stable_and_of_the_asked_kind():
    for things in (1, 2):
        prompts = held_out_prompts(20, things)
        assert prompts == held_out_prompts(20, things)
        assert all(held_out(parse(prompt)) and len(parse(prompt).things) == things for prompt in prompts)
    assert held_out_prompts(20, seed=1) != held_out_prompts(20, seed=2)


def test_hues_are_well_apart():
    import colorsys

    hues = sorted(360 * colorsys.rgb_to_hsv(*rgb)[0] for rgb in COLOURS.values())
    assert min(b - a for a, b in pairwise([*hues, hues[0] + 360])) > 20
