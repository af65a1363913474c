"""How much of the image is kept on a trained model: fewer key steps keep less, the paper's keep what is asked for."""

import numpy as np
import pytest
import torch

import faster_diffusion as fd
from faster_diffusion import demo
from faster_diffusion.demo.recognise import obeys
from faster_diffusion.demo.scenes import held_out_prompts
from faster_diffusion.generation.sampling import Settings
from faster_diffusion.measuring.pixels import psnr

PROMPTS = [*held_out_prompts(4, 1, seed=21), *held_out_prompts(4, 2, seed=21)]


@pytest.fixture(scope="module")
def draw():
    """Images of the prompts, DDIM 50, accelerated if options are given."""
    pipe = demo.load()
    pipe.set_progress_bar_config(disable=True)

    def images(**options):
        fd.disable(pipe)
        if options:
            fd.enable(pipe, **options)
        seeds = [torch.Generator().manual_seed(i) for i in range(len(PROMPTS))]
        return pipe(PROMPTS, guidance_scale=demo.GUIDANCE_SCALE, generator=seeds).images

    return images


@pytest.fixture(scope="module")
def original(draw):
    return draw()


@pytest.fixture(scope="module")
def paper(draw):
    return draw(key_steps="paper")


def kept(images, original):
    """PSNR to the originals in dB, the median: a few images turn out differently as a whole."""
    return np.median([psnr(*pair) for pair in zip(images, original, strict=True)])


def test_with_the_paper_s_key_steps_the_images_are_nearly_the_original_ones(paper, original):
    assert kept(paper, original) > 31  # dB; 34.5


@pytest.mark.slow
def test_sequential_decoding_draws_the_same(draw, paper):
    assert kept(draw(key_steps="paper", parallel=False), paper) > 50  # dB; they differ in rounding alone


@pytest.mark.slow
def test_more_key_steps_keep_more(draw, paper, original):
    assert kept(draw(key_steps="uniform:2"), original) > kept(paper, original) + 6  # dB; 49.3


@pytest.mark.slow
def test_prior_noise_brings_the_image_nearer_to_the_original(draw, paper, original):
    assert kept(paper, original) > kept(draw(key_steps="paper", prior_noise=None), original)  # dB; 34.5 and 32.6


def test_the_prompt_is_obeyed_as_before(paper, original):
    def obeyed(images):
        verdicts = [obeys(image, prompt) for image, prompt in zip(images, PROMPTS, strict=True)]
        return sum(v.objects_right and v.relation_right for v in verdicts)

    assert obeyed(paper) >= obeyed(original) - 1
    assert obeyed(original) >= 6  # of 8


@pytest.mark.slow
def test_a_correction_fitted_to_a_few_prompts_leads_others_where_more_steps_do_under_strong_guidance():
    pipe, options = demo.load(), {"settings": Settings(guidance=7.5), "reference": "ddim-trailing:24", "held_out": 4}
    measured = fd.fit(pipe, "ddim-trailing:4", PROMPTS, **options).measured
    assert measured["error"]["held out"] < 0.6 * measured["error_uncorrected"]["held out"]  # 0.48
