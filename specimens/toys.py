"""Small real pipelines with fixed random weights: Stable Diffusion's classes at a width that runs in milliseconds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch.utils.hooks import RemovableHandle
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import faster_diffusion as fd

SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
TEXT = (1, 5, 32)  # (prompts, tokens, width)


def unet(**config: object) -> UNet2DConditionModel:
    """A UNet of four levels, as in Stable Diffusion."""
    torch.manual_seed(0)
    defaults = {
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 1,
        "block_out_channels": (8, 8, 16, 16),
        "norm_num_groups": 4,
        "cross_attention_dim": TEXT[-1],
        "attention_head_dim": 2,
    }
    return UNet2DConditionModel(**{**defaults, **config}).eval()


def vae(levels: int = 2) -> AutoencoderKL:
    torch.manual_seed(1)
    return AutoencoderKL(
        block_out_channels=(4,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=32,
    ).eval()


def stable_diffusion(network: UNet2DConditionModel | None = None) -> StableDiffusionPipeline:
    """Takes prompt_embeds (see ``prompt``) instead of text; 16x16 latents, 32x32 pixels."""
    torch.manual_seed(2)
    text = CLIPTextConfig(
        hidden_size=TEXT[-1], intermediate_size=32, num_attention_heads=2, num_hidden_layers=1, vocab_size=100
    )
    pipe = StableDiffusionPipeline(
        vae=vae(),
        text_encoder=CLIPTextModel(text).eval(),
        tokenizer=None,
        unet=network or unet(),
        scheduler=DDIMScheduler(**SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def tokenizer() -> CLIPTokenizer:
    """Knows single letters."""
    letters = [chr(number) for number in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: n for n, token in enumerate(tokens)}, merges=[], model_max_length=77)


def prompt(n: int = 1, seed: int = 0) -> dict[str, torch.Tensor]:
    """Prompt and negative prompt of ``n`` images as embeddings."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n, *TEXT[1:])
    return {
        "prompt_embeds": torch.randn(shape, generator=generator),
        "negative_prompt_embeds": torch.randn(shape, generator=generator),
    }


def sample(pipe: StableDiffusionPipeline, n: int = 1, seed: int = 3, **call: object) -> torch.Tensor:
    """Latents of ``n`` images in the network's precision, each with a generator of its own; 10 steps unless told.

    ``pipe`` may be a method of the pipeline, as the ``pipe.call`` of the research code.
    """
    dtype = getattr(pipe, "__self__", pipe).unet.dtype
    defaults = {
        **{name: embeds.to(dtype) for name, embeds in prompt(n).items()},
        "generator": [torch.Generator().manual_seed(seed + i) for i in range(n)],
        "num_inference_steps": 10,
        "output_type": "latent",
        "return_dict": False,
    }
    return pipe(**{**defaults, **call})[0]


def images_after(*steps: Callable[[StableDiffusionPipeline], object]) -> list[torch.Tensor]:
    """Latents of two calls of a fresh pipeline after these steps, since some hooks are put on anew after every call."""
    pipe = stable_diffusion()
    for step in steps:
        step(pipe)
    return [sample(pipe) for _ in range(2)]


def accelerated(**options: object) -> Callable[[StableDiffusionPipeline], object]:
    return lambda pipe: fd.enable(pipe, **options)


def count_rows(module: torch.nn.Module, seen: list[int]) -> RemovableHandle:
    """Lists the rows of every batch that a module of a network sees."""

    def look(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        seen.append(len(args[0]))

    look.batch_independent = True  # type: ignore[attr-defined]
    return module.register_forward_pre_hook(look)
