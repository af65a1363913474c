"""Prompts beyond a text encoder's length are read in chunks, and each image is as it is alone."""

import numpy as np
import pytest
import torch

from faster_diffusion import demo
from faster_diffusion.generation import long_prompts
from faster_diffusion.generation.errors import UnwantedError
from faster_diffusion.generation.prompts import Prompt
from faster_diffusion.generation.sampling import AsItIs, Settings, generate
from tests.evaluation import tiny

LONG = "abcd " * 20 + "efgh " * 20 + "ijkl " * 20


@pytest.fixture(scope="module")
def pipe():
    return tiny.pipeline()


def drawn(pipe, *texts, **settings):
    prompts = [Prompt(text, seed) for seed, text in enumerate(texts)]
    return [np.asarray(image) for image in generate(AsItIs(), [pipe], prompts, Settings((2,), 7.5, **settings))]


def test_chunks_are_read_in_full_and_are_all_of_the_prompt(pipe):
    pieces = long_prompts.chunks(pipe, LONG)
    assert len(pieces) > 2
    assert " ".join(pieces).split() == LONG.split()
    assert all(len(pipe.tokenizer(piece).input_ids) <= pipe.tokenizer.model_max_length for piece in pieces)


def test_a_word_that_is_too_long_is_cut_as_well(pipe):
    pieces = long_prompts.chunks(pipe, "a " + "b" * 200)
    assert "".join(pieces).replace(" ", "") == "a" + "b" * 200
    assert all(len(pipe.tokenizer(piece).input_ids) <= pipe.tokenizer.model_max_length for piece in pieces)


def test_an_empty_prompt_is_one_chunk(pipe):
    assert long_prompts.chunks(pipe, " ") == [""]


def test_embeddings_of_chunks_follow_each_other(pipe):
    read = long_prompts.arguments(pipe, [LONG], None)
    each = [pipe.encode_prompt(piece, "cpu", 1, False)[0][0] for piece in long_prompts.chunks(pipe, LONG)]
    assert torch.allclose(read["prompt_embeds"][0], torch.cat(each), atol=1e-5)
    assert read["negative_prompt_embeds"].shape == read["prompt_embeds"].shape
    assert not read["prompt_embeds"].requires_grad


def test_the_end_of_a_long_prompt_counts_only_if_it_is_asked_for(pipe):
    long, other = LONG, LONG.replace("ijkl", "mnop")
    assert np.array_equal(drawn(pipe, long)[0], drawn(pipe, other)[0])
    assert not np.array_equal(drawn(pipe, long, long_prompts=True)[0], drawn(pipe, other, long_prompts=True)[0])


def test_a_negative_prompt_may_be_the_longer_one(pipe):
    images = [drawn(pipe, "a", negative=text, long_prompts=True)[0] for text in (LONG, LONG.replace("ijkl", "mnop"))]
    assert not np.array_equal(*images)


def test_a_prompt_that_fits_is_drawn_as_ever(pipe):
    assert np.array_equal(drawn(pipe, "abc", long_prompts=True)[0], drawn(pipe, "abc")[0])


def test_images_of_a_batch_do_not_depend_on_the_others_length(pipe):
    texts = ("abc", LONG, LONG[:-60], "de")
    together = drawn(pipe, *texts, long_prompts=True)
    assert long_prompts.count(pipe, texts[1], None) != long_prompts.count(pipe, texts[2], None)
    for seed, text in enumerate(texts):
        (alone,) = generate(AsItIs(), [pipe], [Prompt(text, seed)], Settings((2,), 7.5, long_prompts=True))
        assert np.abs(np.asarray(alone, int) - together[seed]).max() <= 1  # a level, by the size of the batch


@pytest.mark.slow
def test_two_encoders_sum_up_the_first_chunk():
    pipe = demo.load("scenes-xl")
    text = "a large red cube on a white background " * 8
    read = long_prompts.arguments(pipe, [text, text], "blurred")
    first = long_prompts.chunks(pipe, text)[0]
    expected = pipe.encode_prompt(prompt=first, device="cpu", num_images_per_prompt=1, negative_prompt="blurred")
    assert torch.allclose(read["pooled_prompt_embeds"][1], expected[2][0], atol=1e-5)
    assert torch.allclose(read["negative_pooled_prompt_embeds"][1], expected[3][0], atol=1e-5)
    assert drawn(pipe, text, long_prompts=True)[0].shape == (64, 64, 3)


@pytest.mark.slow
def test_other_text_encoders_are_refused():
    with pytest.raises(UnwantedError, match="IFPipeline cannot read prompts in chunks"):
        long_prompts.check(demo.load("scenes-if-1"))
