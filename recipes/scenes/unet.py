"""The UNet: Stable Diffusion's in miniature, on frozen latents and frozen text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel

from faster_diffusion.demo.scenes import caption, shorten

from ..training import Plan, load_average, share, train
from . import tokenizer
from .clip import WIDTH
from .data import Pool

PLAN = Plan(steps=14000, learning_rate=1e-3, warmup=300, minutes=83, ema=0.999, save_every=250)
BATCH = 32
UNPROMPTED = 0.1  # share of captions dropped, for classifier-free guidance
GAMMA = 5.0  # of min-SNR weighting


def build() -> UNet2DConditionModel:
    """Untrained, always the same weights."""
    torch.manual_seed(2)
    return UNet2DConditionModel(
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


def fit(latents: Tensor, states: Tensor, empty: Tensor, folder: Path, plan: Plan = PLAN, watch=None):
    """Train on scaled latents (N, 4, 16, 16) and text states (N, captions, 32, width); `empty` is that of no prompt."""
    unet = build().to(memory_format=torch.channels_last)
    alphas = scheduler().alphas_cumprod

    def loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(latents), (BATCH,), generator=generator)
        variant = torch.randint(states.shape[1], (BATCH,), generator=generator)
        text = states[rows, variant].float()
        text[torch.rand(BATCH, generator=generator) < UNPROMPTED] = empty
        # one time in each of BATCH equal slices: less noise in the gradient than independent times
        slices = (torch.arange(BATCH) + torch.rand(BATCH, generator=generator)) / BATCH
        times = (slices * len(alphas)).long()
        noise = torch.randn((BATCH, 4, 16, 16), generator=generator)
        rows, times, noise, text = share(rows), share(times), share(noise), share(text)
        alpha = alphas[times].view(-1, 1, 1, 1)
        noisy = alpha.sqrt() * latents[rows] + (1 - alpha).sqrt() * noise
        guess = unet(noisy.contiguous(memory_format=torch.channels_last), times, text, return_dict=False)[0]
        snr = alphas[times] / (1 - alphas[times])
        weight = snr.clamp(max=GAMMA) / snr
        return (weight * (guess - noise).square().mean((1, 2, 3))).mean()

    return train(unet, loss, plan, folder, "unet", watch).eval().requires_grad_(False)


def load(folder: Path) -> UNet2DConditionModel:
    """The UNet of a checkpoint, finished or not."""
    return load_average(build(), folder / "unet.pt").eval().requires_grad_(False)


@torch.no_grad()
def text_states(encoder: CLIPTextModel, captions: list[str], batch: int = 200) -> Tensor:
    """What the UNet sees of some captions: (N, 32, width), half precision."""
    words = tokenizer.build()
    states = []
    for start in range(0, len(captions), batch):
        tokens = words(captions[start : start + batch], padding="max_length", truncation=True, return_tensors="pt")
        states.append(encoder(tokens.input_ids).last_hidden_state.half())
    return torch.cat(states)


def training_states(pool: Pool, encoder: CLIPTextModel, variants: int = 2) -> Tensor:
    """Text states of every scene told in a few ways, (N, variants, 32, width)."""
    rng = np.random.default_rng(4)
    told = [caption(shorten(scene, rng)) for scene in pool.scenes for _ in range(variants)]
    distinct = list(dict.fromkeys(told))
    states, place = text_states(encoder, distinct), {text: i for i, text in enumerate(distinct)}
    return states[torch.tensor([place[text] for text in told])].unflatten(0, (len(pool), variants))
