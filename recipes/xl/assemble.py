"""Puts the UNet and both text towers beside the scenes autoencoder as a stock pipeline, with a model card."""

from __future__ import annotations

from pathlib import Path

from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from faster_diffusion import demo

from .. import card
from .unet import scheduler

NAME = "scenes-xl"


def second_tower() -> CLIPTextModelWithProjection:
    """The text tower of the CLIP pair that ships with the scenes model, with its projection."""
    return CLIPTextModelWithProjection.from_pretrained(
        demo.pipeline_folder("scenes") / "clip", local_files_only=True, dtype="float32"
    )


def pipeline(
    image: StableDiffusionPipeline, parts: nn.ModuleDict, second: CLIPTextModelWithProjection
) -> StableDiffusionXLPipeline:
    """The stock pipeline."""
    text_encoder = CLIPTextModel(parts["text"].config)
    text_encoder.load_state_dict(parts["text"].state_dict())
    return StableDiffusionXLPipeline(
        vae=image.vae,
        text_encoder=text_encoder.eval(),
        text_encoder_2=second,
        tokenizer=image.tokenizer,
        tokenizer_2=image.tokenizer,
        unet=parts["unet"],
        scheduler=scheduler(),
        add_watermarker=False,
    )


def write_card(folder: Path, runs: Path, report: dict) -> None:
    """README.md and loss.png, from the log of training and what was measured."""
    body = _CARD.replace("DETAIL", "{sharp:.1f} levels of 255, and {enlarged:.1f}".format(**report["detail"]))
    card.write_obedience_card(folder, runs / "unet.csv", "loss of the UNet", report, body, "text-to-image")


_CARD = """
A small SDXL, trained by `python -m recipes.xl` on two CPU cores from the scenes model, and unlike it in what it
predicts and is told. It draws the same world: one or two shaded things in 64x64 pixels. It exists so that no finding
about sampling rests on one network.

```python
from faster_diffusion import demo

pipe = demo.load("scenes-xl")
image = pipe("a large red sphere left of a small blue cube", guidance_scale={guidance}).images[0]
```

- It predicts the velocity, on a schedule whose last timestep has no signal left (`rescale_betas_zero_snr`), and samples
  from there (`timestep_spacing="trailing"`).
- It reads two text towers: that of the scenes model, which went on learning, and that of its CLIP pair, which also
  tells it the caption as a whole.
- It is told sizes. `original_size=(32, 32)` asks for a picture that looks enlarged; by default they are sharp. It was
  never trained on crops.

Blocks are as many and as wide as those of the scenes UNet, whose weights it started from.

## Training

The pictures of the scenes model, rendered by code (`faster_diffusion.demo.scenes`), a fifth of them at half the
resolution and enlarged. A tenth of the combinations of things is held out and never trained on.

{runs}

![loss](loss.png)

## Obedience

{count} held-out prompts each with one thing and with two, judged by a recogniser of pixels with nothing learned in it;
{sampler}. Objects are right if there are as many as asked for, each with its colour and shape; of two things the
relation as well. In brackets the interval at 95 %.

{obedience}

Halving a picture and enlarging it again takes from it, where a sharp one and an enlarged one are asked for: DETAIL.

## Weaknesses

Training was short, and what is weak in the scenes model is weak here. There is nothing like SDXL's refiner.
"""
