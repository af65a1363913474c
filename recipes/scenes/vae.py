"""The autoencoder: 64x64 pictures to 16x16 latents of four channels, and back."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ..training import TrainingPlan, load_average, on_device, train, wide
from .data import Pool, make_held_out, pixels

PLAN = TrainingPlan(steps=6000, learning_rate=1.5e-3, minutes=13, ema=0.995, save_every=400)
BATCH = 8
KL = 1e-4  # per latent number: enough to keep latents smooth, too little to blur


def build() -> AutoencoderKL:
    """Untrained, always the same weights."""
    torch.manual_seed(0)
    vae = AutoencoderKL(
        sample_size=64,
        block_out_channels=(24, 48, 64),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=8,
    )
    with torch.no_grad():
        vae.quant_conv.bias[4:] = -6  # starts almost without noise: colours are learnt much sooner
    return vae


def fit(pool: Pool, folder: Path, plan: TrainingPlan = PLAN) -> AutoencoderKL:
    """Train, then set `scaling_factor` so that latents have unit standard deviation."""
    vae = build().to(memory_format=torch.channels_last)
    batch = wide(BATCH)

    def loss(step: int, generator: torch.Generator):
        rows = torch.randint(len(pool), (batch,), generator=generator)
        x = on_device(pixels(pool.pictures[rows])).contiguous(memory_format=torch.channels_last)
        posterior = vae.encode(x).latent_dist
        noise = on_device(torch.randn(posterior.mean.shape, generator=generator))
        y = vae.decode(posterior.mean + posterior.std * noise).sample
        value = reconstruction_loss(y, x) + KL * posterior.kl().mean() / posterior.mean[0].numel()
        return value, {"psnr": psnr(y.detach(), x)}

    train(vae, loss, plan, folder, "vae")
    vae.eval().requires_grad_(False)
    vae.register_to_config(scaling_factor=1 / encode(vae, pool.pictures[:1000]).std().item())
    return vae


def load(pool: Pool, folder: Path) -> AutoencoderKL:
    """The trained autoencoder, from its checkpoint."""
    vae = load_average(build(), folder / "vae.pt").eval().requires_grad_(False)
    vae.register_to_config(scaling_factor=1 / encode(vae, pool.pictures[:1000]).std().item())
    return vae


def reconstruction_loss(y: Tensor, x: Tensor) -> Tensor:
    """L1 and L2, plus L1 of the differences between neighbours, which keeps edges sharp; coloured pixels count more."""
    weight = 1 + 2 * (x.amax(1, keepdim=True) - x.amin(1, keepdim=True))
    error = y - x
    edges = sum(error.diff(dim=dim).abs().mean() for dim in (-1, -2))
    return (weight * (error.abs() + 2 * error.square())).mean() + 0.5 * edges


def psnr(y: Tensor, x: Tensor) -> float:
    """Peak signal to noise, in dB, of pictures in [-1, 1]."""
    return -10 * ((y.clamp(-1, 1) - x).square().mean() / 4).log10().item()


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Tensor, batch: int = 100) -> Tensor:
    """Mean latents, not scaled, of uint8 pictures."""
    return torch.cat([vae.encode(pixels(part.to(vae.device))).latent_dist.mean for part in pictures.split(batch)])


@torch.no_grad()
def measure(vae: AutoencoderKL) -> float:
    """PSNR in dB over pictures never trained on."""
    pictures = make_held_out(200).pictures
    return psnr(vae.decode(encode(vae, pictures)).sample.cpu(), pixels(pictures))
