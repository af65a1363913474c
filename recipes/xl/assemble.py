"""Puts the UNet and both text towers beside the scenes autoencoder as a stock pipeline, with a model card."""

from __future__ import annotations

from pathlib import Path

from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel

from .. import card
from ..scenes.unet import scheduler
from .towers import Towers

NAME = "scenes-xl"


def pipeline(image: StableDiffusionPipeline, towers: Towers, unet: UNet2DConditionModel) -> StableDiffusionXLPipeline:
    """The stock pipeline."""
    return StableDiffusionXLPipeline(
        vae=image.vae,
        text_encoder=towers.first,
        text_encoder_2=towers.second,
        tokenizer=image.tokenizer,
        tokenizer_2=image.tokenizer,
        unet=unet,
        scheduler=scheduler(),
        add_watermarker=False,
    )


def write_card(folder: Path, runs: Path, report: dict) -> None:
    """README.md and loss.png, from the log of training and what was measured."""
    detail = "{sharp:.1f} levels of 255 by default, and {enlarged:.1f}".format(**report["detail"])
    body = _CARD.replace("DETAIL", detail)
    card.write_obedience_card(folder, runs / "unet.csv", "loss of the UNet", report, body, "text-to-image")


_CARD = """
A small SDXL, trained by `python -m recipes.xl` on two CPU cores from the scenes model, and built unlike it. It draws
the same world: one or two shaded things in 64x64 pixels. It exists so that no finding about sampling rests on one
network.

```python
from faster_diffusion import demo

pipe = demo.load("scenes-xl")
image = pipe("a large red sphere left of a small blue cube", guidance_scale={guidance}).images[0]
```

- Like SDXL, it has no attention where the resolution is highest, and more layers of it further down.
- It reads two text towers: that of the scenes model, and that of its CLIP pair, which also tells it the caption as a
  whole. Without a prompt it reads zeros.
- It is told sizes: that a picture was 32 pixels a side once, or 64, which is the default. It never saw crops.

Convolutions, and the first layer of attention of a block, started as those of the scenes UNet.

## Training

The pictures of the scenes model, rendered by code (`faster_diffusion.demo.scenes`), one in 25 of them shown at half the
resolution and enlarged. A tenth of the combinations of things is held out and never trained on.

{runs}

![loss](loss.png)

## Obedience

{count} held-out prompts each with one thing and with two, judged by a recogniser of pixels with nothing learned in it;
{sampler}. Objects are right if there are as many as asked for,
each with its colour and shape; of two things the relation as well. In brackets the interval at 95 %.

{obedience}

## Weaknesses

Training was short, and what is weak in the scenes model is weak here. Sizes are not heeded, since so few pictures were
enlarged ones: what halving a picture and enlarging it again takes from it is DETAIL
for one that is said to have been small. There is nothing like SDXL's refiner.
"""
