"""Edits by prompt: what stays, what changes, and that acceleration does not matter to it."""

import re

import numpy as np
import pytest
import torch
from diffusers.callbacks import SDCFGCutoffCallback

import faster_diffusion as fd
from faster_diffusion import demo
from faster_diffusion.demo.recognise import obeys, recognise
from faster_diffusion.tasks import LocalBlend, PromptToPrompt
from specimens import toys

SWAP = ["a cat on a mat", "a dog on a mat"]
ADDED = ["a cat on a mat", "a red cat on a mat"]
UNCONTROLLED = {"cross_steps": 0, "self_steps": 0}
GUIDANCE = pytest.mark.parametrize("guidance_scale", [1.0, 4.0], ids=["no guidance", "guidance"])


def seed(n=0):
    return torch.Generator().manual_seed(n)


def stock(pipe, prompt, **options):
    """Latents of a plain call."""
    defaults = {"generator": seed(), "num_inference_steps": 5, "output_type": "latent"}
    return pipe(prompt, **{**defaults, **options}).images


def edited(pipe, prompts, call=None, **options):
    """Latents of all prompts."""
    defaults = {"generator": seed(), "num_inference_steps": 5, "output_type": "latent"}
    return PromptToPrompt(pipe, prompts, **options)(**{**defaults, **(call or {})})


def close(a, b):
    return torch.allclose(a, b, atol=1e-4)


# What stays


@GUIDANCE
@pytest.mark.parametrize("kind", ["replace", "refine"])
def test_without_control_the_images_are_those_of_plain_calls(toy, kind, guidance_scale):
    images = edited(toy, SWAP, {"guidance_scale": guidance_scale}, kind=kind, **UNCONTROLLED)
    for prompt, image in zip(SWAP, images, strict=True):
        assert close(image, stock(toy, prompt, guidance_scale=guidance_scale)[0])


@GUIDANCE
@pytest.mark.parametrize(
    ("prompts", "options"),
    [
        (SWAP, {}),
        (ADDED, {"kind": "refine"}),
        ([SWAP[0], SWAP[0]], {"reweight": {"cat": 5.0}}),
        (SWAP, {"local_blend": LocalBlend(("cat", "dog"))}),
        ([*SWAP, "a cat on a red"], {"cross_steps_of": {"dog": 0.2}}),
    ],
    ids=["swap", "refinement", "reweighting", "local blend", "two edits"],
)
def test_an_edit_changes_its_own_image_and_never_the_source(toy, prompts, options, guidance_scale):
    source, *others = edited(toy, prompts, {"guidance_scale": guidance_scale}, **options)
    assert close(source, stock(toy, prompts[0], guidance_scale=guidance_scale)[0])
    for image, prompt in zip(others, prompts[1:], strict=True):
        assert not close(image, source)
        assert not close(image, stock(toy, prompt, guidance_scale=guidance_scale)[0])


@pytest.mark.parametrize("kind", ["replace", "refine"])
def test_identical_prompts_give_identical_images(toy, kind):
    source, same = edited(toy, [SWAP[0]] * 2, kind=kind)
    assert close(source, same)


def test_an_edit_does_not_depend_on_the_edits_beside_it(toy):
    together = edited(toy, [*SWAP, "a cat on a red"])
    assert close(together[1], edited(toy, SWAP)[1])
    assert close(together[2], edited(toy, [SWAP[0], "a cat on a red"])[1])


def test_every_prompt_meets_the_same_noise_in_stochastic_sampling(toy):
    source, same = edited(toy, [SWAP[0]] * 2, {"eta": 1.0})
    assert close(source, same)
    assert close(source, stock(toy, SWAP[0], eta=1.0)[0])


def test_without_a_generator_all_prompts_share_one_latent_too(toy):
    source, same = edited(toy, [SWAP[0]] * 2, {"generator": None, "eta": 1.0})
    assert close(source, same)


def test_several_images_are_made_of_each_prompt(toy):
    call = {"num_images_per_prompt": 2, "generator": [seed(1), seed(2)]}
    images = edited(toy, SWAP, call, local_blend=LocalBlend(("cat", "dog")))
    for n in (0, 1):
        alone = edited(toy, SWAP, {"generator": seed(n + 1)}, local_blend=LocalBlend(("cat", "dog")))
        assert close(images[n::2], alone)


def test_initial_latents_can_be_given(toy):
    latents = torch.randn(1, 4, 16, 16, generator=seed(), dtype=toy.dtype)
    assert close(edited(toy, SWAP, {"latents": latents, "generator": None}), edited(toy, SWAP))


def test_one_negative_prompt_is_for_all(toy):
    source, _ = edited(toy, SWAP, {"negative_prompt": "red"})
    assert close(source, stock(toy, SWAP[0], negative_prompt="red")[0])


# How much changes


RED = ["a red cube on a grey background", "a red ring on a grey background"]
FEW = {"num_inference_steps": 4, "guidance_scale": demo.GUIDANCE_SCALE}


