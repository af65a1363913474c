"""The parts of the scenes recipe that are no training: data, tokenizer, near misses, intervals."""

import numpy as np
import pytest
import torch

from faster_diffusion.demo.recognise import Verdict
from faster_diffusion.demo.scenes import caption, held_out, parse, sample_scene
from recipes.card import share
from recipes.scenes.data import make_held_out, make_pool, pixels
from recipes.scenes.evaluate import summary

transformers = pytest.importorskip("transformers")
clip = pytest.importorskip("recipes.scenes.clip")
tokenizer = pytest.importorskip("recipes.scenes.tokenizer")


def test_training_never_sees_what_is_held_out():
    assert not any(held_out(scene) for scene in make_pool(300).scenes)
    assert all(held_out(scene) for scene in make_held_out(30).scenes)


def test_a_pool_depends_on_its_seed_alone():
    assert torch.equal(make_pool(20, seed=3).pictures, make_pool(20, seed=3).pictures)
    assert not torch.equal(make_pool(20, seed=3).pictures, make_pool(20, seed=4).pictures)


def test_pixels_span_minus_one_to_one():
    assert pixels(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1, 1]


def test_each_word_of_a_caption_is_one_token():
    words = tokenizer.build()
    for scene in make_pool(50).scenes:
        text = caption(scene)
        assert [piece.removesuffix("</w>") for piece in words.tokenize(text)] == text.split()


def test_any_text_is_told_apart_without_an_unknown_token():
    words = tokenizer.build()
    tokens = [words(text).input_ids for text in ("a cat", "a c4t!", "été \N{CAT FACE}")]
    assert len({tuple(t) for t in tokens}) == 3
    assert all(words.eos_token_id not in t[:-1] for t in tokens)


def test_the_saved_tokenizer_loads_as_stock(tmp_path):
    tokenizer.save(tmp_path)
    loaded = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    assert loaded("a red ball").input_ids == tokenizer.build()("a red ball").input_ids
    assert loaded.model_max_length == tokenizer.LENGTH
    assert {"vocab.json", "merges.txt"} <= {path.name for path in tmp_path.iterdir()}


def test_a_caption_describes_its_scene_and_a_near_miss_does_not():
    rng = np.random.default_rng(0)
    for _ in range(200):
        scene = sample_scene(rng)
        assert clip.describes([scene], [scene])[0, 0]
        assert not clip.describes([clip.near_miss(scene, rng)], [scene])[0, 0]


@pytest.mark.parametrize(
    ("said", "seen", "fits"),
    [
        ("a red cube", "a large red cube on a grey background", True),
        ("a small red cube", "a large red cube on a grey background", False),
        ("a red cube left of a blue ring", "a small blue ring right of a large red cube on a grey background", True),
        ("a red cube left of a blue ring", "a small blue ring left of a large red cube on a grey background", False),
        ("a red cube", "a red cube left of a blue ring", False),
    ],
)
def test_a_caption_fits_what_it_leaves_open_from_either_thing(said, seen, fits):
    assert clip.describes([parse(said)], [parse(seen)])[0, 0] == fits


def test_a_share_comes_with_its_interval():
    low, high = share(95, 100)["interval"]
    assert (round(low, 2), round(high, 2)) == (0.89, 0.98)  # Wilson, 95 %


def test_right_asks_for_objects_and_relation():
    counts = summary(
        [Verdict(True, True, True, True), Verdict(True, True, False, True), Verdict(False, False, False, True)]
    )
    assert counts["right"]["right"] == 1
    assert counts["objects"]["right"] == 2
    assert counts["background"]["right"] == 3
