"""Original and accelerated images beside each other."""

import pytest

import faster_diffusion as fd
from faster_diffusion.cli import comparison, sampling
from faster_diffusion.cli.options import Acceleration
from tests.evaluation import tiny


@pytest.mark.parametrize(
    ("acceleration", "how"),
    [
        (Acceleration("paper", True, True), "key steps paper, parallel, prior noise 0.003"),
        (Acceleration("uniform:2", False, False), "key steps uniform:2, sequential, no prior noise"),
    ],
)
def test_the_sheet_says_how_it_was_accelerated_noise_too(acceleration, how):
    pipe, wanted = tiny.pipeline(), sampling.requests(["a"], 1, 0)
    both = comparison.compare(pipe, wanted, sampling.Settings(3, 3.0), acceleration, batch_size=1)
    assert both.how == how
    assert not fd.is_enabled(pipe)
