"""The ControlNet recipe without its training: conditions, measures, and a network that starts by changing nothing."""

import numpy as np
import pytest
import torch

from faster_diffusion import demo
from faster_diffusion.demo.recognise import coloured
from faster_diffusion.demo.scenes import parse, render

pytest.importorskip("transformers")
cv2 = pytest.importorskip("cv2")
conditions = pytest.importorskip("specimens.conditions")
control = pytest.importorskip("recipes.controlnet.control")
evaluate = pytest.importorskip("recipes.controlnet.evaluate")


def picture(prompt="a large red ring left of a small blue cube on a grey background", seed=0):
    return render(parse(prompt), np.random.default_rng(seed))


def test_edges_lie_where_things_end():
    edges = conditions.canny(picture("a large red sphere on a white background"))
    ball = coloured(picture("a large red sphere on a white background")).astype(np.uint8)
    rim = cv2.dilate(ball, np.ones((3, 3))) - cv2.erode(ball, np.ones((3, 3)))
    assert set(np.unique(edges)) == {0, 255}
    assert evaluate.edge_f1(edges, rim * 255) > 0.6  # the highlight has edges too


def test_a_ring_has_two_outlines_and_a_highlight_none():
    assert len(conditions.outlines(picture("a large red ring on a white background"))) == 2
    assert len(conditions.outlines(picture("a large red sphere on a white background"))) == 1


def test_a_scribble_stays_near_the_outlines_but_is_drawn_anew_each_time():
    shown = picture()
    rng = np.random.default_rng(0)
    first, second = conditions.scribble(shown, rng), conditions.scribble(shown, rng)
    assert first.shape == (64, 64)
    assert (first != second).any()
    assert (first == conditions.scribble(shown, np.random.default_rng(0))).all()
    near = cv2.dilate(coloured(shown).astype(np.uint8), np.ones((9, 9))) > 0
    assert (first[~near] < 128).all()
    assert 0.02 < (first > 128).mean() < 0.3


def test_edges_agree_within_a_pixel_and_no_further():
    edges = conditions.canny(picture())
    assert evaluate.edge_f1(edges, edges) == 1
    assert evaluate.edge_f1(np.roll(edges, 1, 1), edges) > 0.99
    assert evaluate.edge_f1(np.roll(edges, 12, 1), edges) < 0.5
    assert evaluate.edge_f1(np.zeros_like(edges), edges) == 0


def test_overlap_is_intersection_over_union():
    one, two = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    one[:2], two[1:3] = True, True
    assert evaluate.overlap(one, two) == pytest.approx(1 / 3)


def test_an_untrained_network_changes_nothing():
    pipe = demo.load("scenes")
    network = control.build(pipe)
    shown = conditions.as_tensor([conditions.canny(picture())])
    states = torch.randn(1, 32, pipe.unet.config.cross_attention_dim)
    down, middle = network(torch.randn(1, 4, 16, 16), 500, states, shown, return_dict=False)
    assert all((part == 0).all() for part in (*down, middle))
