"""A plan can be printed and drawn."""

import pytest

import faster_diffusion as fd
from faster_diffusion.accounting.plan_picture import COLOURS
from specimens import toys

PAPER = """
              0         1
              012345678901
conv_in       ##..#.......
down_blocks.0 ##..#.......
down_blocks.1 ##..#.......
down_blocks.2 ##..#.......
down_blocks.3 ##..#.......
mid_block     ##..#.......
up_blocks.0   ############
up_blocks.1   ############
up_blocks.2   ############
up_blocks.3   ############
""".strip("\n")


@pytest.fixture(scope="module")
def pipe():
    return toys.stable_diffusion()


def test_it_tells_what_is_computed_at_which_step(pipe):
    assert str(fd.enable(pipe, key_steps=[0, 1, 4]).plan(12)) == PAPER


def test_outer_blocks_that_see_the_latent_run_at_every_step(pipe):
    drawing = fd.enable(pipe, key_steps=[0, 2], reuse="deep:1", forecast=1).plan(4)
    rows = dict(zip(drawing.stages, drawing.rows, strict=True))
    assert rows["conv_in"] == rows["down_blocks.0"] == rows["up_blocks.3"] == "####"
    assert rows["down_blocks.1"] == rows["mid_block"] == rows["up_blocks.2"] == "#~#~"


def test_the_picture_has_a_cell_for_each_stage_and_step_in_its_colour(pipe):
    drawing = fd.enable(pipe, key_steps=[0, 2], reuse="output", forecast=1).plan(4)
    image = drawing.picture()
    colours = {colour for _, colour in image.getcolors(100000)}
    assert {COLOURS["#"], COLOURS["~"]} <= colours
    assert COLOURS["."] not in colours
