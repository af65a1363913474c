"""The control network: a copy of the UNet's encoder, trained beside the frozen scenes model."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import ControlNetModel, StableDiffusionPipeline
from torch import Tensor

from specimens.conditions import CONDITIONS, as_tensor

from ..noising import add_noise, draw_noise, draw_times, noise_error
from ..scenes.data import Pool, numpy_rng
from ..scenes.unet import scheduler, tokenise
from ..training import TrainingPlan, load_average, on_device, share, train, wide

PLAN = TrainingPlan(steps=1500, learning_rate=1e-3, warmup=50, ema=0.99, save_every=100)
BATCH = 8
UNPROMPTED = 0.3  # share of captions dropped, so that the condition alone can guide


def build(pipe: StableDiffusionPipeline) -> ControlNetModel:
    """Untrained: the UNet's encoder with convolutions of zeros behind it, so that at first it changes nothing."""
    torch.manual_seed(3)
    return ControlNetModel.from_unet(pipe.unet, conditioning_embedding_out_channels=(16, 32, 64))


def fit(
    pipe: StableDiffusionPipeline,
    pool: Pool,
    latents: Tensor,
    tokens: Tensor,
    kind: str,
    folder: Path,
    plan: TrainingPlan = PLAN,
    watch=None,
) -> ControlNetModel:
    """Train on the pool's scaled latents (N, 4, 16, 16) and captions as tokens (N, variants, 32)."""
    pipe, latents = on_device(pipe), on_device(latents)
    unet = pipe.unet.requires_grad_(False).to(memory_format=torch.channels_last)
    control = build(pipe).to(memory_format=torch.channels_last).train()
    alphas = on_device(scheduler().alphas_cumprod)
    empty = tokenise([""])[0]
    batch = wide(BATCH)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(pool), (batch,), generator=generator)
        said = tokens[rows, torch.randint(tokens.shape[1], (batch,), generator=generator)]
        said[torch.rand(batch, generator=generator) < UNPROMPTED] = empty
        times = draw_times(batch, len(alphas), generator)
        noise = draw_noise((batch, 4, 16, 16), generator)
        rng = numpy_rng(generator)
        shown = as_tensor([CONDITIONS[kind](picture, rng) for picture in pool.images()[rows]])
        rows, times, noise, said, shown = (share(part) for part in (rows, times, noise, said, shown))

        noisy = add_noise(latents[rows], noise, alphas[times]).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            states = pipe.text_encoder(said).last_hidden_state
        down, middle = control(noisy, times, states, shown, return_dict=False)
        guess = unet(
            noisy,
            times,
            states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return noise_error(guess, noise, alphas[times])

    return train(control, loss, plan, folder, kind, watch).eval().requires_grad_(False)


def load(pipe: StableDiffusionPipeline, kind: str, folder: Path) -> ControlNetModel:
    """The network of a checkpoint, finished or not."""
    return load_average(build(pipe), folder / f"{kind}.pt").eval().requires_grad_(False)
