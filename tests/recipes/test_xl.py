"""The parts of the recipe of the small SDXL that are no long training."""

import pytest
import torch

from faster_diffusion import demo
from recipes.scenes.unet import tokenise
from recipes.training import Plan
from recipes.xl import assemble, unet


@pytest.fixture(scope="module")
def image():
    return demo.load("scenes")


@pytest.fixture(scope="module")
def second():
    return assemble.second_tower()


@pytest.fixture
def parts(image, second):
    return unet.build(image, second).eval()


def test_training_reads_prompts_and_sizes_as_the_pipeline_does(image, parts, second):
    pipe = assemble.pipeline(image, parts, second)
    prompt = ["a red cube", "a small blue ring left of a cone"]
    embeds, none, pooled, pooled_none = pipe.encode_prompt(prompt, device="cpu", num_images_per_prompt=1)
    read, told = unet.states(parts["text"], second, tokenise(prompt))
    torch.testing.assert_close((read, told), (embeds, pooled))
    assert not none.any()
    assert not pooled_none.any()
    ids = pipe._get_add_time_ids((32, 32), (0, 0), (64, 64), torch.float32, second.config.projection_dim)
    assert torch.equal(unet.sizes(torch.tensor([32])).float(), ids)


def test_untrained_it_knows_what_the_scenes_model_knows(image, parts, second):
    tokens = tokenise(["a red cube"])
    layers = image.text_encoder(tokens, output_hidden_states=True).hidden_states
    read, told = unet.states(parts["text"], second, tokens)
    torch.testing.assert_close(read[..., : layers[-1].shape[-1]], layers[-1])

    x, time = torch.randn(1, 4, 16, 16), torch.tensor([500])
    more = {"text_embeds": told, "time_ids": unet.sizes(torch.tensor([64]))}
    with torch.inference_mode():
        expected = image.unet(x, time, layers[-1], return_dict=False)[0]
        torch.testing.assert_close(parts["unet"](x, time, read, added_cond_kwargs=more, return_dict=False)[0], expected)


def test_a_step_of_training_teaches_the_sizes_and_leaves_the_second_tower(image, second, tmp_path, monkeypatch):
    monkeypatch.setattr(unet, "BATCH", 4)
    before = {name: weight.clone() for name, weight in second.state_dict().items()}
    told = unet.Told(torch.randn(6, 4, 16, 16), tokenise(["a red cube"] * 6)[:, None], torch.randn(2, 4, 16, 16))
    fitted = unet.fit(image, second, told, tmp_path, Plan(steps=2, learning_rate=1e-3, warmup=1))
    assert fitted["unet"].add_embedding.linear_2.weight.any()
    assert all(torch.equal(weight, before[name]) for name, weight in second.state_dict().items())
