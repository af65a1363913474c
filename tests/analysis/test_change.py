"""Change from step to step, on features made by hand."""

import gc

import pytest
import torch

from faster_diffusion.analysis.capture import Seen
from faster_diffusion.analysis.change import ChangeMeter


def seen(step, features, role="encoder", name="conv_in", branch=0):
    return Seen(step, 10, branch, role, name, torch.tensor(features))


def test_it_is_the_mean_square_of_the_difference_relative_to_that_of_the_feature():
    meter = ChangeMeter()
    meter(seen(0, [[1.0, 1.0]]))
    meter(seen(1, [[1.0, 3.0]]))
    meter(seen(2, [[1.0, 3.0]]))
    change = meter.result()
    assert change.step_indices == (1, 2)
    assert change.encoder == {"conv_in": (pytest.approx(4 / 10), 0.0)}


def test_rows_calls_and_runs_count_alike():
    meter = ChangeMeter()
    for first, second in (([[1.0], [1.0]], [[2.0], [1.0]]), ([[1.0], [1.0]], [[1.0], [1.0]])):
        for branch in range(2):
            meter(seen(0, first, branch=branch))
            meter(seen(1, second, branch=branch))
    assert meter.result().encoder["conv_in"] == (pytest.approx((1 / 4 + 0 + 0 + 0) / 4),)


def test_only_adjacent_steps_are_compared():
    meter = ChangeMeter()
    for step in (0, 1, 3, 4, 0, 1):  # a run that leaves out a step, and another
        meter(seen(step, [[1.0]]))
    assert meter.result().step_indices == (1, 4)


def test_encoder_and_decoder_are_apart_and_have_a_mean_each():
    meter = ChangeMeter()
    for step, scale in ((0, 1.0), (1, 2.0)):
        meter(seen(step, [[scale]], name="conv_in"))
        meter(seen(step, [[1.0]], name="mid_block"))
        meter(seen(step, [[scale]], "decoder", "up_blocks.0"))
        meter(seen(step, [[scale]], "input", "sample"))
        meter(seen(step, [[scale]], "reused", "up_blocks.0:0"))
    change = meter.result()
    assert (list(change.encoder), list(change.decoder)) == (["conv_in", "mid_block"], ["up_blocks.0"])
    assert change.of_parts == ((1 / 8,), (1 / 4,))


def test_features_that_change_in_place_afterwards_are_remembered_as_they_were():
    meter, features = ChangeMeter(), torch.ones(1, 2)
    meter(Seen(0, 10, 0, "encoder", "conv_in", features))
    features.mul_(2)
    meter(Seen(1, 10, 0, "encoder", "conv_in", features))
    assert meter.result().encoder["conv_in"] == (pytest.approx(1 / 4),)


def test_the_features_of_one_step_are_kept_at_a_time():
    meter, shape = ChangeMeter(), (3, 4099)  # which nothing else has
    for step in range(10):
        meter(Seen(step, 10, 0, "encoder", "conv_in", torch.ones(shape)))
    gc.collect()
    assert sum(isinstance(some, torch.Tensor) and some.shape == shape for some in gc.get_objects()) == 1


def test_a_run_of_one_step_has_no_change():
    meter = ChangeMeter()
    meter(seen(0, [[1.0]]))
    with pytest.raises(ValueError, match="at least two"):
        meter.result()
