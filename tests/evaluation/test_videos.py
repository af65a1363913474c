"""Videos are evaluated as images are: each is a strip of its frames, which are judged one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from faster_diffusion import demo
from faster_diffusion.demo import clips, scenes
from faster_diffusion.evaluation import Judges, world
from faster_diffusion.generation import videos
from faster_diffusion.generation.filmstrip import cut, joined
from faster_diffusion.generation.prompts import Prompt
from faster_diffusion.generation.sampling import Settings
from specimens import toys
from specimens.rows.video import stable_video_diffusion, text_to_video, text_to_video_zero
from tests.evaluation import tiny

CLIPS = [Prompt(text, seed) for seed, text in enumerate(clips.held_out_prompts(3))]
SETTINGS = Settings(steps=(4,), batch_size=2, frames=3)
JUDGES = Judges(metrics=("flops", "psnr", "ssim", "fid_real", "clip_score", "obeyed"), features="scenes", clip="scenes")


def video_pipeline():
    pipe = text_to_video()
    pipe.register_modules(tokenizer=toys.tokenizer())
    return pipe


def drawn(pipe, prompt, **call):
    """The frames of a video, side by side."""
    output = pipe(prompt.text, num_inference_steps=4, generator=torch.Generator().manual_seed(prompt.seed), **call)
    return np.asarray(joined(videos.frames_of(output)[0]), np.int16)


def kept(folder, number):
    return np.asarray(Image.open(folder / "arms" / "00-baseline" / f"{number:05d}.png"), np.int16)


def test_a_pipeline_of_images_draws_videos_by_text2video_zero():
    pipe = demo.load("scenes")
    made = videos.as_video_pipeline(pipe)
    assert videos.draws_videos(made)
    assert made.unet is pipe.unet
    pipe.set_progress_bar_config(disable=True)
    assert videos.as_video_pipeline(pipe)._progress_bar_config == {"disable": True}


def test_a_strip_is_cut_into_the_frames_that_it_was_made_of():
    frames = [Image.new("RGB", (8, 6), (shade, 0, 0)) for shade in (0, 100, 200)]
    strip = joined(frames)
    assert strip.size == (24, 6)
    assert [frame.tobytes() for frame in cut(strip, 3)] == [frame.tobytes() for frame in frames]


@pytest.mark.slow
def test_frames_are_judged_one_by_one_and_a_clip_as_a_whole(tmp_path):
    found = tiny.run(tmp_path, pipe=video_pipeline(), arms=["0,2"], prompts=CLIPS, settings=SETTINGS, judges=JUDGES)
    assert found.settings["frames"] == 3
    expected = drawn(video_pipeline(), CLIPS[2], num_frames=3, output_type="pil")
    assert np.abs(kept(tmp_path, 2) - expected).max() <= 1
    assert found.judges["real"] == "rendered clips of the same captions (24)"  # 8 frames each
    values = found.arm("0,2").values
    assert set(values) == set(JUDGES.metrics)
    assert all(len(values[key].each) == len(CLIPS) for key in ("psnr", "ssim", "clip_score", "obeyed"))


@pytest.mark.slow
def test_a_pipeline_draws_as_many_frames_as_it_likes_unless_told(tmp_path):
    settings = replace(SETTINGS, frames=None)
    found = tiny.run(tmp_path, pipe=video_pipeline(), arms=["0,2"], prompts=CLIPS[:1], settings=settings, judges=JUDGES)
    assert found.settings["frames"] == 16
    assert kept(tmp_path, 0).shape[:2] == (32, 16 * 32)


@pytest.mark.slow
def test_text_to_video_zero_draws_one_at_a_time_and_moves_at_the_same_share_of_its_steps(tmp_path):
    pipe = text_to_video_zero()
    pipe.register_modules(tokenizer=toys.tokenizer())
    settings = replace(SETTINGS, steps=(8,), height=32, width=32)
    given = {"prompts": CLIPS[:2], "settings": settings, "judges": Judges(metrics=("psnr",))}
    tiny.run(tmp_path, pipe=pipe, arms=["paper"], **given)
    call = {"num_inference_steps": 8, "video_length": 3, "t0": 7, "t1": 7, "height": 32, "width": 32}
    images = pipe(CLIPS[1].text, generator=torch.Generator().manual_seed(CLIPS[1].seed), **call).images
    expected = np.concatenate(list(images), 1)  # in 0 to 1
    assert np.abs(255 * expected - kept(tmp_path, 1)).max() <= 1


def test_a_pipeline_whose_call_alone_knows_how_many_frames():
    assert videos.draws_videos(stable_video_diffusion())
    assert videos.own_frames(stable_video_diffusion()) is None


def test_a_rendered_clip_obeys_its_caption_and_no_other():
    here, there = "a large red cube slides to the left", "a large red cube slides to the right"
    frames = list(world.rendered([here, there]))
    assert len(frames) == 2 * world.rendered_frames([here, there]) == 2 * clips.FRAMES
    assert world.obeyed(frames, [here, there], clips.FRAMES) == [True, True]
    assert world.obeyed(frames, [there, here], clips.FRAMES) == [False, False]


def test_a_video_obeys_the_caption_of_a_scene_if_each_frame_does():
    red, blue = (
        Image.fromarray(scenes.render(scenes.parse(f"a large {c} cube"), np.random.default_rng(0)))
        for c in ("red", "blue")
    )
    asked = ["a large red cube", "a large red cube"]
    assert world.obeyed([red, red, red, blue], asked, 2) == [True, False]


def test_captions_of_clips_are_known_where_videos_are_drawn():
    assert world.knows(["a red cube", "a blue ring"])
    assert not world.knows([CLIPS[0].text])
    assert world.knows([CLIPS[0].text], 8)
    assert not world.knows([CLIPS[0].text, "a red cube"], 8)


def test_a_clip_is_still_the_scene_that_moves():
    assert clips.still("a large red cube slides to the left on a grey background") == (
        "a large red cube on a grey background"
    )
    assert clips.still("a cat") == "a cat"
