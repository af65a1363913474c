"""What model cards are made of: tables from training logs, a plot of the loss, shares with their intervals."""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from faster_diffusion.measuring import intervals
from faster_diffusion.measuring.tables import markdown

FRONT = """---
library_name: diffusers
pipeline_tag: {task}
---
# {name}
"""


def write_card(folder: Path, name: str, body: str, task: str = "text-to-image") -> None:
    """README.md of a packaged model: the front matter that hubs read, its name, and what its recipe has to say."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(f"{FRONT.format(task=task, name=name)}\n{body.strip()}\n")


def write_obedience_card(folder: Path, log: Path, title: str, report: dict, body: str, task: str) -> None:
    """README.md and loss.png of a model named as its folder, from the log of its one training and its obedience.

    `body` has places for `runs`, `obedience`, `count`, `sampler` and `guidance`.
    """
    rows = read_log(log)
    draw_curve([row["loss"] for row in rows], folder / "loss.png", title)
    filled = body.format(
        runs=steps_table({log.stem: rows}),
        obedience=arms_table(report["arms"]),
        count=report["count"],
        sampler=f"{report['sampler']}, {report['steps']} steps, guidance {report['guidance']}",
        guidance=report["guidance"],
    )
    write_card(folder, folder.name, filled, task)


def share(right: int, of: int) -> dict:
    """A share with its Wilson interval at 95 %."""
    interval = intervals.proportion(right, of)
    return {"right": right, "of": of, "share": round(right / of, 4), "interval": [round(end, 4) for end in interval]}


def percent(found: dict) -> str:
    """A share as text, "88.0 % (80.2 to 93.0)"."""
    low, high = found["interval"]
    return f"{100 * found['share']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a training log."""
    with path.open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def steps_table(logs: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: how many steps and minutes each part took, from its log."""
    rows = [[part, str(int(log[-1]["step"])), f"{log[-1]['seconds'] / 60:.0f}"] for part, log in logs.items()]
    return markdown(["part", "steps", "minutes"], rows)


def draw_curve(values: list[float], path: Path, title: str, size: tuple[int, int] = (640, 320)) -> None:
    """A line plot of values averaged over a window, on a logarithmic axis."""
    window = max(1, len(values) // 200)
    points = torch.tensor(values)[: len(values) // window * window].view(-1, window).mean(1).log10()
    low, high = points.min().item(), points.max().item()
    width, height = size
    left, bottom, top = 60, height - 30, 20

    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    place = [
        (
            left + i / max(1, len(points) - 1) * (width - left - 20),
            bottom - (p - low) / (high - low + 1e-9) * (bottom - top),
        )
        for i, p in enumerate(points.tolist())
    ]
    draw.line([(left, top), (left, bottom), (width - 20, bottom)], fill="grey")
    draw.line(place, fill=(40, 75, 225), width=2)
    draw.text((8, top), f"{10**high:.3f}", fill="black")
    draw.text((8, bottom - 8), f"{10**low:.3f}", fill="black")
    draw.text((left, bottom + 8), "step 0", fill="black")
    draw.text((width - 80, bottom + 8), f"{len(values)}", fill="black")
    draw.text((left + 10, 4), title, fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def arms_table(arms: dict[str, dict[str, dict]]) -> str:
    """Markdown: for each arm its shares, named as the arms name them."""
    names = list(next(iter(arms.values())))
    return markdown(["", *names], [[arm, *(percent(found[name]) for name in names)] for arm, found in arms.items()])
