"""Original and accelerated images beside each other."""

import pytest

import faster_diffusion as fd
from faster_diffusion.arms import Arm
from faster_diffusion.cli.options import Acceleration
from faster_diffusion.generation import comparison
from faster_diffusion.generation.prompts import Prompt
from faster_diffusion.generation.sampling import Settings
from tests.evaluation import tiny


@pytest.mark.parametrize(
    ("acceleration", "how"),
    [
        (Acceleration("paper", True, True), "key steps paper, parallel, prior noise 0.003"),
        (Acceleration("uniform:2", False, False), "key steps uniform:2, sequential, no prior noise"),
    ],
)
def test_the_sheet_says_how_it_was_accelerated_noise_too(acceleration, how):
    pipe, way = tiny.pipeline(), Arm(propagation=acceleration.config())
    both = comparison.compare(pipe, way, [Prompt("a", 0)], Settings((3,), 3.0))
    assert both.how == how
    assert not fd.is_enabled(pipe)
