"""How plans stand against fewer steps."""

import pytest

from faster_diffusion.tuning.levels import level, reach
from faster_diffusion.tuning.report import gain
from faster_diffusion.tuning.results import FEWER_STEPS, OTHER, PLAN, Figure, Point


def point(arm, kind, psnr, seconds):
    time = Figure(seconds, None)
    return Point(arm, kind, Figure(psnr, None), None, None, time, time, seconds)


def test_a_curve_is_read_between_its_points():
    curve = [(20.0, [1.0, 2.0]), (30.0, [2.0, 4.0]), (40.0, [4.0, 8.0])]
    assert reach(35, curve) == pytest.approx([8**0.5, 32**0.5])
    assert reach(30, curve) == pytest.approx([2.0, 4.0])


def test_below_its_first_point_a_curve_costs_what_that_does_and_above_its_last_it_has_nothing():
    curve = [(20.0, [1.0]), (30.0, [2.0])]
    assert reach(10, curve) == [1.0]
    assert reach(31, curve) is None
    assert reach(10, []) is None


POINTS = [
    point("plan", PLAN, 36.0, 1.0),
    point("slow plan", PLAN, 40.0, 5.0),
    point("a:4", FEWER_STEPS, 30.0, 1.0),
    point("a:8", FEWER_STEPS, 40.0, 4.0),
    point("paper", OTHER, 37.0, 3.0),
]
TIMES = {"plan": [1.0, 1.0], "slow plan": [5.0, 5.0], "a:4": [1.0, 1.0], "a:8": [4.0, 4.0], "paper": [3.0, 3.0]}


def test_the_fastest_plan_is_set_against_the_fastest_curve_and_the_fastest_other():
    found = level(35.0, POINTS, {"a": ["a:4", "a:8"]}, TIMES)
    assert (found.plan, found.fewer, found.other) == ("plan", "a", "paper")
    assert found.gain.value == pytest.approx(2.0)
    assert found.gain_over_other.value == pytest.approx(3.0)


def test_where_a_plan_is_slower_its_gain_is_below_one_and_where_there_is_none_there_is_no_gain():
    assert level(40.0, POINTS, {"a": ["a:4", "a:8"]}, TIMES).gain.value == pytest.approx(0.8)
    nothing = level(45.0, POINTS, {"a": ["a:4", "a:8"]}, TIMES)
    assert (nothing.plan, nothing.gain, nothing.falls_short) == (None, None, True)
    assert gain(nothing) == "–"


def test_where_no_curve_comes_so_far_a_plan_gains_more_than_over_the_fastest_of_their_longest_runs():
    short = [p for p in POINTS if p.arm != "a:8"] + [point("b:3", FEWER_STEPS, 31.0, 2.0)]
    found = level(40.0, short, {"a": ["a:4"], "b": ["b:3"]}, {**TIMES, "b:3": [2.0, 2.0]})
    assert (found.plan, found.fewer, found.falls_short) == ("slow plan", "a", True)
    assert gain(found) == "> 0.20×"  # two rounds are too few for an interval
    assert not level(35.0, POINTS, {"a": ["a:4", "a:8"]}, TIMES).falls_short
