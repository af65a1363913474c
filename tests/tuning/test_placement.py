"""Where key steps are best."""

import itertools

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EDMEulerScheduler

from faster_diffusion.models import schedulers
from faster_diffusion.options.forecast import Forecast
from faster_diffusion.tuning.placement import influences, inner_products, least_moving_keys, recorded
from specimens import toys


def by_hand(predictions, influence, keys):
    """How far the image moves, segment by segment, with the engine's own forecast."""
    total = 0.0
    for number, key in enumerate(keys):
        until = keys[number + 1] if number + 1 < len(keys) else len(predictions)
        points = keys[max(0, number - 1) : number + 1]
        error = np.zeros(predictions.shape[1])
        for order in range(key + 1, until):
            weights = Forecast(1).weights(points, order)
            guess = sum(weight * predictions[point] for weight, point in zip(weights, points, strict=True))
            error += influence[order] * (predictions[order] - guess)
        total += float(np.sqrt(np.mean(error**2)))
    return total


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("keys", [1, 2, 4])
def test_no_other_key_steps_move_the_image_less(seed, keys):
    rng = np.random.default_rng(seed)
    predictions, influence = rng.normal(size=(8, 5)).cumsum(axis=0), rng.uniform(0.1, 1, 8)
    gram = inner_products([torch.from_numpy(row) for row in predictions])
    found = least_moving_keys(gram, influence, [keys])[keys]
    assert len(found) == keys
    assert found[0] == 0
    every = [(0, *rest) for rest in itertools.combinations(range(1, 8), keys - 1)]
    least = min(by_hand(predictions, influence, each) for each in every)
    assert by_hand(predictions, influence, found) == pytest.approx(least)


def test_where_predictions_turn_is_where_key_steps_are():
    line = np.concatenate([np.arange(10), 9 - 5 * np.arange(1, 11)])
    gram = inner_products([torch.tensor([float(value), 1.0]) for value in line])
    found = least_moving_keys(gram, np.ones(20), [4])[4]
    assert {9, 10} & set(found)


@pytest.mark.parametrize("solver", ["ddim", "ddim-trailing", "dpm++-trailing", "unipc-trailing", "euler"])
def test_influences_are_the_steps_of_the_noise_to_signal_ratio_and_add_up_to_all_of_it(solver):
    scheduler = schedulers.make(solver, DDIMScheduler(**toys.SCHEDULER).config)
    scheduler.set_timesteps(10)
    influence = influences(scheduler)
    first = float(scheduler.alphas_cumprod[round(float(scheduler.timesteps[0]))])
    assert (influence > 0).all()
    assert influence.sum() == pytest.approx(((1 - first) / first) ** 0.5, rel=1e-3)


def test_an_error_of_the_prediction_moves_ddim_s_image_as_its_influence_says():
    scheduler = DDIMScheduler(**{**toys.SCHEDULER, "set_alpha_to_one": True})
    scheduler.set_timesteps(6)
    moved = []
    for wrong in range(-1, 6):
        x = torch.zeros(1)
        for order, t in enumerate(scheduler.timesteps):
            x = scheduler.step(torch.tensor([1.0 if order == wrong else 0.0]), t, x).prev_sample
        moved.append(float(x))
    assert np.abs(moved[1:]) == pytest.approx(influences(scheduler), rel=0.05)


@pytest.mark.parametrize("kind", ["v_prediction", "sample"])
def test_an_error_of_another_prediction_counts_as_the_error_of_noise_that_it_makes(kind):
    scheduler = DDIMScheduler(**toys.SCHEDULER)
    scheduler.set_timesteps(10)
    of_noise = influences(scheduler)
    alpha = scheduler.alphas_cumprod[scheduler.timesteps].double().sqrt().numpy()
    factor = {"v_prediction": alpha, "sample": alpha / (1 - alpha**2) ** 0.5}[kind]
    scheduler.register_to_config(prediction_type=kind)
    assert influences(scheduler) == pytest.approx(factor * of_noise)


@pytest.mark.parametrize("kind", ["v_prediction", "sample"])
def test_a_prediction_from_noise_alone_counts_for_all_that_it_says(kind):
    """With no signal left (zero terminal SNR), where an error of noise would count for ever."""
    config = {**toys.SCHEDULER, "prediction_type": kind, "timestep_spacing": "trailing"}
    scheduler = DDIMScheduler(**config, rescale_betas_zero_snr=True)
    scheduler.set_timesteps(10)
    assert scheduler.alphas_cumprod[scheduler.timesteps[0]] == 0
    influence = influences(scheduler)
    assert influence[0] == 1
    assert (influence > 0).all()


def test_a_noise_schedule_of_another_kind_is_refused():
    scheduler = EDMEulerScheduler()
    scheduler.set_timesteps(4)
    with pytest.raises(ValueError, match="EDMEulerScheduler has no alphas_cumprod"):
        influences(scheduler)


def test_recording_changes_no_image_and_keeps_guided_predictions():
    pipe = toys.stable_diffusion()
    baseline = toys.sample(pipe)
    with recorded(pipe.scheduler) as predictions:
        assert torch.equal(toys.sample(pipe), baseline)
    assert [prediction.shape for prediction in predictions] == [(1, 4, 16, 16)] * 10
