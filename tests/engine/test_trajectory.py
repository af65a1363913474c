"""A network call's step is found by the place of its timestep in the scheduler's tensor."""

import pytest
import torch

from faster_diffusion.engine.trajectory import Trajectory

REPEATING = torch.tensor([901.0, 701.0, 701.0, 501.0, 501.0, 301.0])


def test_a_loop_over_the_timesteps_is_followed_although_they_repeat():
    trajectory = Trajectory(REPEATING)
    assert [trajectory.step_of(t) for t in REPEATING] == [0, 1, 2, 3, 4, 5]


def test_a_loop_that_starts_in_the_middle_counts_from_the_first_step():
    trajectory = Trajectory(REPEATING)
    assert [trajectory.step_of(t) for t in REPEATING[2:]] == [2, 3, 4, 5]


def test_timesteps_that_are_a_view_themselves_are_counted_from_their_own_start():
    view = torch.arange(20).flip(0).repeat_interleave(2)[4::2]
    trajectory = Trajectory(view)
    assert [trajectory.step_of(t) for t in view] == list(range(len(view)))


def test_a_timestep_expanded_over_the_batch_keeps_its_place():
    assert Trajectory(REPEATING).step_of(REPEATING[2].expand(3)) == 2


@pytest.mark.parametrize("t", [901, 901.0, torch.tensor(901.0), torch.tensor([901, 901])])
def test_a_value_that_occurs_once_tells_the_step(t):
    assert Trajectory(REPEATING).step_of(t) == 0


@pytest.mark.parametrize("t", [701, torch.tensor(501.0), 5, torch.tensor([901, 301])])
def test_a_value_that_repeats_or_is_unknown_or_differs_in_the_batch_does_not(t):
    assert Trajectory(REPEATING).step_of(t) is None


def test_what_the_network_is_given_instead_of_timesteps_tells_the_step_too():
    trajectory = Trajectory(REPEATING, torch.tensor([0.6, 0.5, 0.4, 0.3, 0.2, 0.1]))
    assert [trajectory.step_of(t) for t in trajectory.inputs] == [0, 1, 2, 3, 4, 5]
    assert [trajectory.step_of(t) for t in REPEATING] == [0, 1, 2, 3, 4, 5]


def test_a_scheduler_set_anew_makes_another_trajectory():
    trajectory = Trajectory(REPEATING)
    assert trajectory.is_of(REPEATING)
    assert trajectory.is_of(REPEATING[:])
    assert not trajectory.is_of(REPEATING.clone())
    assert not trajectory.is_of(REPEATING[1:])
