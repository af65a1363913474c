"""Every known network can be priced without a pipeline that calls it."""

import pytest

from faster_diffusion.accounting.flops import encoder_flops, stage_flops
from faster_diffusion.models.families import LAYOUTS
from faster_diffusion.models.inputs import network_inputs
from specimens.rows import ROWS

SIDE = {"dit": 8}  # its positions are of one size
NAMES = {  # one for each kind of network
    *("stable-diffusion", "if-stage-2", "xl", "unconditional-ddim", "upscale-x4", "controlnet-xs-xl"),
    *("text-to-video", "animate-diff", "stable-video-diffusion", "image-to-video"),
    *("kandinsky-2.1", "kandinsky-2.2", "kandinsky-2.2-hint", "kandinsky-3", "audio-ldm", "audio-ldm-2"),
    *("dit", "pixart-alpha", "hunyuan-dit"),
}


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in NAMES], ids=lambda row: row.name)
def test_flops_are_counted_of_its_config_alone(row):
    network = row.network(row.pipe())
    side = SIDE.get(row.name, 16)
    flops = stage_flops(network, (), network_inputs(network, 2, side, side, frames=3))
    assert 0 < encoder_flops(network, flops) < sum(flops.values())
    assert all(count > 0 for stage, count in flops.items() if "." in stage)


def test_every_known_network_is_among_them():
    assert {row.name for row in ROWS} >= NAMES
    assert {type(row.network(row.pipe())).__name__ for row in ROWS if row.name in NAMES} == set(LAYOUTS)