def distance(a, b):
    """Of latents, whose deviation is about 1: root mean square."""
    return float((a - b).square().mean().sqrt())


def test_the_longer_attention_is_the_sources_the_nearer_is_the_image(scenes):
    far = [distance(*edited(scenes, RED, FEW, cross_steps=fraction, self_steps=fraction)) for fraction in (0, 0.4, 0.8)]
    assert far[0] > far[1] > far[2] > 0  # 0.74, 0.71, 0.62


def test_a_word_can_keep_attention_for_another_time_than_the_rest(scenes):
    one = edited(scenes, RED, FEW, cross_steps=0.8, self_steps=0)[1]
    freer = edited(scenes, RED, FEW, cross_steps=0.8, cross_steps_of={"ring": 0.2}, self_steps=0)[1]
    free = edited(scenes, RED, FEW, cross_steps=0.2, self_steps=0)[1]
    assert 0 < distance(freer, free) < distance(one, free)


def test_the_more_a_word_is_reweighted_the_more_changes(scenes):
    far = [distance(*edited(scenes, RED[:1] * 2, FEW, reweight={"cube": scale})) for scale in (-2, 1, 2, 4)]
    assert far[1] < 1e-3
    assert far[0] > far[1] < far[2] < far[3]  # 0.4, 0, 0.04, 0.09


# What it is for

RECOLOURED = [
    "a small cyan cone right of a large orange cube on a slate background",
    "a small cyan cone right of a large green cube on a slate background",
]
CALL = {"num_inference_steps": 10, "guidance_scale": demo.GUIDANCE_SCALE}


def psnr(a, b):
    """Of images, in dB."""
    error = np.square(np.asarray(a, np.float64) - np.asarray(b, np.float64)).mean()
    return 10 * np.log10(255**2 / error)


def moved(before, after):
    """How far things are from where they were, in pixels of 64; things of the same shape correspond."""
    places = [{thing.shape: (thing.x, thing.y) for thing in recognise(image)} for image in (before, after)]
    return max(np.hypot(*np.subtract(places[0][shape], places[1][shape])) for shape in ("cone", "cube"))


@pytest.fixture(scope="module")
def recoloured(scenes):
    """Source and edit of the baseline."""
    return PromptToPrompt(scenes, RECOLOURED)(generator=seed(3), **CALL)


@pytest.fixture(scope="module")
def accelerated(scenes):
    """The same, accelerated."""
    with fd.enable(scenes) as handle:
        images = PromptToPrompt(scenes, RECOLOURED)(generator=seed(3), **CALL)
        assert handle.summary().reused > 0
    return images


@pytest.mark.parametrize("images", ["recoloured", "accelerated"])
def test_a_recoloured_thing_stays_where_it_was(scenes, images, request):
    source, edit = request.getfixturevalue(images)
    assert obeys(source, RECOLOURED[0]).objects_right
    assert obeys(edit, RECOLOURED[1]).objects_right
    assert moved(source, edit) < 6  # 2.8 and 3.2 pixels


def test_without_control_it_does_not_stay(scenes, recoloured):
    plain = scenes(RECOLOURED[1], generator=seed(3), **CALL).images[0]
    assert moved(recoloured[0], plain) > 12  # 32.7 pixels: the things change places


def test_an_accelerated_edit_is_close_to_the_full_one(recoloured, accelerated):
    assert min(psnr(a, b) for a, b in zip(accelerated, recoloured, strict=True)) > 32  # dB; 37.7


def test_a_local_blend_leaves_the_rest_as_in_the_source(scenes):
    # Latents, since the autoencoder's normalisation carries some of a change to all pixels.
    def beside_the_cube(**options):
        source, edit = edited(scenes, RECOLOURED, {"generator": seed(1), **FEW}, **options)
        return distance(source[:, :, 11:], edit[:, :, 11:])  # the cone is there

    assert beside_the_cube() > 0.05  # 0.10
    assert beside_the_cube(local_blend=LocalBlend("cube", threshold=0.7)) == 0


def test_a_phrase_is_added_to_what_there_is(scenes):
    prompts = ["a cube on a white background", "a blue cube on a white background"]
    source, edit = PromptToPrompt(scenes, prompts, kind="refine")(generator=seed(3), **CALL)
    was, now = recognise(source)[0], recognise(edit)[0]
    assert (was.shape, now.shape, now.colour) == ("cube", "cube", "blue")
    assert was.colour != "blue"
    assert np.hypot(was.x - now.x, was.y - now.y) < 4  # 0.7 pixels


# Accelerated

EVERYTHING = {
    "cross_steps": 0.6,
    "reweight": {"mat": 2.0},
    "local_blend": LocalBlend(("cat", "dog")),
}


@GUIDANCE
def test_sequential_and_parallel_mode_give_the_same(toy, guidance_scale):
    images = []
    for parallel in (True, False):
        with fd.enable(toy, key_steps=[0, 2], parallel=parallel):
            images.append(edited(toy, SWAP, {"guidance_scale": guidance_scale}, **EVERYTHING))
    assert torch.equal(*images)


