"""Puts the video UNet and its text tower beside the image model's parts, with a model card."""

from __future__ import annotations

from pathlib import Path

from diffusers import StableDiffusionPipeline, TextToVideoSDPipeline, UNet3DConditionModel
from transformers import CLIPTextModel

from .. import card
from .unet import scheduler

NAME = "scenes-video"


def pipeline(image: StableDiffusionPipeline, unet: UNet3DConditionModel, text: CLIPTextModel) -> TextToVideoSDPipeline:
    """The stock pipeline."""
    return TextToVideoSDPipeline(
        vae=image.vae, text_encoder=text, tokenizer=image.tokenizer, unet=unet, scheduler=scheduler()
    )


def write_card(folder: Path, runs: Path, report: dict) -> None:
    """README.md and loss.png, from the log of training and the measured obedience."""
    card.write_obedience_card(folder, runs / "unet.csv", "loss of the UNet", report, _CARD, "text-to-video")


_CARD = """
A small text-to-video model, made by `python -m recipes.video` from the scenes model. It draws clips of eight frames of
64x64 pixels in which one shaded thing goes to the left, to the right, up or down. It exists so that sampling methods
can be tried, tested and measured in seconds, without a download, on the very classes that the big models use.

```python
from faster_diffusion import demo

pipe = demo.load("scenes-video")
frames = pipe("a large red sphere rolls to the left", num_frames=8, guidance_scale={guidance}).frames[0]
```

What is round rolls, the rest slides, and anything moves: the verb makes no difference. Size and background may be left
out. The UNet's spatial layers and the text tower started as those of the scenes model. Autoencoder and tokenizer are
those of the scenes model.

## Training

4,000 clips rendered by code (`faster_diffusion.demo.clips`). A tenth of the combinations of a thing with a background
is held out and never trained on. The text tower learned to read first, from captions alone: to say of a clip what it
said of its scene, and once it has read the motion to add one of four directions to that. Then it stayed as it was. The
UNet is shown each clip together with the same one backwards, under the same noise, which goes the other way.

It predicts velocity and starts from noise alone (zero terminal SNR, trailing steps). The image model's schedule ends
where a clip still shows through the noise, and in it the way that the thing goes: a UNet trained on that never reads
the way in the prompt, and sampling, from noise alone, it goes any way. This one was that UNet, after 6 minutes of an
H100 at predicting noise. The table is what came after, on two CPU cores, by `torchrun --nproc-per-node 2 -m
recipes.video unet --init scenes-video --wider 2 --longer 4 --minutes 85`, changed twice on the way: 800 steps at any
time and with pairs weighed evenly (things right, ways anyhow), 800 with half of the pairs from the noisiest times and
what they differ by weighed 5 and then 2 times (ways right, things less so), and the rest as the recipe is now.

{runs}

![loss](loss.png)

## Obedience

{count} held-out prompts, judged by a recogniser of pixels with nothing learned in it; {sampler}. "Thing" asks for one
thing, with its colour and shape, in three frames of four; "direction" for its middle to end up at least 8 pixels that
way and not half as far aside; "right" for both. "Steady" is the same one thing in all eight frames. In brackets the
interval at 95 %.

{obedience}

## Weaknesses

One thing only, that goes straight at one speed, in eight frames: it was never trained on more or fewer. Nothing but
one of the four directions can be asked of a motion.
"""
