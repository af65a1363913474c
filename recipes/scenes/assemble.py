"""Puts the trained parts together as a diffusers folder in half precision, with a model card."""

from __future__ import annotations

import json
from pathlib import Path

from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import nn
from transformers import CLIPModel, CLIPTextModel

from faster_diffusion.measuring.tables import markdown

from .. import card, packing
from . import tokenizer
from .unet import scheduler


def pipeline(vae: AutoencoderKL, parts: nn.ModuleDict) -> StableDiffusionPipeline:
    """The autoencoder, and UNet and text tower, as one pipeline."""
    text_encoder = CLIPTextModel(parts["text"].config)
    text_encoder.load_state_dict(parts["text"].state_dict())
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer.build(),
        unet=parts["unet"],
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def save(pipe: StableDiffusionPipeline, clip: CLIPModel, folder: Path) -> None:
    """Write the folder that `from_pretrained` loads, and beside it the whole CLIP pair. Converts them to half."""
    clip.half().save_pretrained(folder / "clip")
    tokenizer.save(folder / "clip")
    packing.save(pipe, folder, pipe.unet, pipe.vae)
    tokenizer.save(folder / "tokenizer")


def write_card(folder: Path, runs: Path, obedience: dict, psnr: float, clip_right: float, guidance: float) -> None:
    """README.md and loss.png from the logs of training and the measured obedience."""
    logs = {part: card.read_log(runs / f"{part}.csv") for part in ("vae", "clip", "unet")}
    card.draw_curve([row["loss"] for row in logs["unet"]], folder / "loss.png", "loss of the UNet")
    body = _CARD.format(
        runs=card.steps_table(logs),
        psnr=psnr,
        clip=100 * clip_right,
        guidance=guidance,
        sampler=obedience["sampler"],
        obedience=obedience_table(obedience),
    )
    card.write_card(folder, "scenes", body)


def obedience_table(obedience: dict) -> str:
    """Markdown, one row an arm and kind of prompt."""
    rows = []
    for arm in ("plain", "accelerated"):
        for kind in ("one object", "two objects") if arm in obedience else ():
            found = obedience[arm][kind]
            right = found["right"]
            low, high = right["interval"]
            others = [f"{100 * found[m]['share']:.1f} %" for m in ("objects", "relation", "sizes", "background")]
            interval = f"{100 * low:.1f} to {100 * high:.1f} %"
            rows.append([arm, f"{right['of']} with {kind}", f"{100 * right['share']:.1f} %", interval, *others])
    head = ("", "prompts", "right", "95 % interval", "objects", "relation", "sizes", "background")
    return markdown(head, rows)


def read_report(path: Path) -> dict:
    """The JSON that `evaluate` writes."""
    return json.loads(path.read_text())


_CARD = """
A small Stable Diffusion, trained from nothing by `python -m recipes.scenes` on two CPU cores. It draws one or two
shaded things in 64x64 pixels: sphere, cube, cone or ring, in red, orange, yellow, green, cyan, blue, purple or pink,
small or large, left of, right of, above or below one another, on a white, grey, black, beige or slate background. It
exists so that sampling methods can be tried, tested and measured in seconds, without a download, on the very classes
that the big models use.

```python
from faster_diffusion import demo

pipe = demo.load("scenes")
image = pipe("a large red sphere left of a small blue cube", guidance_scale={guidance}).images[0]
```

Sizes and background may be left out. Guidance of {guidance} obeys best. Other words do no harm but mean nothing to it.

## Training

Pictures are rendered by code (`faster_diffusion.demo.scenes`). A tenth of the combinations of things is held out and
never trained on. The text tower starts as that of a CLIP pair (in `clip/`) trained here on the same pictures, with near
misses of the captions as negatives, and goes on learning with the UNet.

These weights came about while the recipe was being found: the noise had no offset up to step 1,250, the text tower
stood still up to step 3,750, and the weight of the loss was plain min-SNR up to step 5,250. Pairs were told from both
sides up to step 9,500 and from 10,500 to 13,250, and the learning rate fell as half a cosine, so that the order of two
things was learned in the last 1,500 steps only. The recipe as it stands starts with all of these.

{runs}

![loss](loss.png)

Autoencoder: {psnr:.1f} dB PSNR on pictures never trained on. CLIP pair: {clip:.0f} % of held-out captions score above
eight near misses.

## Obedience

Held-out prompts only, judged by a recogniser of pixels with nothing learned in it; {sampler}. "Right" asks for the
right number of things, each with its colour and shape, and with two of them the right relation.

{obedience}

## Weaknesses

Training was short. Of two things, one sometimes takes colour or shape from the other, or their places are swapped,
more often where the second is named from the left or from above ("right of", "below").
The CLIP pair knows colours, shapes and backgrounds better than relations. There is no notion of anything outside this
little world, of counts above two, or of words that captions do not use.
"""
