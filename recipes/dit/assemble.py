"""Puts transformer and autoencoder together as a stock pipeline, with a model card."""

from __future__ import annotations

from pathlib import Path

from diffusers import AutoencoderKL, DiTPipeline, DiTTransformer2DModel

from .. import card
from ..scenes.unet import scheduler
from .transformer import CLASSES

NAME = "scenes-dit"


def pipeline(vae: AutoencoderKL, network: DiTTransformer2DModel) -> DiTPipeline:
    """The stock pipeline, with the names of the classes."""
    pipe = DiTPipeline(transformer=network, vae=vae, scheduler=scheduler(), id2label=dict(enumerate(CLASSES)))
    pipe.register_to_config(id2label=dict(enumerate(CLASSES)))
    return pipe


def write_card(folder: Path, runs: Path, report: dict) -> None:
    """README.md and loss.png, from the log of training and the measured obedience."""
    log, task = runs / "transformer.csv", "unconditional-image-generation"
    card.write_obedience_card(folder, log, "loss of the transformer", report, _CARD, task)


_CARD = """
A small diffusion transformer (DiT), trained from nothing by `python -m recipes.dit` on two CPU cores. It draws one
shaded thing in 64x64 pixels, told its class: one of 32 pairs of a colour and a shape. Size, place, light and background
are its own choice. It exists so that sampling methods can be tried, tested and measured in seconds, without a download,
on the very classes that the big model uses.

```python
from faster_diffusion import demo

pipe = demo.load("scenes-dit")
image = pipe(pipe.get_label_ids(["a red sphere"]), guidance_scale={guidance}).images[0]
```

Fourteen blocks of width 128, 64 tokens of 2x2 latents, on the autoencoder of the scenes model. It predicts the noise
and no variance. The stock pipeline takes class 1000 for "none"; classes 32 to 999 were never trained.

## Training

24,000 pictures of one thing, rendered by code (`faster_diffusion.demo.scenes`); a tenth of the classes dropped, for
guidance.

{runs}

![loss](loss.png)

## Obedience

{count} images, all classes in turn, judged by a recogniser of pixels with nothing learned in it;
{sampler}. "Right" asks for exactly one thing, with the colour and the shape of the
class; in brackets the interval at 95 %.

{obedience}

## Weaknesses

Training was too short: two images in five have another shape than their class. It reads no text, draws one thing only,
and takes no wish for size, place or background. The colours and shapes are all that it has ever seen.
"""
