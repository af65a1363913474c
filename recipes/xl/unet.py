"""The UNet: SDXL's kind in miniature, that reads two text towers, is told sizes, and predicts the velocity."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from ..noising import add_noise, draw_noise, draw_times, velocity_error
from ..training import Plan, load_average, share, train

PLAN = Plan(steps=1800, learning_rate=7e-4, warmup=100, ema=0.995, save_every=100)
BATCH = 24
UNPROMPTED = 0.1  # share of captions dropped, for classifier-free guidance
SOFT = 0.2  # share of pictures that were small once
SIDE, SMALL_SIDE = 64, 32
SIZE_WIDTH = 16  # of the embedding of each of the six sizes


@dataclass(frozen=True)
class Told:
    """Scaled latents (N, 4, 16, 16) with captions as tokens (N, variants, 32); of the first of them, soft latents."""

    latents: Tensor
    tokens: Tensor
    soft: Tensor


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's schedule, drawn out so that nothing is left of a sample where sampling starts."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )


def build(image: StableDiffusionPipeline, second: CLIPTextModelWithProjection) -> nn.ModuleDict:
    """UNet and first text tower with all that they can take from the image model."""
    torch.manual_seed(13)
    config, width = image.unet.config, image.text_encoder.config.hidden_size
    unet = UNet2DConditionModel(
        sample_size=config.sample_size,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        down_block_types=config.down_block_types,
        up_block_types=config.up_block_types,
        attention_head_dim=config.attention_head_dim,
        norm_num_groups=config.norm_num_groups,
        use_linear_projection=True,
        cross_attention_dim=width + second.config.hidden_size,
        addition_embed_type="text_time",
        addition_time_embed_dim=SIZE_WIDTH,
        projection_class_embeddings_input_dim=second.config.projection_dim + 6 * SIZE_WIDTH,
    )
    weights = unet.state_dict()
    for name, weight in image.unet.state_dict().items():
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")):
            weight = torch.cat([weight, torch.zeros(len(weight), second.config.hidden_size)], 1)
        weights[name] = weight.view_as(weights[name])  # what projects into attention is no 1x1 convolution here
    unet.load_state_dict(weights)
    for part in (unet.add_embedding.linear_2.weight, unet.add_embedding.linear_2.bias):
        nn.init.zeros_(part)
    return nn.ModuleDict({"unet": unet, "text": deeper(image.text_encoder).train().requires_grad_(True)})


def deeper(tower: CLIPTextModel) -> CLIPTextModel:
    """The tower with a layer more: SDXL reads the state before the last one, which nothing here was trained for."""
    config = deepcopy(tower.config)
    config.num_hidden_layers += 1
    longer = CLIPTextModel(config)
    longer.load_state_dict({**longer.state_dict(), **tower.state_dict()})
    return longer


def states(text: CLIPTextModel, second: CLIPTextModelWithProjection, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """What the UNet reads (B, 32, widths of both) and is told besides (B, 128), as the pipeline makes them."""
    first = text(tokens, output_hidden_states=True).hidden_states[-2]
    with torch.no_grad():
        other = second(tokens, output_hidden_states=True)
    return torch.cat([first, other.hidden_states[-2]], -1), other.text_embeds


def sizes(original: Tensor) -> Tensor:
    """Original sides (B,) as the six numbers that the UNet is told: original size, no crop, target size."""
    told = torch.tensor([0, 0, 0, 0, SIDE, SIDE]).repeat(len(original), 1)
    told[:, :2] = original[:, None]
    return told


def soften(x: Tensor) -> Tensor:
    """Pictures (N, C, 64, 64) at half their size, and enlarged again."""
    small = F.interpolate(x, (SMALL_SIDE, SMALL_SIDE), mode="area")
    return F.interpolate(small, (SIDE, SIDE), mode="bilinear", align_corners=False)


def fit(
    image: StableDiffusionPipeline,
    second: CLIPTextModelWithProjection,
    told: Told,
    folder: Path,
    plan: Plan = PLAN,
    watch=None,
) -> nn.ModuleDict:
    """UNet and first text tower together, the second tower as it is."""
    parts = build(image, second)
    unet = parts["unet"].to(memory_format=torch.channels_last)
    alphas = scheduler().alphas_cumprod

    def loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(told.latents), (BATCH,), generator=generator)
        tokens = told.tokens[rows, torch.randint(told.tokens.shape[1], (BATCH,), generator=generator)]
        prompted = torch.rand(BATCH, generator=generator) >= UNPROMPTED
        soft = (torch.rand(BATCH, generator=generator) < SOFT) & (rows < len(told.soft))
        times = draw_times(BATCH, len(alphas), generator)
        noise = draw_noise((BATCH, 4, 16, 16), generator)
        rows, tokens, prompted, soft, times, noise = map(share, (rows, tokens, prompted, soft, times, noise))

        x = torch.where(soft.view(-1, 1, 1, 1), told.soft[rows % len(told.soft)], told.latents[rows])
        read, pooled = states(parts["text"], second, tokens)
        read, pooled = read * prompted.view(-1, 1, 1), pooled * prompted.view(-1, 1)  # zeros for no prompt, as SDXL has
        more = {"text_embeds": pooled, "time_ids": sizes(torch.where(soft, SMALL_SIDE, SIDE))}
        noisy = add_noise(x, noise, alphas[times]).contiguous(memory_format=torch.channels_last)
        guess = unet(noisy, times, read, added_cond_kwargs=more, return_dict=False)[0]
        return velocity_error(guess, x, noise, alphas[times])

    return train(parts, loss, plan, folder, "unet", watch).eval().requires_grad_(False)


def load(image: StableDiffusionPipeline, second: CLIPTextModelWithProjection, folder: Path) -> nn.ModuleDict:
    """UNet and first text tower of a checkpoint, finished or not."""
    return load_average(build(image, second), folder / "unet.pt").eval().requires_grad_(False)
