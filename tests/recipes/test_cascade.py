"""The parts of the recipe of the cascade that are no training."""

from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from faster_diffusion.demo.scenes import caption, parse
from recipes.cascade import reading, stages, text, training
from recipes.cascade.variance import variance_bound
from recipes.scenes.data import make_pool

pytestmark = pytest.mark.slow

transformers = pytest.importorskip("transformers")


def test_each_word_of_a_caption_is_one_token():
    words = text.tokenizer()
    for scene in make_pool(50).scenes:
        said = caption(scene)
        assert [piece.removeprefix("▁") for piece in words.tokenize(said)] == said.split()


def test_other_words_fall_into_letters():
    assert text.tokenizer().tokenize("a cat") == ["▁a", "▁", "c", "a", "t"]


def test_the_saved_tokenizer_loads_as_stock(tmp_path):
    text.tokenizer().save_pretrained(tmp_path)
    loaded = transformers.T5Tokenizer.from_pretrained(tmp_path)
    assert loaded("a red cube").input_ids == text.tokenizer()("a red cube").input_ids
    assert loaded.model_max_length == text.LENGTH
    assert (loaded.pad_token_id, loaded.eos_token_id, loaded.unk_token_id) == (0, 1, 2)  # those of T5


def test_padding_does_not_change_the_words():
    encoder = text.encoder().eval()
    short = text.tokenizer()("a red cube", return_tensors="pt").input_ids
    padded = text.tokenise(["a red cube"])
    torch.testing.assert_close(text.states(encoder, padded)[:, : short.shape[1]], text.states(encoder, short))


def test_what_a_caption_leaves_open_has_an_answer_of_its_own():
    assert reading.answers(parse("a large red cone on a beige background")) == [2, 1, 3, 4]
    assert reading.answers(parse("a pink sphere")) == [0, 8, 1, 0]


def test_an_encoder_learns_to_read(tmp_path):
    """Three captions, in a few steps: each state says all that its caption says, padding too."""
    scenes = [parse(said) for said in ("a red cube", "a small blue ring", "a green cone on a grey background")]
    plan = replace(reading.PLAN, steps=40, warmup=5)
    encoder = reading.fit(scenes, tmp_path, plan)
    states = text.states(encoder, text.tokenise([caption(scene) for scene in scenes]))
    apart = torch.cdist(states.mean(1), states.mean(1))[0, 1:].min()
    assert states.std(1).mean() * states.shape[-1] ** 0.5 < apart  # all states of a caption are alike, captions are not
    assert torch.equal(
        text.states(reading.load(tmp_path), text.tokenise([""])), text.states(encoder, text.tokenise([""]))
    )


SCHEDULER = stages.scheduler()
BETAS = SCHEDULER.betas


@pytest.mark.parametrize("time", [1, 300, 999])
def test_the_bound_is_the_divergence_of_two_gaussian_steps(time):
    """Of the step that the scheduler takes with the network's output from the step that knows the sample."""
    torch.manual_seed(time)
    x, noise, error, fraction = torch.randn(4, 1, 3, 4, 4)
    times = torch.tensor([time])
    alphas = SCHEDULER.alphas_cumprod
    seen = alphas[time].sqrt() * x + (1 - alphas[time]).sqrt() * noise

    def mean(guess):
        """Eq. 7 of Ho et al. (2020), from the noise."""
        return (seen - BETAS[time] / (1 - alphas[time]).sqrt() * guess) / (1 - BETAS[time]).sqrt()

    posterior = BETAS[time] * (1 - alphas[time - 1]) / (1 - alphas[time])
    log_variance = SCHEDULER._get_variance(time, predicted_variance=fraction)
    wanted = kl_divergence(Normal(mean(noise), posterior.sqrt()), Normal(mean(noise + error), (log_variance / 2).exp()))
    torch.testing.assert_close(variance_bound(fraction, error, times, BETAS), wanted.mean(), rtol=1e-2, atol=1e-4)


def test_with_the_noise_known_the_smallest_variance_is_best():
    error, times = torch.zeros(1, 3, 4, 4), torch.tensor([400])
    bounds = [variance_bound(torch.full_like(error, level), error, times, BETAS) for level in (-1.0, 0.0, 1.0)]
    assert bounds[0].item() == pytest.approx(0, abs=1e-7)
    assert bounds[0] < bounds[1] < bounds[2]


def test_the_variance_alone_learns_from_the_bound():
    guess = torch.randn(1, 3, 4, 4, requires_grad=True)
    fraction = torch.zeros(1, 3, 4, 4, requires_grad=True)
    variance_bound(fraction, guess, torch.tensor([300]), BETAS).backward()
    assert guess.grad is None
    assert fraction.grad.abs().sum() > 0


def test_the_last_step_which_adds_no_noise_asks_for_no_variance():
    assert variance_bound(torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4), torch.tensor([0]), BETAS) == 0


def test_a_batch_goes_with_its_captions_some_of_them_dropped():
    told = training.tell(make_pool(5, things=1), variants=2)
    x, said = training.draw(told, 200, torch.Generator().manual_seed(0))
    assert x.shape == (200, 3, 64, 64)
    assert x.min() >= -1
    assert x.max() <= 1
    empty = (said == text.tokenise([""])[0]).all(1)
    assert 5 <= empty.sum() <= 40  # a tenth
    known = {tuple(row.tolist()) for row in told.tokens.flatten(0, 1)}
    assert all(tuple(row.tolist()) in known for row in said[~empty])
