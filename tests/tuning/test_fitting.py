"""Fitted corrections: they lead a short run where a long one goes, on prompts that they were not fitted to."""

import logging

import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from PIL import Image

import faster_diffusion as fd
from faster_diffusion.arms import Arm
from faster_diffusion.generation.prompts import Prompt
from faster_diffusion.generation.sampling import Settings
from faster_diffusion.tuning import fitting
from tests.evaluation import tiny

PROMPTS = [Prompt(letter, 10 + number) for number, letter in enumerate("abcdef")]
SETTINGS = Settings(guidance=3.0)


@pytest.fixture(scope="module")
def pipe():
    return tiny.pipeline()


def fit(pipe, arm="ddim-trailing:4", prompts=PROMPTS, **options):
    long = f"{arm.split(':')[0]}:20"
    return fd.fit(pipe, arm, prompts, **{"settings": SETTINGS, "reference": long, **options})


def latents(pipe, steps, guidance=3.0):
    generators = [torch.Generator().manual_seed(prompt.seed) for prompt in PROMPTS]
    texts = [prompt.text for prompt in PROMPTS]
    return pipe(
        texts, num_inference_steps=steps, guidance_scale=guidance, generator=generators, output_type="latent"
    ).images


@pytest.mark.parametrize(
    ("arm", "place"),
    [
        ("ddim-trailing:4", False),
        ("unipc-trailing:4", False),
        ("euler:4", False),
        ("ddim-trailing:6 + 0,1,3 + output", False),
        ("dpm++1-trailing:4", True),
    ],
)
@pytest.mark.slow
def test_the_profile_s_run_is_as_near_to_the_long_run_as_the_fitted_one_was(pipe, arm, place, tmp_path):
    profile = fit(pipe, arm, place=place)
    profile.save(tmp_path / "fitted.json")
    with fd.enable(pipe, key_steps=tmp_path / "fitted.json") as handle:
        made = latents(pipe, handle.profile.steps)
    with Arm.parse(profile.measured["reference"]).applied(pipe):
        there = latents(pipe, Arm.parse(profile.measured["reference"]).step_count)
    for rows, split in ((slice(4), "fitted"), (slice(4, None), "held out")):
        error = float((made[rows] - there[rows]).norm() / there[rows].norm())
        assert error == pytest.approx(profile.measured["error"][split], rel=1e-2)
    assert profile.measured["error"]["fitted"] < profile.measured["error_uncorrected"]["fitted"]
    assert profile.measured["prompts"] == {"fitted": 4, "held out": 2}


def test_the_pipeline_is_left_as_it_was(pipe):
    scheduler, before = pipe.scheduler, latents(pipe, 4)
    fit(pipe)
    fit(pipe, "steps:4")
    assert pipe.scheduler is scheduler
    assert "step" not in vars(scheduler)
    assert not fd.is_enabled(pipe)
    assert torch.equal(latents(pipe, 4), before)


def test_the_same_again_gives_the_same(pipe):
    assert fit(pipe) == fit(pipe)


def test_by_default_it_goes_along_with_its_own_solver_which_meets_it_at_every_step(pipe, monkeypatch):
    monkeypatch.setattr(fitting, "_REFERENCE_STEPS", 10)
    assert fit(pipe, reference=None).measured["reference"] == "ddim-trailing:12"


def test_steps_that_are_placed_are_better_ones_and_the_profile_s(pipe, tmp_path):
    spaced, placed = (fit(pipe, "dpm++1-trailing:4", place=place) for place in (False, True))
    # Measured: 0.016 -> 0.011 of the size of the last latents, held out 0.018 -> 0.011
    for split in ("fitted", "held out"):
        assert placed.measured["error"][split] < spaced.measured["error"][split]
    assert spaced.config.correction.timesteps == (999, 749, 499, 249)
    placed.save(tmp_path / "fitted.json")
    own, expected = pipe.scheduler, latents(pipe, 4)
    with fd.enable(pipe, key_steps=tmp_path / "fitted.json"):
        made = latents(pipe, 4)
        assert tuple(pipe.scheduler.timesteps.tolist()) == placed.config.correction.timesteps != (999, 749, 499, 249)
    with Arm.parse(f"dpm++1-trailing:4 + all + corrected:{tmp_path / 'fitted.json'}").applied(pipe):
        assert torch.equal(latents(pipe, 4), made)
    assert pipe.scheduler is own
    assert torch.equal(latents(pipe, 4), expected)


