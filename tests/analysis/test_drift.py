"""Drift from every step to every later one, and the projection that makes it small."""

import numpy as np
import pytest
import torch

from faster_diffusion.analysis.capture import Seen
from faster_diffusion.analysis.drift import DriftMeter, Projection


def meter_of(*runs, width=64):
    """Each run as features by step, of one tensor."""
    meter = DriftMeter(width)
    for run in runs:
        for step, features in enumerate(run):
            meter(Seen(step, len(run), 0, "reused", "up_blocks.0:0", features))
        meter.end_run()
    return meter


def test_it_is_the_relative_mean_square_from_key_step_to_later_step():
    run = [torch.tensor([[value, 1.0]]) for value in (1.0, 2.0, 4.0)]
    expected = [[0, 1 / 5, 9 / 17], [0, 0, 4 / 17], [0, 0, 0]]
    np.testing.assert_allclose(meter_of(run).result().matrix, expected)


STILL, MOVING = [torch.ones(1, 2)] * 2, [torch.ones(1, 2), 2 * torch.ones(1, 2)]


def test_it_is_the_mean_over_runs():
    assert meter_of(STILL, MOVING).result().matrix[0, 1] == pytest.approx(1 / 8)


def test_a_tensor_counts_by_its_size():
    meter = DriftMeter()
    for name, run in (("a", [features.repeat(1, 3) for features in STILL]), ("b", MOVING)):
        for step, features in enumerate(run):
            meter(Seen(step, 2, 0, "reused", name, features))
    meter.end_run()
    assert meter.result().matrix[0, 1] == pytest.approx(1 / 16)


def test_it_knows_the_orders_of_a_run_that_starts_in_the_middle():
    meter = DriftMeter()
    for step in (3, 4, 5):
        meter(Seen(step, 6, 0, "reused", "up_blocks.0:0", torch.ones(1, 2)))
    meter.end_run()
    assert meter.result().step_indices == (3, 4, 5)


def test_runs_of_different_steps_have_no_mean():
    with pytest.raises(ValueError, match="different steps"):
        meter_of([torch.ones(1, 2)] * 2, [torch.ones(1, 2)] * 3)


@pytest.mark.parametrize("kind", ["noise", "one channel of thirty-two"])
def test_projected_features_have_nearly_the_distances_of_the_features(kind):
    generator = torch.Generator().manual_seed(0)
    run = [torch.randn(8, 32, 16, 16, generator=generator) for _ in range(6)]
    if kind != "noise":
        for features in run:
            features[:, 1:] *= 0.01
    exact, projected = (meter_of(run, width=width).result().matrix for width in (32 * 16 * 16, 1024))
    pairs = np.triu_indices(6, 1)
    np.testing.assert_allclose(projected[pairs], exact[pairs], rtol=0.1)
    assert projected[pairs].mean() == pytest.approx(exact[pairs].mean(), rel=0.02)


def test_projection_is_linear_the_same_each_time_and_leaves_short_rows_alone():
    rows = torch.randn(2, 5000, generator=torch.Generator().manual_seed(0))
    project = Projection(64)
    assert project(rows).shape == (2, 64)
    torch.testing.assert_close(project(rows[:1] - rows[1:]), project(rows[:1]) - project(rows[1:]))
    assert torch.equal(Projection(64)(rows), project(rows))
    assert torch.equal(project(rows[:, :64]), rows[:, :64])
