"""The video UNet: that of the scenes model with layers over time, which start as if they were not there."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet3DConditionModel
from torch import Tensor, nn

from ..noising import add_noise, draw_noise, draw_times, noise_error
from ..scenes.unet import scheduler, tokenise
from ..training import Plan, load_average, on_device, share, train

PLAN = Plan(steps=1200, learning_rate=7e-4, warmup=100, ema=0.995, save_every=50)
BATCH = 4
HEAD = 16  # width; this class has one for all levels, so that heads are not quite those of the image model
UNPROMPTED = 0.1  # share of captions dropped, for classifier-free guidance


def build(image: StableDiffusionPipeline) -> nn.ModuleDict:
    """UNet and text tower with all that they can take from the image model."""
    torch.manual_seed(11)
    config = image.unet.config
    unet = UNet3DConditionModel(
        sample_size=config.sample_size,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        cross_attention_dim=config.cross_attention_dim,
        norm_num_groups=config.norm_num_groups,
        down_block_types=[name.replace("2D", "3D") for name in config.down_block_types],
        up_block_types=[name.replace("2D", "3D") for name in config.up_block_types],
        attention_head_dim=HEAD,
    )
    drawn, weights = image.unet.state_dict(), unet.state_dict()
    # What projects into attention is a 1x1 convolution there and a linear layer here.
    unet.load_state_dict({**weights, **{name: weight.view_as(weights[name]) for name, weight in drawn.items()}})
    over_time = [unet.transformer_in, *(part for name, part in unet.named_modules() if _attends_over_time(name))]
    for part in over_time:  # the convolutions over time end in zeros by themselves
        nn.init.zeros_(part.proj_out.weight)
        nn.init.zeros_(part.proj_out.bias)
    # Without dropout: what it draws would not be a function of the step.
    return nn.ModuleDict({"unet": unet.eval(), "text": deepcopy(image.text_encoder).train().requires_grad_(True)})


def _attends_over_time(name: str) -> bool:
    return "temp_attentions." in name and name.rsplit(".", 1)[1].isdigit() and "transformer_blocks" not in name


def fit(
    image: StableDiffusionPipeline, latents: Tensor, tokens: Tensor, folder: Path, plan: Plan = PLAN, watch=None
) -> nn.ModuleDict:
    """Train on scaled latents (N, 4, frames, 16, 16) and captions as tokens (N, variants, 32)."""
    parts, latents = build(image), on_device(latents)
    alphas = on_device(scheduler().alphas_cumprod)
    empty = tokenise([""])[0]

    def loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(latents), (BATCH,), generator=generator)
        said = tokens[rows, torch.randint(tokens.shape[1], (BATCH,), generator=generator)]
        said[torch.rand(BATCH, generator=generator) < UNPROMPTED] = empty
        times = draw_times(BATCH, len(alphas), generator)
        noise = draw_noise((BATCH, *latents.shape[1:]), generator)
        rows, times, noise, said = share(rows), share(times), share(noise), share(said)

        noisy = add_noise(latents[rows], noise, alphas[times])
        guess = parts["unet"](noisy, times, parts["text"](said).last_hidden_state, return_dict=False)[0]
        return noise_error(guess, noise, alphas[times])

    return train(parts, loss, plan, folder, "unet", watch).eval().requires_grad_(False)


def load(image: StableDiffusionPipeline, folder: Path) -> nn.ModuleDict:
    """UNet and text tower of a checkpoint, finished or not."""
    return load_average(build(image), folder / "unet.pt").eval().requires_grad_(False)
