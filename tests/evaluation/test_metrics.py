"""Metrics that need something beside the images: packages of others, real images, captions of scenes."""

import sys

import numpy as np
import pytest
from PIL import Image

from faster_diffusion import demo
from faster_diffusion.demo.recognise import obeys
from faster_diffusion.evaluation import METRICS, Judges
from faster_diffusion.evaluation.metrics import Study, perceptual
from faster_diffusion.generation.prompts import Prompt, embedded_prompts
from faster_diffusion.measuring import intervals
from faster_diffusion.measuring.store import Store

PROMPTS = embedded_prompts(4)


@pytest.fixture
def study(tmp_path):
    """Real scenes as the images of an arm, of the right captions ("baseline") and of the next ones ("shifted")."""
    store = Store(tmp_path, {"prompts": [p.to_dict() for p in PROMPTS], "arms": {"baseline": "", "shifted": ""}}, 4)
    judges = Judges(features="scenes", clip="scenes")
    material = judges.material(PROMPTS, "cpu", (64, 64))
    drawn = list(material.real.open())
    store.put("baseline", range(4), drawn, {"images": 4})
    store.put("shifted", range(4), drawn[1:] + drawn[:1], {"images": 4})
    return judges.study(material, store, list(METRICS))


def test_prompts_obeyed_are_those_that_the_recogniser_says(study):
    value = METRICS["obeyed"].measure(study, "baseline", None)
    verdicts = [obeys(image, p.text) for image, p in zip(study.store.images("baseline"), PROMPTS, strict=True)]
    assert value.each == tuple(float(v.objects_right and v.relation_right) for v in verdicts)
    assert value.value == 1
    assert value.interval == intervals.proportion(4, 4)
    assert METRICS["obeyed"].measure(study, "shifted", None).value == 0


def test_the_clip_score_is_the_demo_s(study):
    value = METRICS["clip_score"].measure(study, "baseline", None)
    assert value.each == pytest.approx(demo.clip_score(list(study.store.images("baseline")), study.texts))
    assert value.value > METRICS["clip_score"].measure(study, "shifted", None).value + 0.2


def test_rendered_scenes_are_real_to_themselves_and_pairs_do_not_matter_to_a_distribution(study):
    assert METRICS["fid_real"].measure(study, "baseline", None).value == pytest.approx(0, abs=1e-4)
    assert METRICS["fid"].measure(study, "shifted", "baseline").value == pytest.approx(0, abs=1e-4)
    assert METRICS["psnr"].measure(study, "shifted", "baseline").value < 20


def test_likeness_is_of_the_median_error(study):
    value = METRICS["psnr"].measure(study, "shifted", "baseline")
    assert value.value == pytest.approx(10 * np.log10(1 / np.median([10 ** (-each / 10) for each in value.each])))
    assert min(value.each) < value.value < max(value.each)


def test_real_images_of_a_folder_are_cut_to_the_size_of_the_images(tmp_path):
    for number, size in enumerate([(90, 60), (64, 64), (60, 90)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.jpg")
    real = Judges(real=tmp_path).material(PROMPTS, "cpu", (32, 32)).real
    assert real.count == 3
    assert {image.size for image in real.open()} == {(32, 32)}
    assert not real.paired


def test_pictures_of_the_prompts_are_real_images(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "x.png")
    real = Judges().material([Prompt("a cat", 0, tmp_path / "x.png")] * 3, "cpu", (4, 4)).real
    assert real.paired
    assert np.asarray(next(real.open()))[0, 0].tolist() == [255, 0, 0]


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no pictures"):
        Judges(real=tmp_path).material(PROMPTS, "cpu", (4, 4))


LPIPS = """
class LPIPS:
    def __init__(self, net, verbose): assert net == "alex"
    def eval(self): return self
    def to(self, device): return self
    def __call__(self, a, b):
        assert a.shape == b.shape == (1, 3, 64, 64) and a.min() >= -1 and a.max() <= 1 < a.max() - a.min()
        return (a - b).abs().mean().reshape(1, 1, 1, 1)
"""
REWARD = """
def load(name, device):
    class Judge:
        def score(self, prompt, image): return len(prompt) + image.size[0]
    return Judge()
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Stand-ins for packages that need torchvision, which is not there."""
    for name, code in {"lpips": LPIPS, "ImageReward": REWARD, "clip": "", "torchvision": ""}.items():
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("lpips", "ImageReward"):
        sys.modules.pop(name, None)


def test_lpips_is_given_pictures_as_it_expects_them(study, installed):
    assert perceptual.no_lpips(None) is None
    value = METRICS["lpips"].measure(study, "shifted", "baseline")
    assert len(value.each) == 4
    assert 0 < value.value < 2
    assert METRICS["lpips"].measure(study, "baseline", "baseline").value == 0


def test_image_reward_is_asked_of_each_image_and_prompt(study, installed):
    assert perceptual.no_image_reward(None) is None
    value = METRICS["image_reward"].measure(study, "baseline", None)
    assert value.each == tuple(float(len(text) + 64) for text in study.texts)


def test_what_is_not_installed_is_named():
    assert perceptual.no_lpips(None) == "not installed: lpips, torchvision"
    assert "ImageReward" in perceptual.no_image_reward(None)


def test_features_are_seen_once(study):
    assert isinstance(study, Study)
    assert study.features("shifted") is study.features("shifted")
