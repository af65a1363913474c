"""Names beside the points of a plot, aside of everything that is drawn there."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians, sin
from typing import Any

Place = tuple[float, float]

_MARGIN = 2  # pixels around a name
_ANGLES = (0, 180, 40, -40, 140, -140, 90, -90)  # where a name may be around its point, in degrees, the best first
_REACHES = (8, 16, 26, 38, 52, 70)  # and how far from it, in points
_LEAD = 16  # points: from this far on a line leads to the point


def name(
    drawing: Any, axes: Any, points: Sequence[tuple[str, float, float]], lines: Sequence[Sequence[Place]], **looks: Any
) -> None:
    """Writes a name beside each point, where it meets no other name, point or line, or else the fewest.

    Args:
        points: names, and where they belong, in the data's units.
        lines: what must not strike a name through, corner by corner, in the data's units.
        looks: of the text, for ``annotate``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.path import Path
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    renderer = FigureCanvasAgg(drawing).get_renderer()
    drawing.draw_without_rendering()  # which settles where the axes are
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in axes.transData.transform([p[1:] for p in points])]
    drawn = [Path(axes.transData.transform(line)) for line in lines if len(line) > 1]
    for label, *point in sorted(points, key=lambda one: -len(one[0])):  # the longest find a place least easily

        def written(away: Place, align: str, label: str = label, point: Sequence[float] = point) -> tuple[Any, Any]:
            far = max(map(abs, away)) >= _LEAD
            lead = {"arrowstyle": "-", "color": looks.get("color", "black"), "linewidth": 0.4} if far else None
            text = axes.annotate(
                *(label, point, away), textcoords="offset points", ha=align, va="center", arrowprops=lead, **looks
            )
            text.update_positions(renderer)
            return text, Bbox(Text.get_window_extent(text, renderer).padded(_MARGIN))  # without the leading line

        best = None
        for place in _places():
            text, box = written(*place)
            text.remove()
            met = sum(map(box.overlaps, taken)) + sum(line.intersects_bbox(box, False) for line in drawn)
            met += 0 if _within(box, axes.bbox) else len(taken) + len(drawn)
            if best is None or met < best[0]:
                best = met, place
            if not met:
                break
        assert best is not None
        taken.append(written(*best[1])[1])


def _places() -> Sequence[tuple[Place, str]]:
    found = []
    for reach in _REACHES:
        for angle in _ANGLES:
            x, y = reach * cos(radians(angle)), reach * sin(radians(angle))
            found.append(((x, y), "center" if abs(x) < 1 else "left" if x > 0 else "right"))
    return found


def _within(inner: Any, outer: Any) -> bool:
    return outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0 and inner.y1 <= outer.y1
