"""The transformer: DiT in miniature, on the latents of the scenes autoencoder, told the class of what it draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from diffusers import DiTTransformer2DModel
from torch import Tensor, nn

from faster_diffusion.demo.scenes import COLOURS, SHAPES, Scene, Thing, caption

from ..noising import add_noise, draw_noise, draw_times, noise_error
from ..scenes.unet import scheduler
from ..training import TrainingPlan, captured, load_average, on_device, share, train, wide

PLAN = TrainingPlan(steps=8000, learning_rate=1e-3, warmup=300, ema=0.998, save_every=100)
BATCH = 16
NO_CLASS = 1000  # DiTPipeline has it built in: its networks know ImageNet's thousand classes
UNTOLD = 0.1  # share of classes dropped, for classifier-free guidance

CLASSES = [caption(Scene((Thing(colour, shape),))) for colour in COLOURS for shape in SHAPES]


def class_of(scene: Scene) -> int:
    """The number of the class that a scene of one thing is in."""
    (thing,) = scene.things
    return CLASSES.index(caption(Scene((replace(thing, size=None),))))


def build() -> DiTTransformer2DModel:
    """Untrained, always the same weights. Every block starts as the identity, as in the paper."""
    torch.manual_seed(5)
    network = DiTTransformer2DModel(
        num_attention_heads=4,
        attention_head_dim=32,
        num_layers=14,  # 9 of them before the split, which is 18 of 28 in DiT-XL
        in_channels=4,
        out_channels=4,
        sample_size=16,
        patch_size=2,
        num_embeds_ada_norm=NO_CLASS,
    )
    for block in network.transformer_blocks:
        nn.init.zeros_(block.norm1.linear.weight)
        nn.init.zeros_(block.norm1.linear.bias)
        table = block.norm1.emb.class_embedder.embedding_table.weight
        nn.init.normal_(table, std=0.02)
        with torch.no_grad():
            table[len(CLASSES) : NO_CLASS] = 0  # of no use
    for last in (network.proj_out_1, network.proj_out_2):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return network.eval()  # in training mode each block would drop classes by itself, and not the same


def fit(latents: Tensor, classes: Tensor, folder: Path, plan: TrainingPlan = PLAN, watch=None) -> DiTTransformer2DModel:
    """Train on scaled latents (N, 4, 16, 16) and the numbers of their classes (N,)."""
    network, latents = on_device(build()), on_device(latents)
    alphas = on_device(scheduler().alphas_cumprod)
    batch = wide(BATCH)
    first = share(torch.zeros(batch, dtype=torch.long))
    predict = captured(network, hidden_states=latents[first], timestep=first, class_labels=first.clone())

    def loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(latents), (batch,), generator=generator)
        told = classes[rows]
        told[torch.rand(batch, generator=generator) < UNTOLD] = NO_CLASS
        times = draw_times(batch, len(alphas), generator)
        noise = draw_noise((batch, *latents.shape[1:]), generator)
        rows, times, noise, told = share(rows), share(times), share(noise), share(told)

        noisy = add_noise(latents[rows], noise, alphas[times])
        return noise_error(predict(noisy, times, told), noise, alphas[times])

    return train(network, loss, plan, folder, "transformer", watch).requires_grad_(False)


def load(folder: Path) -> DiTTransformer2DModel:
    """The transformer of a checkpoint, finished or not."""
    return load_average(build(), folder / "transformer.pt").requires_grad_(False)
