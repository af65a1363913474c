"""Diffusion transformers: the first 18 of 28 blocks, or that share of them, are the encoder."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    DPMSolverMultistepScheduler,
    HunyuanDiT2DControlNetModel,
    HunyuanDiT2DModel,
    HunyuanDiTControlNetPipeline,
    HunyuanDiTPipeline,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
)

from specimens import toys

from .common import Row, image

TOKENS, WIDTH = toys.TEXT[1:]
SIZE = {"height": 32, "width": 32, "use_resolution_binning": False}
CLASSES = (207, 360, 1)  # of ImageNet's 1000


def dit() -> Any:
    torch.manual_seed(0)
    network = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=7, sample_size=8
    )
    return DiTPipeline(transformer=awake(network), vae=toys.vae(), scheduler=DDIMScheduler())


def pixart(cls: type, **config: Any) -> Any:
    torch.manual_seed(0)
    network = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=7,
        sample_size=16,
        cross_attention_dim=16,
        caption_channels=WIDTH,
        **config,
    )
    return cls(
        tokenizer=None,
        text_encoder=None,
        vae=toys.vae(),
        transformer=awake(network),
        scheduler=DPMSolverMultistepScheduler(beta_end=0.02),
    )


def pixart_prompt(n: int) -> dict[str, Any]:
    mask = torch.ones(n, TOKENS)
    mask[:, -2:] = 0  # the end of a prompt is padding
    return {
        **toys.prompt(n),
        "prompt_attention_mask": mask,
        "negative_prompt_attention_mask": mask,
        "negative_prompt": None,
    }


HUNYUAN = {
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "in_channels": 4,
    "patch_size": 2,
    "hidden_size": 16,
    "cross_attention_dim": WIDTH,
    "cross_attention_dim_t5": WIDTH,
    "pooled_projection_dim": 8,
    "text_len": TOKENS,
    "text_len_t5": TOKENS,
    "sample_size": 16,
    "num_layers": 8,  # of which the last three take what early ones left
}

HUNYUAN_SIZE = {**SIZE, "height": 128, "width": 128}


def hunyuan(cls: type = HunyuanDiTPipeline, **more: Any) -> Any:
    torch.manual_seed(0)
    network = HunyuanDiT2DModel(**HUNYUAN)
    return cls(
        vae=toys.vae(4),  # the pipeline reckons with its eighth
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=None,
        tokenizer_2=None,
        transformer=awake(network),
        scheduler=DDPMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        **more,
    )


def controlled_hunyuan() -> Any:
    torch.manual_seed(1)
    control = HunyuanDiT2DControlNetModel(
        conditioning_channels=4, transformer_num_layers=8, **{k: v for k, v in HUNYUAN.items() if k != "num_layers"}
    )
    return hunyuan(HunyuanDiTControlNetPipeline, controlnet=awake(control))


def hunyuan_prompt(n: int) -> dict[str, Any]:
    first, second = toys.prompt(n), toys.prompt(n, seed=1)
    masks = ("prompt_attention_mask", "negative_prompt_attention_mask")
    return {
        **first,
        **{f"{name}_2": value for name, value in second.items()},
        **{f"{name}{end}": torch.ones(n, TOKENS, dtype=torch.long) for name in masks for end in ("", "_2")},
    }


def awake(network: Any) -> Any:
    """Output layers and gates of transformers start at zero, so that nothing in the network would matter."""
    generator = torch.Generator().manual_seed(5)
    for parameter in network.parameters():
        if not parameter.any() or parameter.std() < 1e-3:
            parameter.data = parameter.data + 0.1 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


ROWS = [
    Row("dit", dit, lambda n: {"class_labels": list(CLASSES[:n])}, call={"output_type": "pt"}),
    Row("pixart-alpha", lambda: pixart(PixArtAlphaPipeline), pixart_prompt, call=SIZE),
    Row("pixart-sigma", lambda: pixart(PixArtSigmaPipeline), pixart_prompt, call=SIZE),
    Row("hunyuan-dit", hunyuan, hunyuan_prompt, call=HUNYUAN_SIZE),
    Row(
        "hunyuan-dit-controlnet",
        controlled_hunyuan,
        lambda n: {**hunyuan_prompt(n), "control_image": image(n, 128)},
        call=HUNYUAN_SIZE,
    ),
]
