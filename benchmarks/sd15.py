"""Stable Diffusion 1.5 as an architecture: every layer and shape, random weights. It costs what the real one costs."""

from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

UNET = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,  # the number of heads, under the name diffusers gave it
}
VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
}
TEXT = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
}
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def pipeline(device: str, dtype: torch.dtype) -> StableDiffusionPipeline:
    """The pipeline without tokenizer: it takes `prompt_embeds` (see `embeddings`)."""
    torch.manual_seed(0)
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL(**VAE).eval(),
        text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT)).eval(),
        tokenizer=None,
        unet=UNet2DConditionModel(**UNET).eval(),
        scheduler=DDIMScheduler(**SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return pipe.to(device) if dtype == torch.float32 else pipe.to(device, dtype)


@torch.no_grad()
def embeddings(pipe: StableDiffusionPipeline, batch: int) -> dict[str, Any]:
    """What the text encoder makes of arbitrary tokens: prompt and negative prompt, (batch, 77, 768) each."""
    tokens = torch.arange(2 * 77, device=pipe.device).reshape(2, 77)
    prompt, negative = pipe.text_encoder(tokens)[0].chunk(2)
    return {
        "prompt_embeds": prompt.repeat(batch, 1, 1),
        "negative_prompt_embeds": negative.repeat(batch, 1, 1),
    }