@GUIDANCE
def test_with_every_step_key_it_is_the_baseline(toy, guidance_scale):
    call = {"guidance_scale": guidance_scale}
    baseline = edited(toy, SWAP, call, **EVERYTHING)
    with fd.enable(toy, key_steps="all"):
        assert torch.equal(edited(toy, SWAP, call, **EVERYTHING), baseline)


def test_without_control_accelerated_images_are_those_of_accelerated_plain_calls(toy):
    with fd.enable(toy, key_steps=[0, 2]):
        for prompt, image in zip(SWAP, edited(toy, SWAP, **UNCONTROLLED), strict=True):
            assert close(image, stock(toy, prompt)[0])


def test_an_edit_can_be_made_again(toy):
    edit = PromptToPrompt(toy, SWAP, **EVERYTHING)
    with fd.enable(toy, key_steps=[0, 2]):
        first, second = (edit(generator=seed(), num_inference_steps=5, output_type="latent") for _ in range(2))
    assert torch.equal(first, second)


# The user's callback


def test_the_users_callback_gets_what_it_asks_for_at_every_step(toy):
    seen = []

    def callback(pipe, step, timestep, tensors):
        seen.append((step, sorted(tensors)))
        return {}

    edited(toy, SWAP, {"callback_on_step_end": callback, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]})
    assert seen == [(step, ["prompt_embeds"]) for step in range(5)]


@pytest.mark.parametrize("options", [{}, {"local_blend": LocalBlend(("cat", "dog"))}], ids=["plain", "local blend"])
def test_latents_of_the_users_callback_count(toy, options):
    def callback(pipe, step, timestep, tensors):
        return {"latents": torch.zeros_like(tensors["latents"])} if step == 4 else {}

    assert not edited(toy, SWAP, {"callback_on_step_end": callback}, **options).any()


def test_guidance_may_end_during_the_run(toy):
    def cut_off(pipe, step, timestep, tensors):
        if step != 1:
            return {}
        pipe._guidance_scale = 0.0
        return {"prompt_embeds": tensors["prompt_embeds"].chunk(2)[1]}

    call = {"callback_on_step_end": cut_off, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
    source, _ = edited(toy, SWAP, call)
    assert close(source, stock(toy, SWAP[0], **call)[0])


def test_a_callback_that_knows_of_one_prompt_only_is_refused(toy):
    callback = SDCFGCutoffCallback(cutoff_step_ratio=0.4)  # keeps one row of the prompts
    with pytest.raises(RuntimeError, match="expects 2 or 4 rows in a batch, not 1"):
        edited(toy, SWAP, {"callback_on_step_end": callback})


# What is refused


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        (ADDED, {}, "has 5 words and 'a red cat on a mat' has 6; use kind=\"refine\""),
        (SWAP, {"reweight": {"lion": 2.0}}, "The word 'lion' is not in 'a dog on a mat'; write it as it stands there"),
        (SWAP, {"cross_steps_of": {"cat": 0.1}}, "The word 'cat' is not in 'a dog on a mat'"),
        (
            SWAP,
            {"local_blend": LocalBlend("dog")},
            "'a cat on a mat' has none of the words dog; name one in LocalBlend",
        ),
        (SWAP, {"kind": "swap"}, 'kind is "replace" or "refine"; got \'swap\''),
        (SWAP, {"cross_steps": 40}, "fractions of the steps, 0 to 1; got 40"),
        (SWAP, {"cross_steps_of": {"dog": -1}}, "fractions of the steps, 0 to 1; got -1"),
        (SWAP[:1], {}, "the source prompt and at least one edited one; got"),
        ("a cat", {}, "the source prompt and at least one edited one; got 'a cat'"),
        (["a cat", "a " * 20], {}, "the text encoder reads 16; shorten"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_with_the_remedy(toy, prompts, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        PromptToPrompt(toy, prompts, **options)


def test_a_pipeline_without_tokenizer_or_cross_attention_is_refused(toy):
    with pytest.raises(
        ValueError, match="StableDiffusionPipeline has no tokenizer, or no UNet that attends to a prompt"
    ):
        PromptToPrompt(toys.stable_diffusion(), SWAP)
    toy.unet = None
    with pytest.raises(ValueError, match="no UNet that attends to a prompt"):
        PromptToPrompt(toy, SWAP)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"prompt": "a cat"}, "prompt: leave it out; prompts are given to PromptToPrompt itself"),
        ({"ip_adapter_image": "a cat.png"}, "attention to words alone; unload the IP-Adapter"),
        ({"generator": [seed(), seed()]}, "2 generators for 1 images of a prompt; give one"),
        ({"latents": torch.zeros(2, 4, 16, 16)}, "latents are of 2 images, but 1 are made of each prompt"),
    ],
)
def test_a_call_that_cannot_be_is_refused_with_the_remedy(toy, call, message):
    with pytest.raises(ValueError, match=message):
        edited(toy, SWAP, call)
