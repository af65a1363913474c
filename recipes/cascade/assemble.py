"""Puts each stage together with the text encoder as a stock pipeline, with a model card."""

from __future__ import annotations

from pathlib import Path

from diffusers import IFPipeline, IFSuperResolutionPipeline
from torch import nn
from transformers import T5EncoderModel

from .. import card
from . import stages, text

NAMES = {"first": "scenes-if-1", "second": "scenes-if-2"}


def first(unet: nn.Module, encoder: T5EncoderModel) -> IFPipeline:
    """Stage I."""
    return IFPipeline(unet=unet, text_encoder=encoder, **_common())


def second(unet: nn.Module, encoder: T5EncoderModel) -> IFSuperResolutionPipeline:
    """Stage II, with the same text encoder."""
    noising = stages.noising_scheduler()
    return IFSuperResolutionPipeline(unet=unet, text_encoder=encoder, image_noising_scheduler=noising, **_common())


def _common() -> dict:
    return {
        "tokenizer": text.tokenizer(),
        "scheduler": stages.scheduler(),
        "safety_checker": None,
        "feature_extractor": None,
        "watermarker": None,
        "requires_safety_checker": False,
    }


def write_cards(out: Path, runs: Path, report: dict) -> None:
    """README.md and loss.png of both stages, from the logs of training and the measured obedience."""
    for stage, name in NAMES.items():
        log = card.read_log(runs / f"{stage}.csv")
        card.draw_curve([row["error"] for row in log], out / name / "loss.png", "error of the noise")
        body = _CARD.format(
            stage=_STAGES[stage],
            runs=card.steps_table({"text encoder": card.read_log(runs / "text.csv"), "UNet": log}),
            obedience=card.arms_table(report["arms"]),
            count=report["count"],
            sampler=f"{report['sampler']}, {report['steps']} and {report['steps'] // 2} steps",
            guidance=report["guidance"],
        )
        card.write_card(out / name, name, body)


_STAGES = {
    "first": "A small stage I of DeepFloyd-IF's kind. It draws pictures of 32x32 pixels, which `scenes-if-2` enlarges.",
    "second": "A small stage II of DeepFloyd-IF's kind. It enlarges what `scenes-if-1` draws to 64x64 pixels.",
}

_CARD = """
{stage}

Both are trained from nothing by `python -m recipes.cascade` on one CPU core each, in pixels, without an autoencoder.
They draw one shaded thing: sphere, cube, cone or ring, in eight colours, small or large, on one of five backgrounds.
They exist so that sampling methods can be tried, tested and measured in seconds, without a download, on the very
classes that the big models use: T5's text through a projection, a pooled text beside the time, scale-shift norms,
residual blocks that change the size, and a variance that the network predicts.

```python
from faster_diffusion import demo

first, second = demo.load("scenes-if-1"), demo.load("scenes-if-2")
prompt = "a large red sphere on a grey background"
small = first(prompt, guidance_scale={guidance}, output_type="pt").images
image = second(prompt, image=small, guidance_scale={guidance}).images[0]
```

## Training

24,000 pictures of one thing, rendered by code (`faster_diffusion.demo.scenes`). A tenth of the combinations is held
out and never trained on. The text encoder learned to read first, from captions alone: each of its states says which
size, colour, shape and background a caption names, or that it leaves them open. Like the T5 of DeepFloyd-IF it then
stayed as it was. The loss of the UNet is the hybrid one of Nichol & Dhariwal (2021): the squared error of the noise,
with the square root of min-SNR weights, and beside it the variational bound, which only the variance learns from.

{runs}

![loss](loss.png)

## Obedience

{count} held-out prompts, judged by a recogniser of pixels with nothing learned in it, stage I enlarged to 64 pixels;
{sampler}, guidance {guidance}. "Stage I" and "stage II" ask for one thing of the right colour and shape; size and
background are those of stage II, a wrong thing having no right size. In brackets the interval at 95 %.

{obedience}

## Weaknesses

One thing only, and nothing outside this little world. Stage II learned from real pictures made small and noisy, never
from what stage I draws, so that it mends little of what stage I got wrong. It leaves a fine grain on plain grounds.
"""
