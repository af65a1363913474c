"""The parts of the recipe of the small SDXL that are no long training."""

import pytest
import torch

from faster_diffusion import demo
from recipes.scenes.unet import tokenise
from recipes.training import TrainingPlan
from recipes.xl import assemble, towers, unet


@pytest.fixture(scope="module")
def image():
    return demo.load("scenes")


@pytest.fixture(scope="module")
def both(image):
    return towers.make(image)


@pytest.fixture
def untrained(image, both):
    return unet.build(image, both).eval()


def test_training_reads_prompts_and_sizes_as_the_pipeline_does(image, both, untrained):
    pipe = assemble.pipeline(image, both, untrained)
    prompt = ["a red cube", "a small blue ring left of a cone"]
    embeds, none, pooled, pooled_none = pipe.encode_prompt(prompt, device="cpu", num_images_per_prompt=1)
    torch.testing.assert_close(both.read(tokenise(prompt)), (embeds, pooled))
    assert not none.any()
    assert not pooled_none.any()
    ids = pipe._get_add_time_ids((32, 32), (0, 0), (64, 64), torch.float32, both.second.config.projection_dim)
    assert torch.equal(unet.sizes(torch.tensor([32])).float(), ids)


def test_the_towers_say_what_they_said_in_states_of_unit_spread(image, both):
    tokens = tokenise(["a large red cube above a cyan cone"])
    known = image.text_encoder(tokens, output_hidden_states=True).hidden_states[-1]
    read = both.read(tokens)[0][..., : known.shape[-1]]
    assert torch.cosine_similarity(read, known, dim=-1).min() > 0.9999
    assert 0.5 < read.std(-1).median() < 2 < known.std(-1).median()


def test_what_is_new_changes_nothing_before_it_has_learned(both, untrained):
    states, whole = both.read(tokenise(["a red cube"]))
    x, time = torch.randn(1, 4, 16, 16), torch.tensor([500])

    def guess(states, whole, side):
        more = {"text_embeds": whole, "time_ids": unet.sizes(torch.tensor([side]))}
        with torch.inference_mode():
            return untrained(x, time, states, added_cond_kwargs=more, return_dict=False)[0]

    before = guess(states, whole, 64)
    assert torch.equal(guess(states, 2 * whole, 32), before)
    own = both.first.config.hidden_size
    torch.testing.assert_close(guess(torch.cat([states[..., :own], -states[..., own:]], -1), whole, 64), before)
    assert not torch.equal(guess(-states, whole, 64), before)
    for part in untrained.modules():
        if hasattr(part, "transformer_blocks"):
            del part.transformer_blocks[1:]
    assert torch.equal(guess(states, whole, 64), before)


@pytest.mark.slow
def test_a_step_of_training_teaches_the_sizes(image, both, tmp_path, monkeypatch):
    monkeypatch.setattr(unet, "BATCH", 4)
    told = unet.Told(torch.randn(6, 4, 16, 16), tokenise(["a red cube"] * 6)[:, None], torch.randn(2, 4, 16, 16))
    fitted = unet.fit(image, both, told, tmp_path, TrainingPlan(steps=2, learning_rate=1e-3, warmup=1))
    assert fitted.add_embedding.linear_2.weight.any()
