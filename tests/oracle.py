"""The method once more, plain and slow, written from the paper's equations: what the engine's results are compared to.

Shares no code with the package. The network is taken apart by hand into encoder and decoder; a key step runs both, any
other step runs the decoder on what the last key step left, with its own time embedding.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel


def embedding(unet: UNet2DConditionModel, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return unet.time_embedding(unet.time_proj(t.expand(len(x))).to(x.dtype))


def encode(unet: UNet2DConditionModel, x: torch.Tensor, t: torch.Tensor, text: torch.Tensor) -> tuple[Any, Any]:
    emb = embedding(unet, x, t)
    h = unet.conv_in(x)
    skips = [h]
    for block in unet.down_blocks:
        extra = {"encoder_hidden_states": text} if hasattr(block, "attentions") else {}
        h, outputs = block(h, emb, **extra)
        skips += outputs
    return skips, unet.mid_block(h, emb, encoder_hidden_states=text)


def decode(
    unet: UNet2DConditionModel, skips: Any, h: torch.Tensor, x: torch.Tensor, t: torch.Tensor, text: torch.Tensor
) -> torch.Tensor:
    """``x`` gives number and type of the samples only."""
    emb = embedding(unet, x, t)
    skips, h = list(skips), h.clone()
    for block in unet.up_blocks:
        n = len(block.resnets)
        mine, skips = tuple(skips[-n:]), skips[:-n]
        extra = {"encoder_hidden_states": text} if hasattr(block, "attentions") else {}
        h = block(h, mine, emb, upsample_size=skips[-1].shape[-2:] if skips else None, **extra)
    return unet.conv_out(unet.conv_act(unet.conv_norm_out(h)))


@torch.no_grad()
def sample(
    unet: UNet2DConditionModel,
    scheduler: Any,
    latents: torch.Tensor,
    text: torch.Tensor,
    *,
    keys: Collection[int],
    guidance: float | None = 7.5,
    alpha: float = 0.0,
    start: float = 0.5,
    **step: Any,
) -> torch.Tensor:
    """Sampling with a scheduler whose timesteps are set. ``text``: unconditional rows, then conditional ones."""
    initial = latents
    sigma_space = scheduler.scale_model_input(torch.ones(1), scheduler.timesteps[0]).item() != 1
    for order, t in enumerate(scheduler.timesteps):
        if alpha and t < start * 1000:
            scale = scale_between(scheduler, order) if sigma_space else 1.0
            latents = latents + alpha * scale * initial
        x = scheduler.scale_model_input(torch.cat([latents] * 2) if guidance else latents, t)
        if order in keys:
            skips, h = encode(unet, x, t, text)
        noise = decode(unet, skips, h, x, t, text)
        if guidance:
            unconditional, conditional = noise.chunk(2)
            noise = unconditional + guidance * (conditional - unconditional)
        latents = scheduler.step(noise, t, latents, **step).prev_sample
    return latents


def scale_between(scheduler: Any, order: int) -> float:
    """x = z sqrt(1 + sigma^2) takes unit-variance z_t to sigma space; z_T goes from its own sigma to that of z_t."""
    levels = 1 + sigma_of_order(scheduler) ** 2
    return (levels[order] / levels[0]).sqrt().item()


def sigma_of_order(scheduler: Any) -> torch.Tensor:
    """Noise levels from the training schedule by timestep, between whose entries the log level is linear."""
    cumulative = scheduler.alphas_cumprod.double()
    log_sigmas = ((1 - cumulative) / cumulative).sqrt().log()
    t = scheduler.timesteps.double()
    low = t.floor().long().clamp(0, len(log_sigmas) - 2)
    return (log_sigmas[low] + (t - low) * (log_sigmas[low + 1] - log_sigmas[low])).exp()


@torch.no_grad()
def ddim(
    unet: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    latents: torch.Tensor,
    text: torch.Tensor,
    *,
    keys: Collection[int],
    guidance: float,
    alpha: float,
) -> torch.Tensor:
    """The same with DDIM's update written out (Eq. 12 of arXiv 2010.02502, eta = 0), no scheduler code at all."""
    initial, n = latents, len(scheduler.timesteps)
    cumulative = scheduler.alphas_cumprod  # single precision, as the scheduler has it
    for order in range(n):
        t = scheduler.timesteps[order]
        if t < 500:
            latents = latents + alpha * initial
        x = torch.cat([latents] * 2)
        if order in keys:
            skips, h = encode(unet, x, t, text)
        unconditional, conditional = decode(unet, skips, h, x, t, text).chunk(2)
        noise = unconditional + guidance * (conditional - unconditional)
        now = cumulative[t]
        before = cumulative[t - 1000 // n] if t >= 1000 // n else cumulative[0]
        clean = (latents - (1 - now).sqrt() * noise) / now.sqrt()
        latents = before.sqrt() * clean + (1 - before).sqrt() * noise
    return latents