def test_a_run_may_be_fitted_to_one_of_another_solver(pipe):
    measured = fit(pipe, "unipc-trailing:4", reference="ddim-trailing:20").measured
    assert measured["reference"] == "ddim-trailing:20"
    assert measured["error"]["fitted"] < measured["error_uncorrected"]["fitted"]


def test_but_not_to_one_whose_latents_grow_with_the_noise(pipe):
    with pytest.raises(ValueError, match="euler:20 scales latents otherwise than ddim:4; fit it to a run of its own"):
        fit(pipe, "ddim:4", reference="euler:20")


def test_a_correction_is_not_fitted_upon_another(pipe, tmp_path):
    fit(pipe).save(tmp_path / "fitted.json")
    with pytest.raises(ValueError, match="has a correction already"):
        fit(pipe, f"ddim-trailing:4 + all + corrected:{tmp_path / 'fitted.json'}")


def test_without_guidance_too(pipe):
    profile = fit(pipe, settings=Settings(guidance=1.0))
    assert not profile.config.correction.guided
    assert profile.measured["error"]["fitted"] < profile.measured["error_uncorrected"]["fitted"]


def test_a_pipeline_that_starts_from_a_picture_is_corrected_from_there_on(pipe, tmp_path):
    Image.new("RGB", (32, 32), "teal").save(tmp_path / "start.png")
    prompts = [Prompt(prompt.text, prompt.seed, start=tmp_path / "start.png") for prompt in PROMPTS]
    profile = fit(StableDiffusionImg2ImgPipeline.from_pipe(pipe), "ddim-trailing:5", prompts)
    assert [any(step) for step in profile.config.correction.weights] == [False, True, True, True, True]
    assert profile.config.correction.timesteps == (999, 799, 599, 399, 199)
    with pytest.raises(ValueError, match="these start from a picture"):
        fit(StableDiffusionImg2ImgPipeline.from_pipe(pipe), "dpm++-trailing:5", prompts, place=True)


@pytest.mark.parametrize(
    ("arm", "options", "reason"),
    [
        ("all", {}, "fitted for a number of steps"),
        ("ddim:4 + tome:0.5", {}, "leave tome out"),
        ("heun:4", {}, "one network call a step; heun:4 makes 7 in 4"),
        ("euler-a:4", {}, "adds noise at every step"),
        ("ddim:4", {"held_out": 6}, "at least one has to fit"),
        ("ddim-trailing:4", {"place": True}, "DDIMScheduler takes no timesteps of one's own; take dpm"),
        ("dpm++:4 + 0,2 + output", {"place": True}, "for runs that compute all of them"),
    ],
)
def test_what_cannot_be_fitted_is_refused_at_once_and_the_pipeline_left_as_it_was(pipe, arm, options, reason):
    calls = []
    hook = pipe.unet.register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(ValueError, match=reason):
        fit(pipe, arm, **options)
    hook.remove()
    assert len(calls) <= 1
    assert "step" not in vars(pipe.scheduler)
    assert not fd.is_enabled(pipe)


def test_one_that_does_not_help_others_says_so(pipe, caplog, monkeypatch):
    monkeypatch.setattr(fitting, "_least_squares", lambda terms, missing: torch.full((5,), 0.5).double())
    with caplog.at_level(logging.WARNING):
        profile = fit(pipe)
    assert "NOT CONFIRMED" in profile.notes[-1]
    assert "does not help on held-out prompts" in caplog.text


def test_of_all_places_that_are_tried_the_profile_has_those_that_end_nearest_to_the_long_run(pipe, monkeypatch):
    arm, places, errors = {"arm": "dpm++-trailing:4", "prompts": PROMPTS[:1], "place": True}, fitting.places, {}
    best = fit(pipe, **arm)
    for number in range(4):
        monkeypatch.setattr(fitting, "places", lambda *run, number=number: dict([list(places(*run).items())[number]]))
        alone = fit(pipe, **arm)
        errors[alone.notes[0]] = alone.measured["error"]["fitted"]
    assert len(errors) == 4
    assert best.notes[0] == min(errors, key=errors.get)
    assert best.measured["error"]["fitted"] == pytest.approx(min(errors.values()))
