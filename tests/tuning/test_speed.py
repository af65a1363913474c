"""Seconds of an arm, estimated from what a call is made of."""

import pytest

from faster_diffusion.arms import Arm
from faster_diffusion.tuning.speed import Speed
from specimens import toys

SPEED = Speed(call=1.0, step=0.1, rest=5.0, fractions={"encoder": 0.5})


@pytest.mark.parametrize(
    ("spec", "computed"),
    [
        ("ddim:8", 8),
        ("ddim:8 + 0,4 + output", 2),
        ("ddim:8 + 0,4", 2 + 6 * 0.5),
        ("ddim:8 + all + guidance:0.75", 6 + 2 * 0.5),  # the conditional half alone at the last two
        ("ddim:8 + 0,4 + output + guidance:0.5", 1 + 0.5),
    ],
)
def test_network_calls_are_estimated_by_what_is_computed(spec, computed):
    assert SPEED.estimate(Arm.parse(spec), toys.stable_diffusion(), 50) == pytest.approx(5 + 8 * 0.1 + computed)


def test_where_a_gate_decides_the_network_calls_of_its_images_tell():
    gated = Arm.parse("ddim:8 + 0, + output + forecast:1 + gate:0.1")
    assert SPEED.estimate(gated, toys.stable_diffusion(), 50, [3, 4]) == pytest.approx(5 + 8 * 0.1 + 3.5)
