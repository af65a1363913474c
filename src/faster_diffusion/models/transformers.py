"""The classes of diffusion transformers: a new one is a record here, and nothing anywhere else."""

from __future__ import annotations

from typing import Any

import torch

from .layout import SIZES, TEXT_TOKENS, Config, Layout, meta

_DIT = 18 / 28  # the paper's split of DiT-XL


def dit_inputs(config: Config, batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    """Of DiT: classes."""
    return {"class_labels": meta(batch, dtype=torch.int64)}


def pixart_inputs(config: Config, batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    """Of PixArt: a prompt, and for large pictures their size."""
    sized = config.get("use_additional_conditions")
    if sized is None:
        sized = config["sample_size"] == 128
    return {
        "encoder_hidden_states": meta(batch, TEXT_TOKENS, config["caption_channels"]),
        "added_cond_kwargs": {
            "resolution": meta(batch, 2) if sized else None,
            "aspect_ratio": meta(batch, 1) if sized else None,
        },
    }


def hunyuan_inputs(config: Config, batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    """Of Hunyuan-DiT: two prompts with masks, sizes, positions."""
    patches = height * width // config["patch_size"] ** 2
    head = config["attention_head_dim"]
    first, second = config["text_len"], config["text_len_t5"]
    return {
        "timestep": meta(batch),  # embeddings are made in its dtype
        "encoder_hidden_states": meta(batch, first, config["cross_attention_dim"]),
        "text_embedding_mask": meta(batch, first),
        "encoder_hidden_states_t5": meta(batch, second, config["cross_attention_dim_t5"]),
        "text_embedding_mask_t5": meta(batch, second),
        "image_meta_size": meta(batch, SIZES),
        "style": meta(batch, dtype=torch.int64),
        "image_rotary_emb": (meta(patches, head), meta(patches, head)),
    }


# The paper names no key steps for DiT: every second one saves as much as it reports (5.13 -> 3.62 s, 18 of 28 blocks
# kept). Prior noise does harm with these: docs/paper.md.
TRANSFORMERS = {
    "DiTTransformer2DModel": Layout(
        encoder=("pos_embed", "transformer_blocks"),
        decoder=("transformer_blocks",),
        split=_DIT,
        sample="hidden_states",
        conditional=0,
        levels="",
        paper="uniform:2",
        noise_harms=True,
        inputs=dit_inputs,
    ),
    "PixArtTransformer2DModel": Layout(
        encoder=("pos_embed", "transformer_blocks"),
        decoder=("transformer_blocks",),
        split=_DIT,
        sample="hidden_states",
        levels="",
        paper="uniform:2",
        noise_harms=True,
        inputs=pixart_inputs,
    ),
    "HunyuanDiT2DModel": Layout(
        encoder=("pos_embed", "blocks"),
        decoder=("blocks",),
        residuals=("controlnet_block_samples",),
        split=_DIT,
        sample="hidden_states",
        shared=("image_rotary_emb",),
        levels="",
        paper="uniform:2",
        noise_harms=True,
        inputs=hunyuan_inputs,
    ),
}
