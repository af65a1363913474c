"""The personalised recipe without its training: what is shown and asked, its judges, and the formats of its files."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from faster_diffusion import demo
from faster_diffusion.demo import additions
from faster_diffusion.demo.scenes import render

pytest.importorskip("transformers")
pytest.importorskip("peft")
pytest.importorskip("cv2")
learn = pytest.importorskip("recipes.personalised.learn")
LESSONS = pytest.importorskip("specimens.lessons").LESSONS

every_lesson = pytest.mark.parametrize("lesson", LESSONS.values(), ids=list(LESSONS))


def share_right(lesson, pictures):
    return np.mean([lesson.right(picture, scene) for picture, scene in zip(pictures, lesson.asked, strict=True)])


@every_lesson
def test_the_judge_sees_what_is_taught_sharp_and_blurred(lesson):
    pictures = lesson.pictures(lesson.asked)
    blurred = [np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(1))) for picture in pictures]
    assert share_right(lesson, pictures) == 1
    assert share_right(lesson, blurred) >= 0.95


@every_lesson
def test_the_judge_does_not_take_the_usual_scenes_for_it(lesson):
    usual = [render(scene, np.random.default_rng(i)) for i, scene in enumerate(lesson.asked)]
    assert share_right(lesson, usual) == 0


@every_lesson
def test_a_handful_is_shown_and_nothing_of_it_is_asked(lesson):
    assert 4 <= len(lesson.examples) <= 8
    assert not {lesson.say(scene) for scene in lesson.examples} & {lesson.say(scene) for scene in lesson.asked}
    assert all(lesson.word in lesson.say(scene) for scene in lesson.asked)


@pytest.mark.parametrize("name", ["moon", "mint", "beside"])
@pytest.mark.slow
def test_what_is_saved_loads_as_it_was(name, tmp_path):
    method = learn.METHODS[name]
    lesson = LESSONS[method.teaches]

    def drawn(pipe):
        pipe.set_progress_bar_config(disable=True)
        call = {"num_inference_steps": 2, "generator": torch.manual_seed(0), "output_type": "latent"}
        return pipe(lesson.say(lesson.asked[0]), **call).images

    pipe = demo.load()
    baseline = drawn(pipe)
    learned = learn.ready(pipe, lesson, method)
    generator = torch.Generator().manual_seed(1)
    for weight in learned.parameters():
        if weight.requires_grad:
            weight.data += 0.05 * torch.randn(weight.shape, generator=generator)
    expected = drawn(pipe)
    assert (expected - baseline).abs().max() > 0.01
    method.save(pipe, learned, lesson, tmp_path)
    torch.testing.assert_close(drawn(additions.add(demo.load(), tmp_path)), expected, atol=0.02, rtol=0)
