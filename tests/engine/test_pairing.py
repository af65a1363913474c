"""What counts as a guided pair: the same latents twice, conditioned apart. Anything else is left as it is, and said."""

import pytest
import torch
from diffusers import StableDiffusionPAGPipeline

import faster_diffusion as fd
from faster_diffusion.models.pipelines import rows_of
from faster_diffusion.models.rows import Rows
from faster_diffusion.options.correction import Correction
from specimens import toys

STEPS = 6
PLAIN = {"key_steps": "all", "prior_noise": None}
TEXT = torch.randn(8, 5, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def pipe():
    return toys.stable_diffusion()


def latents(*seeds):
    return torch.cat([torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def loop(pipe, text, seeds, times, **options):
    """A loop whose batch has every latent ``times`` times, and how many rows the network computed at each step."""
    scheduler, seen = pipe.scheduler, []
    hook = toys.count_rows(pipe.unet.conv_in, seen)
    scheduler.set_timesteps(STEPS)
    x = latents(*seeds)
    with torch.no_grad(), fd.enable(pipe.unet, **PLAIN, **options) as handle, handle.sampling(scheduler):
        for t in scheduler.timesteps:
            first, *others = pipe.unet(torch.cat([x] * times), t, text).sample.chunk(times)
            x = scheduler.step(first + sum(3 * (other - first) for other in others), t, x).prev_sample
    hook.remove()
    return x, seen


ROWS = {
    "one text, two edits": (TEXT[:4], [1], 4),
    "one text, one edit": (TEXT[:3], [1], 3),
    "two images with two edits": (TEXT[:8], [1, 2], 4),
    "two images with one edit": (TEXT[:6], [1, 1], 3),
    "perturbed attention": (TEXT[[0, 0]], [1], 2),
    "two images without guidance": (TEXT[:2], [1, 2], 1),
    "two images of one prompt and seed": (TEXT[[0, 0]], [1, 1], 1),
    "one image without guidance": (TEXT[:1], [1], 1),
}


@pytest.mark.parametrize("batch", ROWS.values(), ids=ROWS)
def test_what_is_no_guided_pair_is_computed_in_full_and_said(pipe, batch, caplog):
    expected, rows = loop(pipe, *batch)
    caplog.clear()
    image, seen = loop(pipe, *batch, guidance_until=0.0)
    assert torch.equal(image, expected)
    assert seen == rows
    assert caplog.text.count("guidance_until is left out") == 1


@pytest.mark.parametrize("seeds", [[1], [1, 2]])
def test_a_guided_pair_is_cut(pipe, seeds):
    _, seen = loop(pipe, TEXT[: 2 * len(seeds)], seeds, 2, guidance_until=0.5)
    assert seen == [2 * len(seeds)] * 3 + [len(seeds)] * 3


def test_images_of_one_seed_and_several_prompts_are_cut_by_a_pipeline_that_says_that_it_is_guided(pipe):
    seen = []
    toys.count_rows(pipe.unet.conv_in, seen)
    with fd.enable(pipe, key_steps="all", guidance_until=0.0):
        toys.sample(pipe, 2, generator=[torch.Generator().manual_seed(0) for _ in range(2)], num_inference_steps=3)
    assert seen == [4, 2, 2]


def test_images_of_one_seed_without_guidance_are_no_pair_from_the_first_step_on(pipe, caplog):
    call = {
        "guidance_scale": 1.0,
        "num_inference_steps": STEPS,
    }

    def sample(correction):
        with fd.enable(pipe, **PLAIN, correction=correction):
            return toys.sample(pipe, 2, generator=[torch.Generator().manual_seed(0) for _ in range(2)], **call)

    assert torch.equal(sample(correction(guided=True)), sample(None))
    assert "fitted with guidance, and this run is otherwise" in caplog.text
    caplog.clear()
    assert not torch.equal(sample(correction(guided=False)), sample(None))
    assert not caplog.text


@pytest.mark.parametrize("guidance", [0.0, 5.0])
def test_perturbed_attention_says_that_its_rows_are_its_own(pipe, guidance):
    perturbed = StableDiffusionPAGPipeline(**pipe.components, requires_safety_checker=False, pag_applied_layers=["mid"])
    perturbed._guidance_scale, perturbed._pag_scale = guidance, 3.0
    assert rows_of(perturbed) is Rows.OTHER
    perturbed._pag_scale = 0.0
    assert rows_of(perturbed) is (Rows.PAIRED if guidance else Rows.SINGLE)


# Corrections


def correction(*, guided):
    return Correction(((0.3, 0.0, 0.1, 0.2, 0.0),) * STEPS, 4, guided)


def separate(pipe, correction, text=TEXT[:2], **options):
    """A loop that calls the network for each prompt by itself."""
    scheduler = pipe.scheduler
    scheduler.set_timesteps(STEPS)
    x = latents(1)
    handle = fd.enable(pipe.unet, **{**PLAIN, **options}, correction=correction)
    with torch.no_grad(), handle.sampling(scheduler):
        for t in scheduler.timesteps:
            first, *others = [pipe.unet(x, t, row[None]).sample for row in text]
            x = scheduler.step(first + sum(3 * (other - first) for other in others), t, x).prev_sample
    return x


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("options", [{}, {"key_steps": [0, 2]}, {"key_steps": [0, 2], "parallel": False}], ids=str)
def test_a_correction_of_a_step_that_is_called_again_is_taken_back(pipe, guided, options, caplog):
    assert torch.equal(separate(pipe, correction(guided=guided), **options), separate(pipe, None, **options))
    assert caplog.text.count("The correction is left out") == 1


def test_a_single_call_a_step_is_corrected_from_the_first_step_on(pipe, caplog):
    assert not torch.equal(separate(pipe, correction(guided=False), TEXT[:1]), separate(pipe, None, TEXT[:1]))
    assert not caplog.text


@pytest.mark.parametrize("name", ["one text, two edits", "perturbed attention", "two images with one edit"])
@pytest.mark.parametrize("guided", [True, False])
def test_rows_of_another_kind_are_not_corrected(pipe, name, guided, caplog):
    expected, _ = loop(pipe, *ROWS[name])
    caplog.clear()
    image, _ = loop(pipe, *ROWS[name], correction=correction(guided=guided))
    assert torch.equal(image, expected)
    assert caplog.text.count("The correction is left out") == 1


def test_what_turns_out_not_to_fit_after_the_first_step_is_said_with_what_was_done(pipe, caplog):
    """Two prompts with one seed look like a guided pair until the images part."""
    loop(pipe, TEXT[:2], [1, 1], 1, correction=correction(guided=True))
    assert "1 calls were corrected before, so the image is neither with it nor without" in caplog.text
