"""Kept features are valid as long as the conditioning of the calls stays the same."""

import pytest
import torch

from faster_diffusion.engine.conditions import Conditions


def test_the_same_objects_hold():
    tree = {"text": torch.ones(2, 3), "kwargs": {"scale": 0.8}, "none": None}
    assert Conditions(tree).still_hold(tree)


def test_rebuilt_tensors_of_equal_content_hold():
    conditions = Conditions({"text": torch.ones(2, 3)})
    assert conditions.still_hold({"text": torch.ones(2, 3)})


@pytest.mark.parametrize(
    "other",
    [
        {"text": torch.zeros(2, 3), "scale": 0.8},
        {"text": torch.ones(1, 3), "scale": 0.8},
        {"text": torch.ones(2, 3, dtype=torch.float64), "scale": 0.8},
        {"text": torch.ones(2, 3), "scale": 0.5},
        {"text": torch.ones(2, 3)},
        {"text": torch.ones(2, 3), "strength": 0.8},
        {"text": None, "scale": 0.8},
    ],
)
def test_another_value_shape_type_or_name_does_not_hold(other):
    assert not Conditions({"text": torch.ones(2, 3), "scale": 0.8}).still_hold(other)


def test_a_change_in_place_is_seen():
    tree = {"text": torch.ones(2, 3)}
    conditions = Conditions(tree)
    tree["text"].mul_(2)
    assert not conditions.still_hold(tree)


def test_a_change_in_place_is_seen_in_inference_mode():
    with torch.inference_mode():
        tree = {"text": torch.ones(2, 3)}
        conditions = Conditions(tree)
        assert conditions.still_hold(tree)
        tree["text"].mul_(2)
        assert not conditions.still_hold(tree)
