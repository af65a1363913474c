"""Which stages a step that is not key reuses."""

import pytest

import faster_diffusion as fd
from faster_diffusion.options.reuse import Reuse
from specimens import toys


@pytest.mark.parametrize("text", ["encoder", "decoder:2", "deep:1", "output"])
def test_what_is_written_is_read_back(text):
    assert str(Reuse.parse(text)) == text
    assert Reuse.parse(Reuse.parse(text)) == Reuse.parse(text)


@pytest.mark.parametrize("text", ["", "decoder", "decoder:0", "deep:x", "encoder:1", "everything", 3, None])
def test_what_is_not_understood_is_refused_with_what_is(text):
    with pytest.raises(ValueError, match=r"is not understood. Use 'encoder'"):
        fd.PropagationConfig(reuse=text)


def test_every_stage_is_in_one_part_in_the_order_in_which_they_run():
    unet = toys.unet()
    down, up = [f"down_blocks.{i}" for i in range(4)], [f"up_blocks.{i}" for i in range(4)]
    encoder = ["conv_in", *down, "mid_block"]
    splits = {text: Reuse.parse(text).split(unet) for text in ("encoder", "decoder:1", "deep:1", "deep:3", "output")}
    parts = {text: tuple(map(list, (split.before, split.kept, split.after))) for text, split in splits.items()}
    assert parts == {
        "encoder": ([], encoder, up),
        "decoder:1": ([], [*encoder, "up_blocks.0"], up[1:]),
        "deep:1": (["conv_in", "down_blocks.0"], [*down[1:], "mid_block", *up[:3]], up[3:]),
        "deep:3": (["conv_in", *down[:3]], ["down_blocks.3", "mid_block", "up_blocks.0"], up[1:]),
        "output": ([], [*encoder, *up], []),
    }


def test_layers_of_blocks_are_gone_and_it_is_said_what_to_use():
    with pytest.raises(ValueError, match=r"reuse='layers:2' is gone: .* Use 'output' with a forecast or a gate"):
        fd.PropagationConfig(reuse="layers:2")


def test_more_blocks_than_there_are_are_refused_when_that_is_enabled():
    with pytest.raises(ValueError, match="leaves no block of the decoder of UNet2DConditionModel, which has 4"):
        fd.enable(toys.stable_diffusion(), reuse="decoder:4")
    with pytest.raises(ValueError, match="Use at most 'deep:3'"):
        fd.enable(toys.stable_diffusion(), reuse="deep:4")
