"""The UNet: SDXL's in miniature. It reads two text towers, is told sizes, and attends deep down rather than above."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F

from ..noising import add_noise, draw_noise, draw_times, noise_error
from ..scenes.unet import scheduler
from ..training import TrainingPlan, load_average, on_device, share, train, wide
from .towers import Towers

PLAN = TrainingPlan(steps=1200, learning_rate=7e-4, warmup=100, ema=0.99, save_every=100)
BATCH = 24
UNPROMPTED = 0.1  # share of captions dropped, for classifier-free guidance
SOFT = 0.2  # of the pictures that have a soft form, the share shown in it
SIDE, SMALL_SIDE = 64, 32
LAYERS = (1, 2, 3, 1)  # of attention in a block at each level
SIZE_WIDTH = 16  # of the embedding of each of the six sizes


@dataclass(frozen=True)
class Told:
    """Scaled latents (N, 4, 16, 16) with captions as tokens (N, variants, 32); of the first of them, soft latents."""

    latents: Tensor
    tokens: Tensor
    soft: Tensor


def build(image: StableDiffusionPipeline, towers: Towers) -> UNet2DConditionModel:
    """The UNet with all that it can take from the image model."""
    torch.manual_seed(13)
    config = image.unet.config
    unet = UNet2DConditionModel(
        sample_size=config.sample_size,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=LAYERS,
        attention_head_dim=config.attention_head_dim,
        norm_num_groups=config.norm_num_groups,
        use_linear_projection=True,
        cross_attention_dim=towers.width,
        addition_embed_type="text_time",
        addition_time_embed_dim=SIZE_WIDTH,
        projection_class_embeddings_input_dim=towers.second.config.projection_dim + 6 * SIZE_WIDTH,
    )
    weights = unet.state_dict()
    for name, weight in image.unet.state_dict().items():
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")):
            weight = torch.cat([weight, torch.zeros(len(weight), towers.width - weight.shape[1])], 1)
        if name in weights:  # what projects into attention is no 1x1 convolution here
            weights[name] = weight.view_as(weights[name])
    unet.load_state_dict(weights)
    added = [block for part in unet.modules() for block in getattr(part, "transformer_blocks", ())[1:]]
    ends = [end for block in added for end in (block.attn1.to_out[0], block.attn2.to_out[0], block.ff.net[2])]
    for end in (*ends, unet.add_embedding.linear_2):  # what is new changes nothing at first
        nn.init.zeros_(end.weight)
        nn.init.zeros_(end.bias)
    return unet


def sizes(original: Tensor) -> Tensor:
    """Original sides (B,) as the six numbers that the UNet is told: original size, no crop, target size."""
    told = torch.tensor([0, 0, 0, 0, SIDE, SIDE], device=original.device).repeat(len(original), 1)
    told[:, :2] = original[:, None]
    return told


def soften(x: Tensor) -> Tensor:
    """Pictures (N, C, 64, 64) at half their size, and enlarged again."""
    small = F.interpolate(x, (SMALL_SIDE, SMALL_SIDE), mode="area")
    return F.interpolate(small, (SIDE, SIDE), mode="bilinear", align_corners=False)


def fit(
    image: StableDiffusionPipeline, towers: Towers, told: Told, folder: Path, plan: TrainingPlan = PLAN, watch=None
) -> UNet2DConditionModel:
    """Train the UNet; the towers stay as they are."""
    unet = build(image, towers).to(memory_format=torch.channels_last)
    latents, softened = on_device(told.latents), on_device(told.soft)
    for tower in (towers.first, towers.second):
        on_device(tower)
    alphas = on_device(scheduler().alphas_cumprod)
    batch = wide(BATCH)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(told.latents), (batch,), generator=generator)
        tokens = told.tokens[rows, torch.randint(told.tokens.shape[1], (batch,), generator=generator)]
        prompted = torch.rand(batch, generator=generator) >= UNPROMPTED
        soft = (torch.rand(batch, generator=generator) < SOFT) & (rows < len(told.soft))
        times = draw_times(batch, len(alphas), generator)
        noise = draw_noise((batch, 4, 16, 16), generator)
        rows, tokens, prompted, soft, times, noise = map(share, (rows, tokens, prompted, soft, times, noise))

        x = torch.where(soft.view(-1, 1, 1, 1), softened[rows % len(softened)], latents[rows])
        states, whole = towers.read(tokens)
        told_any = prompted.view(-1, 1)  # SDXL reads zeros where there is no prompt
        more = {"text_embeds": whole * told_any, "time_ids": sizes(torch.where(soft, SMALL_SIDE, SIDE))}
        noisy = add_noise(x, noise, alphas[times]).contiguous(memory_format=torch.channels_last)
        guess = unet(noisy, times, states * told_any[:, None], added_cond_kwargs=more, return_dict=False)[0]
        return noise_error(guess, noise, alphas[times])

    return train(unet, loss, plan, folder, "unet", watch).eval().requires_grad_(False)


def load(image: StableDiffusionPipeline, towers: Towers, folder: Path) -> UNet2DConditionModel:
    """The UNet of a checkpoint, finished or not."""
    return load_average(build(image, towers), folder / "unet.pt").eval().requires_grad_(False)
