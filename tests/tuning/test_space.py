"""What is searched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faster_diffusion.arms import Arm
from faster_diffusion.options.forecast import Forecast
from faster_diffusion.tuning import Space
from faster_diffusion.tuning.space import decoded_otherwise, denser_early
from specimens import toys


@given(st.integers(1, 100).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_growing_gaps_are_different_steps_of_the_run(given):
    steps, keys = given
    orders = denser_early(steps, keys)
    assert orders == sorted(set(orders))
    assert (len(orders), orders[0]) == (keys, 0)
    if keys <= steps // 2:
        assert orders[-1] < steps


def test_plans_are_different_arms_that_fit_the_network():
    space = Space()
    placed = {run: {keys: range(keys) for keys in space.budgets(run[1])} for run in space.runs}
    plans = space.plans(toys.unet(), placed)
    assert len(plans) == len(set(plans))
    assert {arm.solver for arm in plans if str(arm.propagation.key_steps) != "all"} == set(space.solvers)
    assert {str(arm.propagation.reuse) for arm in plans} == {"output", *space.reuse}
    damped = {arm.propagation.forecast for arm in plans if str(arm.propagation.reuse) == "output"}
    assert damped == {Forecast(1), Forecast(1, 0.5), Forecast(1, 0.25), Forecast(2)}
    pipe = toys.stable_diffusion()
    assert all(arm.applicable(pipe) is None for arm in plans[::20])


def test_a_run_of_few_steps_may_leave_out_the_unconditional_half_at_its_end():
    space = Space(solvers=("ddim",), plain=(), fewer=(4, 8), guidance=(0.5, 0.75))
    halved = [arm.spec for arm in space.plans(toys.unet(), {}) if arm.propagation.guidance_until is not None]
    assert halved == [f"ddim:{steps} + all + guidance:{share}" for steps in (4, 8) for share in (0.5, 0.75)]


def test_a_network_without_a_part_gets_no_plan_of_it():
    space = Space(reuse=("decoder:3", "decoder:4", "deep:9"))
    assert space.fitting(toys.unet()) == ["decoder:3"]


def test_plans_leave_steps_to_save():
    space = Space(keys=(5, 20), steps=(25,))
    assert space.budgets(25) == [5]


@pytest.mark.parametrize("own", [True, False])
def test_baselines_are_fewer_steps_of_every_solver_and_other_methods(own):
    space = Space(solvers=("ddim",), plain=(), fewer=(4, 8), beside=("ddim:50 + paper",))
    plain = ["steps:4", "steps:8"] if own else []
    assert space.baselines(own) == [Arm.parse(spec) for spec in (*plain, "ddim:4", "ddim:8", "ddim:50 + paper")]


def test_whatever_solvers_are_asked_for_the_strongest_plain_ones_are_baselines_too():
    space = Space(solvers=("euler",), fewer=(8,), beside=())
    assert {"dpm++-karras:8", "unipc-karras:8", "unipc-trailing:8"} < {arm.spec for arm in space.baselines(own=True)}


def test_only_plans_with_something_to_decode_are_decoded_in_several_ways():
    plans = ["ddim:8 + all + guidance:0.75", "ddim:40 + uniform:4 + output", "ddim:40 + uniform:4"]
    told = [arm.spec for arm in decoded_otherwise([Arm.parse(plan) for plan in plans])]
    assert told == [*plans, f"{plans[-1]} + sequential", f"{plans[-1]} + parallel:4"]


def test_gates_place_the_key_steps_of_the_longest_runs():
    space = Space(solvers=("ddim", "dpm++"), steps=(25, 50), gates=(0.1,))
    gated = [arm.spec for arm in space.plans(toys.unet(), {}) if arm.gated]
    assert gated == [f"{solver}:50 + 0, + output + forecast:1 + gate:0.1" for solver in ("ddim", "dpm++")]
