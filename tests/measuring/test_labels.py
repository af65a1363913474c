"""Names of points in a plot are struck through by nothing."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Text

from faster_diffusion.measuring import labels

POINTS = [(f"some name {n}", n % 4, n // 4 + 0.1 * (n % 4)) for n in range(12)]


@pytest.fixture
def axes():
    return Figure(figsize=(7, 4.5)).add_subplot()


def named(axes, points, lines):
    for line in lines:
        axes.plot(*zip(*line, strict=True))
    axes.plot([x for _, x, _ in points], [y for *_, y in points], "o")
    axes.set_xlim(-1, 5)
    axes.set_ylim(-1, 4)
    labels.name(axes.figure, axes, points, lines, fontsize=8)
    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    axes.figure.draw_without_rendering()
    return {text.get_text(): Text.get_window_extent(text, renderer) for text in axes.texts}


def test_no_name_meets_another_or_a_line_or_leaves_the_plot(axes):
    lines = [[(0, 0), (3, 3)], [(2, -1), (2, 4)]]
    boxes = named(axes, POINTS, lines)
    assert set(boxes) == {name for name, *_ in POINTS}
    drawn = [Path(axes.transData.transform(line)) for line in lines]
    for name, box in boxes.items():
        assert not any(box.overlaps(other) for label, other in boxes.items() if label != name)
        assert not any(line.intersects_bbox(box, False) for line in drawn)
        assert axes.bbox.x0 <= box.x0
        assert box.x1 <= axes.bbox.x1


def test_a_name_without_neighbours_is_beside_its_point(axes):
    (box,) = named(axes, [("alone", 2, 2)], []).values()
    x, y = axes.transData.transform((2, 2))
    assert 0 < box.x0 - x < 20
    assert box.y0 < y < box.y1


def test_in_a_crowd_every_point_has_its_name_all_the_same(axes):
    crowd = [(f"a name of some length {n}", 2, 2 + n / 50) for n in range(40)]
    assert len(named(axes, crowd, [])) == 40
