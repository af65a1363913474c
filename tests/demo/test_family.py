"""The packaged models beside scenes: stock pipelines that draw what they are told."""

import re
from pathlib import Path

import pytest
import torch
from diffusers import (
    DiTPipeline,
    DPMSolverMultistepScheduler,
    IFPipeline,
    IFSuperResolutionPipeline,
    StableDiffusionXLPipeline,
    TextToVideoSDPipeline,
)

import faster_diffusion as fd
from faster_diffusion import demo
from faster_diffusion.demo import clips
from faster_diffusion.demo.recognise import obeys
from faster_diffusion.demo.scenes import held_out_prompts

pytestmark = pytest.mark.slow


def needs(name):
    return pytest.mark.skipif(name not in demo.available(), reason=f"{name} is not in this checkout")


def load(name, quick=True):
    pipe = demo.load(name)
    if quick:
        pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def seeds(n):
    return [torch.Generator().manual_seed(i) for i in range(n)]


@needs("scenes-xl")
def test_the_small_sdxl_draws_scenes_accelerated_or_not():
    pipe = load("scenes-xl")
    assert type(pipe) is StableDiffusionXLPipeline
    prompts = held_out_prompts(8, 1, seed=5)

    def obeyed():
        call = {"guidance_scale": demo.GUIDANCE_SCALE, "generator": seeds(8), "num_inference_steps": 15}
        images = pipe(prompts, **call).images
        return sum(obeys(image, prompt).objects_right for image, prompt in zip(images, prompts, strict=True))

    assert obeyed() >= 6  # of 100 in 50 steps: 95
    with fd.enable(pipe):
        assert obeyed() >= 6  # 94


@needs("scenes-xl")
def test_the_small_sdxl_reads_nothing_but_zeros_where_there_is_no_prompt():
    pipe = load("scenes-xl")
    _, none, _, pooled = pipe.encode_prompt(["a red cube"], device="cpu")
    assert not none.any()
    assert not pooled.any()


@needs("scenes-dit")
def test_the_transformer_draws_its_classes_accelerated_or_not():
    pipe = load("scenes-dit")
    assert type(pipe) is DiTPipeline
    labels = list(pipe.labels)[::3]

    def right():
        call = {"guidance_scale": 2.0, "generator": seeds(len(labels)), "num_inference_steps": 20}
        images = pipe(pipe.get_label_ids(labels), **call).images
        return sum(obeys(image, label).objects_right for image, label in zip(images, labels, strict=True))

    assert right() >= 3  # of 11: 5; of 320 in 50 steps: 58 %; by chance 3 %
    with fd.enable(pipe):
        assert right() >= 3  # 5; 57 %


@needs("scenes-if-1")
def test_the_cascade_draws_scenes_accelerated_or_not():
    first, second = load("scenes-if-1", quick=False), load("scenes-if-2", quick=False)
    assert (type(first), type(second)) == (IFPipeline, IFSuperResolutionPipeline)
    prompts = held_out_prompts(8, 1, seed=5)

    def obeyed():
        call = {"prompt": prompts, "guidance_scale": demo.GUIDANCE_SCALE, "generator": seeds(8)}
        small = first(**call, num_inference_steps=30, output_type="pt").images
        images = second(**call, image=small, num_inference_steps=20).images
        return sum(obeys(image, prompt).objects_right for image, prompt in zip(images, prompts, strict=True))

    assert obeyed() >= 6  # 7; of 100 in 100 and 50 steps: 97
    with fd.enable(first, key_steps="uniform:2"), fd.enable(second, key_steps="uniform:2"):
        assert obeyed() >= 6  # with the paper's plan 94


@needs("scenes-video")
def test_the_video_model_draws_things_that_move_accelerated_or_not():
    pipe = load("scenes-video")
    assert type(pipe) is TextToVideoSDPipeline
    prompts = clips.held_out_prompts(3, seed=5)

    def moving():
        call = {"guidance_scale": demo.GUIDANCE_SCALE, "generator": seeds(3), "num_inference_steps": 12}
        drawn = (255 * pipe(prompts, **call, num_frames=clips.FRAMES).frames).round().astype("uint8")
        return [clips.obeys(frames, prompt) for frames, prompt in zip(drawn, prompts, strict=True)]

    assert sum(clip.thing_right and clip.steady for clip in moving()) >= 2  # of 32 in 25 steps: things 31, steady 28
    with fd.enable(pipe, key_steps="uniform:2"):
        assert sum(clip.thing_right for clip in moving()) >= 2


def test_every_model_is_on_the_page_of_models():
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    assert demo.available() == sorted(re.findall(r"^\| `(scenes[^`]*)` \|", page, re.MULTILINE))
