"""Networks that see images, of every kind that can be named, with small random weights."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2Model,
)

from faster_diffusion import demo
from faster_diffusion.evaluation.features import find, load_extractor, load_scorer
from specimens import toys

SIZE = {"shortest_edge": 32}
TINY = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}


def pictures(count=3, size=(40, 40)):
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for _ in range(count)]


def with_processor(model, folder):
    torch.manual_seed(0)
    model.save_pretrained(folder)
    config = {"image_processor_type": "CLIPImageProcessor", "size": SIZE, "crop_size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    text = CLIPTextConfig(**TINY, vocab_size=54, max_position_embeddings=12, bos_token_id=52, eos_token_id=53)
    vision = CLIPVisionConfig(**TINY, image_size=32, patch_size=16)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)
    toys.tokenizer().save_pretrained(folder)
    return with_processor(CLIPModel(config), folder)


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16)
    return with_processor(Dinov2Model(config), tmp_path_factory.mktemp("dino"))


class Means(torch.nn.Module):
    """Mean of each colour, and a class score where features are not asked for, as Inception does."""

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        assert x.dtype == torch.uint8
        means = x.float().mean((2, 3))
        return means if return_features else means.sum(1)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "inception.pt"
    torch.jit.script(Means()).save(str(path))
    return str(path)


def test_the_embedded_clip_sees_without_a_download():
    features = load_extractor("scenes")(pictures(2, (64, 64)))
    assert features.shape == (2, 128)
    assert np.array_equal(features, demo.image_features(pictures(2, (64, 64))).numpy())


def test_a_clip_model_gives_its_image_embeddings(clip):
    assert load_extractor(clip)(pictures()).shape == (3, 8)


def test_a_vision_model_gives_its_pooled_output(dino):
    assert load_extractor(dino)(pictures()).shape == (3, 16)


def test_a_script_is_given_bytes_and_asked_for_features(script):
    images = pictures(2)
    expected = [np.asarray(image, np.float64).mean((0, 1)) for image in images]
    assert load_extractor(script)(images) == pytest.approx(np.stack(expected), abs=1e-3)


def test_features_do_not_depend_on_how_many_images_there_are(dino):
    images = pictures(34)
    assert load_extractor(dino)(images)[33] == pytest.approx(load_extractor(dino)(images[33:])[0], abs=1e-4)


def test_a_score_is_the_cosine_of_the_two_embeddings(clip):
    texts = ["a", "b c", "d"]
    scores = load_scorer(clip)(pictures(), texts)
    model, words = CLIPModel.from_pretrained(clip), CLIPTokenizer.from_pretrained(clip)
    images = torch.from_numpy(load_extractor(clip)(pictures()))
    tokens = words(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        embedded = model.text_projection(model.text_model(tokens.input_ids).pooler_output)
    assert scores == pytest.approx(torch.cosine_similarity(images, embedded).tolist(), abs=1e-5)


def test_the_embedded_scorer_is_the_demo_s():
    images = pictures(2, (64, 64))
    assert load_scorer("scenes")(images, ["a red cube"] * 2) == demo.clip_score(images, "a red cube")


def test_a_network_without_eyes_is_refused(tmp_path):
    CLIPTextModel(CLIPTextConfig(**TINY, vocab_size=54)).save_pretrained(tmp_path)
    with pytest.raises((ValueError, OSError)):
        load_extractor(str(tmp_path))


def test_a_network_without_words_scores_nothing(dino):
    with pytest.raises(ValueError, match="does not compare images with texts"):
        load_scorer(dino)


@pytest.mark.parametrize(("name", "said"), [("gone.pt", "no file"), ("./gone", "no folder"), ("gone", "no folder")])
def test_what_cannot_be_found_is_told_before_anything_is_loaded(name, said):
    assert said in find(name)


def test_what_can_be_found(script, dino):
    assert [find(name) for name in ("scenes", script, dino, "openai/clip-vit-base-patch32")] == [None] * 4
    assert "config.json" in find(str(Path(script).parent))


def test_a_program_that_touches_files_is_not_run(tmp_path):
    escaped = tmp_path / "escaped"

    class Writes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.path = str(escaped)

        def forward(self, images: torch.Tensor):
            torch.save(images, self.path)
            return images.flatten(1).float()

    path = tmp_path / "features.pt"
    torch.jit.script(Writes()).save(str(path))
    torch.jit.load(path)(torch.zeros(1, 1))
    assert escaped.exists()  # where it is trusted
    escaped.unlink()
    with pytest.raises(ValueError, match=r"features.pt was not run: it calls save"):
        load_extractor(str(path), "cpu")
    assert not escaped.exists()


@pytest.mark.parametrize("content", [b"", b"no archive", pickle.dumps(print)])
def test_what_is_no_program_is_told(tmp_path, content):
    (tmp_path / "features.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"features.pt is no TorchScript program that can be read"):
        load_extractor(str(tmp_path / "features.pt"), "cpu")
