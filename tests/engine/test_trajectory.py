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


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_timesteps_in_the_precision_of_the_latents_tell_the_step(precision):
    timesteps = torch.arange(981, 0, -20)
    trajectory = Trajectory(timesteps)
    assert [trajectory.step_of(t[None].to(precision)) for t in timesteps] == list(range(len(timesteps)))


def test_what_may_be_several_steps_is_the_one_that_the_scheduler_takes_next():
    timesteps = torch.tensor([901, 900, 890, 300])
    trajectory, rounded = Trajectory(timesteps), torch.tensor([900], dtype=torch.bfloat16)
    assert trajectory.step_of(rounded) is None
    assert [trajectory.step_of(rounded, upcoming=step) for step in range(4)] == [0, 1, None, None]
    assert [Trajectory(REPEATING).step_of(701.0, upcoming=step) for step in range(4)] == [None, 1, 2, None]


def test_what_was_rounded_on_the_way_is_a_step_only_if_the_scheduler_says_so():
    trajectory = Trajectory(torch.tensor([901, 701, 501]))
    there_and_back = torch.tensor([901.0]).bfloat16().float()  # 900
    assert trajectory.step_of(there_and_back) is None
    assert trajectory.step_of(there_and_back, upcoming=0) == 0
    assert trajectory.step_of(there_and_back, upcoming=1) is None
    assert Trajectory(torch.tensor([901, 900, 501])).step_of(there_and_back, upcoming=0) is None  # may be either


def test_a_part_of_the_storage_that_the_loop_does_not_go_through_is_no_step():
    every = torch.arange(20)
    trajectory = Trajectory(every[10::2])
    assert [trajectory.step_of(t) for t in every[[4, 11, 19]]] == [None] * 3
    assert [trajectory.step_of(t) for t in every[8:13]] == [None, None, 0, None, 1]


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
