"""The model cards of the control networks."""

from __future__ import annotations

from pathlib import Path

from faster_diffusion.measuring.tables import markdown

from .. import card


def table(report: dict) -> str:
    """Markdown, one row an arm."""
    rows = [
        [arm, _mean(found["edges"]), _mean(found["silhouettes"]), card.percent(found["right"])]
        for arm, found in report["arms"].items()
    ]
    return markdown(["", "edges, F1", "silhouettes, IoU", "prompt accuracy"], rows)


def _mean(found: dict) -> str:
    low, high = found["interval"]
    return f"{found['mean']:.3f} ({low:.3f} to {high:.3f})"


def write_card(folder: Path, kind: str, runs: Path, report: dict) -> None:
    """README.md and loss.png from the log of training and the measurement."""
    log = card.read_log(runs / f"{kind}.csv")
    card.draw_curve([row["loss"] for row in log], folder / "loss.png", "loss")
    body = _CARD.format(
        kind=kind,
        shown=_SHOWN[kind],
        condition=_CONDITION[kind],
        runs=card.steps_table({kind: log}),
        scenes=report["scenes"],
        sampler=f"{report['sampler']}, {report['steps']} steps, guidance {report['guidance']}",
        table=table(report),
    )
    card.write_card(folder, f"scenes-{kind}", body)


_SHOWN = {
    "canny": "the edges of a picture, as OpenCV's Canny finds them with thresholds 100 and 200",
    "scribble": "a scribble of outlines, white on black, some pixels thick, wobbling beside the line, with gaps",
}
_CONDITION = {
    "canny": "cv2.Canny(picture, 100, 200)",
    "scribble": "drawing",
}

_CARD = """
A ControlNet for `scenes`. It is shown {shown}, and the
picture follows. Trained by `python -m recipes.controlnet {kind}` on a CPU.

```python
from faster_diffusion import demo
from PIL import Image

pipe = demo.load("scenes-{kind}")
condition = Image.fromarray({condition}).convert("RGB")  # 64x64
image = pipe("a large red sphere", image=condition, guidance_scale=2.5).images[0]
```

It is a stock `ControlNetModel`: `ControlNetModel.from_pretrained(folder)` takes this folder.

## Training

A copy of the encoder of the scenes model's network with convolutions of zeros behind it, trained on the pictures that
the scenes model was trained on, with that model frozen. Three captions in ten were left out.

{runs}

![loss](loss.png)

## How it is followed

{scenes} scenes that training never saw; the condition is made from a render of each;
{sampler}. Means with their 95 % intervals. Edges are Canny's of the image and of the
render, found where they are within one pixel of the other; silhouettes are where there is colour. "Accelerated" is
`fd.enable(pipe)` with the paper's key steps, where the control network, too, runs at key steps only.

{table}

## Weaknesses

Training was short. Highlights and the inner edges of cubes are followed less well than outlines. Without a prompt,
colours and backgrounds are the model's own choice.
"""
