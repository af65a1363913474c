"""What is added to predictions: its terms, where it acts, and where it is left out."""

import logging

import pytest
import torch

import faster_diffusion as fd
from faster_diffusion.engine.correction import Terms
from faster_diffusion.options.correction import TERMS, Correction
from specimens import toys
from specimens.rows import ROWS

STEPS = 6
CLOSE = {"rtol": 0, "atol": 1e-4}


def correction(channels=4, guided=True, steps=STEPS, timesteps=None, **weights):
    """The same weights of some terms at every step."""
    return Correction(((*(weights.get(term, 0.0) for term in TERMS),),) * steps, channels, guided, timesteps)


@pytest.fixture(scope="module")
def pipe():
    return toys.stable_diffusion()


def sample(pipe, **call):
    return toys.sample(pipe, **{"num_inference_steps": STEPS, "guidance_scale": 3.0, **call})


def corrected(pipe, made, plan=None, **call):
    with fd.enable(pipe, **{"key_steps": "all", "prior_noise": None, **(plan or {})}, correction=made):
        return sample(pipe, **call)


def test_with_weights_of_zero_the_image_is_bit_exactly_the_untouched_one(pipe):
    assert torch.equal(corrected(pipe, correction()), sample(pipe))


def test_more_of_guidance_is_a_higher_scale(pipe):
    torch.testing.assert_close(corrected(pipe, correction(guidance=2.0)), sample(pipe, guidance_scale=5.0), **CLOSE)


GUIDED = (
    "stable-diffusion",
    "xl",
    "if-stage-1",
    "controlnet",
    "dit",
    "pixart-alpha",
    "kandinsky-2.2",
    "inpaint-9-channels",
)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in GUIDED], ids=lambda row: row.name)
def test_so_it_is_for_networks_that_predict_a_variance_see_a_mask_or_take_the_conditional_half_first(row):
    pipe = row.pipe()
    with fd.enable(
        pipe,
        key_steps="all",
        correction=correction(3 if row.name.startswith("if") else 4, guidance=2.0, steps=row.steps),
    ):
        made = row.sample(pipe, guidance_scale=3.0)
    torch.testing.assert_close(made, row.sample(pipe, guidance_scale=5.0), rtol=0, atol=1e-3)


def test_without_guidance_it_acts_on_the_one_prediction(pipe):
    """A DDIM step with its prediction and a share of that is a step with so much more of it."""
    added = corrected(pipe, correction(guided=False, prediction=0.25), guidance_scale=1.0)
    network = pipe.unet.conv_out.register_forward_hook(lambda module, args, output: 1.25 * output)
    expected = sample(pipe, guidance_scale=1.0)
    network.remove()
    torch.testing.assert_close(added, expected, **CLOSE)


def test_changes_are_those_since_the_step_before():
    generator = torch.Generator().manual_seed(0)
    first, second, seen = (torch.randn((2, 3, 4, 4), generator=generator) for _ in range(3))
    seen = torch.cat([seen[:1]] * 2)
    terms = Terms(channels=2, guided=True, conditional=1)
    assert not terms.at(0, first, seen)[..., 3:].any()
    now = dict(zip(TERMS, terms.at(1, second, seen).unbind(-1), strict=True))
    torch.testing.assert_close(now["prediction"], second[1:, :2])
    torch.testing.assert_close(now["guidance"], second[1:, :2] - second[:1, :2])
    torch.testing.assert_close(now["latent"], seen[1:, :2])
    torch.testing.assert_close(now["change of the prediction"], (second - first)[1:, :2])
    torch.testing.assert_close(now["change of guidance"], ((second - first)[1:] - (second - first)[:1])[:, :2])
    assert not terms.at(5, first, seen)[..., 3:].any()  # another pass


PLANS = [
    {"key_steps": "all"},
    {"key_steps": [0, 1, 4]},
    {"key_steps": [0, 1, 4], "reuse": "output", "forecast": 1},
    {"key_steps": [0, 1, 4], "guidance_until": 0.5},
]
WEIGHTS = {
    "prediction": 0.02,
    "guidance": -0.3,
    "latent": -0.02,
    "change of the prediction": 0.3,
    "change of guidance": 0.2,
}


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_with_any_plan_parallel_equals_sequential_a_batch_its_images_and_a_second_call_the_first(pipe, plan):
    made = {}
    for parallel in (True, False):
        with fd.enable(pipe, **plan, prior_noise=None, parallel=parallel, correction=correction(**WEIGHTS)):
            made[parallel] = sample(pipe, n=2)
            assert torch.equal(sample(pipe, n=2), made[parallel])
            for row in range(2):
                prompt = {name: value[row : row + 1] for name, value in toys.prompt(2).items()}
                torch.testing.assert_close(sample(pipe, seed=3 + row, **prompt), made[parallel][row : row + 1], **CLOSE)
    torch.testing.assert_close(made[True], made[False], **CLOSE)
    assert (made[True] - sample(pipe, n=2)).abs().max() > 0.1


@pytest.mark.parametrize(
    ("made", "call", "reason"),
    [
        (correction(guidance=1.0), {"num_inference_steps": 5}, "fitted for 6 network calls, and this run has 5"),
        (correction(guidance=1.0), {"guidance_scale": 1.0}, "fitted with guidance, and this run is otherwise"),
        (correction(guided=False, prediction=1.0), {}, "fitted without guidance"),
        (correction(guidance=1.0, timesteps=range(6, 0, -1)), {}, "fitted for other timesteps; take the solver"),
    ],
)
def test_a_run_that_it_was_not_fitted_for_is_left_as_it_is_and_says_why(pipe, made, call, reason, caplog):
    with caplog.at_level(logging.WARNING):
        assert torch.equal(corrected(pipe, made, **call), sample(pipe, **call))
    assert [reason in record.message for record in caplog.records] == [True]


def test_it_is_kept_in_a_file_like_all_options():
    for timesteps in (None, (999, 800, 600, 400, 200, 0)):
        config = fd.PropagationConfig("all", correction=correction(**WEIGHTS, timesteps=timesteps))
        assert fd.PropagationConfig.from_dict(config.to_dict()) == config
    assert "0.02" not in repr(config)


def test_other_numbers_of_weights_are_refused():
    with pytest.raises(ValueError, match="5 numbers for every network call"):
        Correction(((1.0, 2.0),), 4, guided=True)
    with pytest.raises(ValueError, match="timesteps has one for every network call"):
        correction(timesteps=(999, 500))
