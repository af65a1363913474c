"""One row a pipeline: how to build it small, with the real classes and fixed random weights, and how to call it."""

from __future__ import annotations

from . import animation, audio, control, images, kandinsky, ledits, perception, pixel, transformers, variants, video, xl
from .common import Row

ROWS: list[Row] = [
    *images.ROWS,
    *xl.ROWS,
    *pixel.ROWS,
    *control.ROWS,
    *variants.ROWS,
    *video.ROWS,
    *animation.ROWS,
    *kandinsky.ROWS,
    *ledits.ROWS,
    *audio.ROWS,
    *perception.ROWS,
    *transformers.ROWS,
]

# One row for each kind of network, and for each kind of what acts on a network from outside.
KINDS = {
    *("stable-diffusion", "xl", "unconditional-ddpm", "upscale-x4", "controlnet", "controlnet-xs-xl", "t2i-adapter"),
    *("text-to-video", "animate-diff", "stable-video-diffusion", "image-to-video", "kandinsky-3", "audio-ldm-2"),
    *("dit", "pixart-alpha", "hunyuan-dit", "text-to-video-zero"),
}

# Of these the ones that run fast, and differ most.
QUICK = {"stable-diffusion", "unconditional-ddpm", "controlnet", "t2i-adapter", "kandinsky-3", "dit"}
