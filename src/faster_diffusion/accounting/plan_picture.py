"""A plan as people see it: which stage runs at which step."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw
from torch import nn

from ..options.config import PropagationConfig

COMPUTED, COPIED, FORECAST = "#", ".", "~"
COLOURS = {COMPUTED: (40, 75, 160), COPIED: (225, 228, 235), FORECAST: (250, 190, 90)}
_CELL = 12  # pixels


@dataclass(frozen=True)
class Drawing:
    """Rows of stages over columns of sampling steps: ``#`` computed, ``.`` kept from a key step, ``~`` forecast.

    ``print(drawing)`` shows it in a terminal, ``drawing.picture()`` as an image. Steps that a gate makes key, or a
    change of conditions, are known while sampling only and not in it.
    """

    stages: tuple[str, ...]  # in the order in which they run
    rows: tuple[str, ...]  # of each stage: a character for every step

    def __str__(self) -> str:
        width = max(map(len, self.stages))
        steps = len(self.rows[0])
        tens = "".join(str(step // 10 % 10) if step % 10 == 0 else " " for step in range(steps))
        ones = "".join(str(step % 10) for step in range(steps))
        lines = zip(("", "", *self.stages), (tens, ones, *self.rows), strict=True)
        return "\n".join(f"{name:{width}} {row}".rstrip() for name, row in lines)

    def picture(self) -> Image.Image:
        """The same in colours: blue is computed, grey kept, orange forecast."""
        margin = 8 * max(map(len, self.stages))
        image = Image.new("RGB", (margin + _CELL * len(self.rows[0]), _CELL * (len(self.rows) + 1)), "white")
        draw = ImageDraw.Draw(image)
        for step in range(0, len(self.rows[0]), 5):
            draw.text((margin + _CELL * step, 0), str(step), fill="black")
        for y, (stage, row) in enumerate(zip(self.stages, self.rows, strict=True), start=1):
            draw.text((2, _CELL * y), stage, fill="black")
            for x, what in enumerate(row):
                left, top = margin + _CELL * x, _CELL * y
                draw.rectangle((left, top, left + _CELL - 2, top + _CELL - 2), fill=COLOURS[what])
        return image


def draw(network: nn.Module, config: PropagationConfig, steps: int) -> Drawing:
    """The plan of a run of ``steps`` network calls."""
    keys = set(config.key_steps.orders(steps))
    split = config.reuse.split(network)
    reused = FORECAST if config.forecast.order else COPIED
    other = "".join(COMPUTED if step in keys else reused for step in range(steps))
    rows = tuple(other if stage in split.kept else COMPUTED * steps for stage in split.stages)
    return Drawing(split.stages, rows)
