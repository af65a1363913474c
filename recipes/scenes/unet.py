"""The UNet: Stable Diffusion's in miniature, on frozen latents, together with its text tower."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from faster_diffusion.demo.scenes import Scene, caption, shorten

from ..noising import add_noise, draw_noise, draw_times, noise_error
from ..training import TrainingPlan, load_average, on_device, share, train, wide
from . import tokenizer
from .clip import WIDTH
from .data import Pool, turn

PLAN = TrainingPlan(steps=40000, learning_rate=1.4e-3, warmup=300, minutes=196, ema=0.997, save_every=250)
BATCH = 32
UNPROMPTED = 0.1  # share of captions dropped, for classifier-free guidance
# So long all pairs are told from the left or the upper thing, then this share from the other. Told both ways as often,
# which thing is named first says nothing about places until "left of" is told from "right of", and that nothing until
# one looks which is named first: for want of a gradient neither is learned.
FROM_FIRST, FROM_LAST = 13900, 0.2


def build(text: CLIPTextModel) -> nn.ModuleDict:
    """An untrained UNet, always the same weights, and a copy of the text tower, which goes on learning with it."""
    torch.manual_seed(2)
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(48, 64, 96, 128),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=WIDTH,
        attention_head_dim=(2, 2, 4, 4),  # heads, as in Stable Diffusion, whatever the name says
        norm_num_groups=16,
    )
    return nn.ModuleDict({"unet": unet, "text": deepcopy(text).train().requires_grad_(True)})


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule and sampler."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=False,
    )


def fit(
    latents: Tensor, tokens: Tensor, text: CLIPTextModel, folder: Path, plan: TrainingPlan = PLAN, watch=None
) -> nn.ModuleDict:
    """Train on scaled latents (N, 4, 16, 16) and captions as tokens (N, variants, 32), UNet and text tower together."""
    parts, latents = build(text), on_device(latents)
    unet = parts["unet"].to(memory_format=torch.channels_last)
    alphas = on_device(scheduler().alphas_cumprod)
    empty = tokenise([""])[0]
    batch = wide(BATCH)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(latents), (batch,), generator=generator)
        ways = tokens.shape[1] // 2
        way = torch.randint(ways, (batch,), generator=generator)
        if step >= FROM_FIRST:
            way[torch.rand(batch, generator=generator) < FROM_LAST] += ways
        said = tokens[rows, way]
        said[torch.rand(batch, generator=generator) < UNPROMPTED] = empty
        times = draw_times(batch, len(alphas), generator)
        noise = draw_noise((batch, 4, 16, 16), generator)
        rows, times, noise, said = share(rows), share(times), share(noise), share(said)

        noisy = add_noise(latents[rows], noise, alphas[times])
        states = parts["text"](said).last_hidden_state
        guess = unet(noisy.contiguous(memory_format=torch.channels_last), times, states, return_dict=False)[0]
        return noise_error(guess, noise, alphas[times])

    return train(parts, loss, plan, folder, "unet", watch).eval().requires_grad_(False)


def load(folder: Path, text: CLIPTextModel) -> nn.ModuleDict:
    """UNet and text tower of a checkpoint, finished or not."""
    return load_average(build(text), folder / "unet.pt").eval().requires_grad_(False)


def tokenise(captions: list[str]) -> Tensor:
    """Tokens (N, 32), padded as the pipeline pads them."""
    return tokenizer.build()(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids


def training_tokens(pool: Pool, variants: int = 4) -> Tensor:
    """Tokens of every scene told in a few ways, (N, variants, 32); the first half from the left or the upper thing."""
    rng = np.random.default_rng(4)
    told = [
        caption(shorten(_from_first(scene) if i < variants // 2 else _from_last(scene), rng))
        for scene in pool.scenes
        for i in range(variants)
    ]
    return tokenise(told).unflatten(0, (len(pool), variants))


def _from_first(scene: Scene) -> Scene:
    return turn(scene) if scene.relation in ("right of", "below") else scene


def _from_last(scene: Scene) -> Scene:
    return turn(_from_first(scene))
