"""Original and accelerated images beside each other."""

import pytest

import faster_diffusion as fd
from faster_diffusion.cli.options import Acceleration
from faster_diffusion.generation import comparison, requests
from tests.evaluation import tiny


@pytest.mark.parametrize(
    ("acceleration", "how"),
    [
        (Acceleration("paper", True, True), "key steps paper, parallel, prior noise 0.003"),
        (Acceleration("uniform:2", False, False), "key steps uniform:2, sequential, no prior noise"),
    ],
)
def test_the_sheet_says_how_it_was_accelerated_noise_too(acceleration, how):
    pipe, wanted = tiny.pipeline(), requests.requests(["a"], 1, 0)
    both = comparison.compare(pipe, wanted, requests.RequestSettings(3, 3.0), acceleration.config(), batch_size=1)
    assert both.how == how
    assert not fd.is_enabled(pipe)
