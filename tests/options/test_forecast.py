"""A forecast is the polynomial through the last key steps, or a share of it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faster_diffusion.engine.history import History
from faster_diffusion.options.forecast import Forecast

keys_and_step = st.lists(st.integers(0, 60), min_size=1, max_size=4, unique=True).map(sorted)


@given(keys_and_step, st.integers(0, 20), st.floats(0, 1))
def test_weights_sum_to_one(keys, ahead, damping):
    assert sum(Forecast(3, damping).weights(keys, keys[-1] + ahead)) == pytest.approx(1, abs=1e-6)


@given(keys_and_step, st.integers(1, 20), st.lists(st.integers(-3, 3), min_size=4, max_size=4))
def test_a_polynomial_of_its_degree_is_forecast_exactly(keys, ahead, coefficients):
    def value(order):
        return sum(c * order**power for power, c in enumerate(coefficients[: len(keys)]))

    at = keys[-1] + ahead
    weights = Forecast(len(keys) - 1).weights(keys, at) if len(keys) > 1 else Forecast(0).weights(keys, at)
    assert sum(w * value(key) for w, key in zip(weights, keys, strict=True)) == pytest.approx(value(at), abs=1e-3)


def test_without_damping_left_it_is_a_copy_of_the_last_key_step():
    assert Forecast(2, damping=0).weights([0, 3, 7], 9) == [0, 0, 1]


def test_a_key_step_is_itself_to_the_last_bit():
    history = History(Forecast(2))
    values = [torch.randn(2, 3) for _ in range(3)]
    for order, value in zip((0, 4, 5), values, strict=True):
        history.add(order, value)
    assert torch.equal(history.at([5]), values[-1])


def test_several_steps_of_nested_tensors_come_one_after_another():
    history = History(Forecast(1))
    for order in (0, 2, 4):
        history.add(order, {"block": (torch.full((2, 1), float(order)), [torch.full((1,), -float(order))])})
    first, (second,) = history.at([4, 5, 7], "block")
    assert first.flatten().tolist() == [4, 4, 5, 5, 7, 7]
    assert second.tolist() == [-4, -5, -7]


def test_only_as_many_key_steps_are_kept_as_the_degree_needs():
    history = History(Forecast(1))
    for order in range(5):
        history.add(order, torch.zeros(1))
    assert len(history.values) == 2


def test_a_step_that_is_not_later_than_the_last_begins_anew():
    history = History(Forecast(1))
    for order, value in ((0, 5.0), (7, 6.0), (0, 1.0), (0, 2.0)):
        history.add(order, torch.tensor([value]))
    assert history.at([3]).tolist() == [2.0]


@pytest.mark.parametrize("arguments", [{"order": -1}, {"order": 4}, {"damping": 1.5}, {"damping": -0.1}])
def test_what_makes_no_sense_is_refused(arguments):
    with pytest.raises(ValueError, match=r"Forecast\."):
        Forecast(**arguments)
