"""What networks are called with, as tensors without data: to count the FLOPs of one that no pipeline is calling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .stages import layout_of

TEXT_TOKENS = 77  # what CLIP's text encoder gives for any prompt
AUDIO_TOKENS = 8  # what AudioLDM 2's language model gives for any prompt
HINT, HINT_CHANNELS = 8, 4  # pixels of Kandinsky 2.2's control picture a latent; channels it adds to the latents
SIZES = 6  # original, crop and target: a height and a width each


def network_inputs(network: nn.Module, batch: int, height: int, width: int, frames: int = 16) -> dict[str, Any]:
    """Meta tensors that a network of `stages.LAYOUTS` accepts as keyword arguments.

    Latents of images are (batch, C, height, width); those of videos have a dimension of `frames` besides. A prompt is
    (batch, tokens, D). Sizes, pooled prompts, class labels and settings are there where the config asks for them.
    """
    layout = layout_of(network)
    config: Any = network.config
    channels = config.get("in_channels") or 4
    if config.get("addition_embed_type") == "image_hint":
        channels -= HINT_CHANNELS
    shape = [batch, channels, height, width]
    if layout.frames is not None:
        shape.insert(layout.frames, frames)
    latent = {layout.sample: _meta(*shape), "timestep": _meta(batch, dtype=torch.int64)}
    special = _SPECIAL.get(type(network).__name__, _unet)
    return {**latent, **special(config, batch, height, width, frames)}


def _unet(config: Mapping[str, Any], batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    text_width = config.get("encoder_hid_dim") or config.get("cross_attention_dim")
    if text_width:  # Kandinsky 2.2 reads images alone; AudioLDM adds its prompt to the time
        wordless = config.get("encoder_hid_dim_type") == "image_proj" or config.get("class_embeddings_concat")
        prompts = batch * frames if "motion_max_seq_length" in config else batch  # AnimateDiff repeats them itself
        text = None if wordless else _meta(prompts, TEXT_TOKENS, _first(text_width))
        inputs["encoder_hidden_states"] = text
    added = _added(config, batch, height, width)
    if added:
        inputs["added_cond_kwargs"] = added
    if "addition_time_embed_dim" in config and "addition_embed_type" not in config:  # Stable Video Diffusion
        settings = config["projection_class_embeddings_input_dim"] // config["addition_time_embed_dim"]
        inputs["added_time_ids"] = _meta(batch, settings)
    if config.get("class_embed_type") in ("projection", "simple_projection"):
        inputs["class_labels"] = _meta(batch, config["projection_class_embeddings_input_dim"])
    elif config.get("num_class_embeds") or config.get("class_embed_type") == "timestep":
        inputs["class_labels"] = _meta(batch, dtype=torch.int64)
    return inputs


def _added(config: Mapping[str, Any], batch: int, height: int, width: int) -> dict[str, Any]:
    """What comes by added_cond_kwargs: sizes and pooled prompt of SDXL, embeddings of images for Kandinsky 2."""
    kind = config.get("addition_embed_type")
    if kind == "text_time":
        pooled = config["projection_class_embeddings_input_dim"] - SIZES * config["addition_time_embed_dim"]
        return {"text_embeds": _meta(batch, pooled), "time_ids": _meta(batch, SIZES)}
    if kind not in ("image", "image_hint", "text_image"):
        return {}
    text_and_image = kind == "text_image"
    added = {"image_embeds": _meta(batch, config["cross_attention_dim" if text_and_image else "encoder_hid_dim"])}
    if text_and_image:
        added["text_embeds"] = _meta(batch, config["cross_attention_dim"])
    if kind == "image_hint":
        added["hint"] = _meta(batch, 3, HINT * height, HINT * width)
    return added


def _controlled(config: Mapping[str, Any], batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    factor = 2 ** (len(config["ctrl_conditioning_embedding_out_channels"]) - 1)
    condition = _meta(batch, config["ctrl_conditioning_channels"], factor * height, factor * width)
    return {**_unet(config, batch, height, width, frames), "controlnet_cond": condition}


def _image_to_video(config: Mapping[str, Any], batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    text = config["cross_attention_dim"]
    return {
        "fps": _meta(batch, dtype=torch.int64),
        "image_latents": _meta(batch, config["in_channels"], frames, height, width),
        "image_embeddings": _meta(batch, text),
        "encoder_hidden_states": _meta(batch, TEXT_TOKENS, text),
    }


def _audio(config: Mapping[str, Any], batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    generated, text = _flat(config["cross_attention_dim"])[:2]
    return {
        "encoder_hidden_states": _meta(batch, AUDIO_TOKENS, generated),
        "encoder_hidden_states_1": _meta(batch, TEXT_TOKENS, text),
    }


def _kandinsky_3(config: Mapping[str, Any], batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    return {
        "encoder_hidden_states": _meta(batch, TEXT_TOKENS, config["encoder_hid_dim"]),
        "encoder_attention_mask": _meta(batch, TEXT_TOKENS),
    }


def _dit(config: Mapping[str, Any], batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    return {"class_labels": _meta(batch, dtype=torch.int64)}


def _pixart(config: Mapping[str, Any], batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    sized = config.get("use_additional_conditions")
    if sized is None:
        sized = config["sample_size"] == 128
    return {
        "encoder_hidden_states": _meta(batch, TEXT_TOKENS, config["caption_channels"]),
        "added_cond_kwargs": {
            "resolution": _meta(batch, 2) if sized else None,
            "aspect_ratio": _meta(batch, 1) if sized else None,
        },
    }


def _hunyuan(config: Mapping[str, Any], batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    patches = height * width // config["patch_size"] ** 2
    head = config["attention_head_dim"]
    first, second = config["text_len"], config["text_len_t5"]
    return {
        "timestep": _meta(batch),  # embeddings are made in its dtype
        "encoder_hidden_states": _meta(batch, first, config["cross_attention_dim"]),
        "text_embedding_mask": _meta(batch, first),
        "encoder_hidden_states_t5": _meta(batch, second, config["cross_attention_dim_t5"]),
        "text_embedding_mask_t5": _meta(batch, second),
        "image_meta_size": _meta(batch, SIZES),
        "style": _meta(batch, dtype=torch.int64),
        "image_rotary_emb": (_meta(patches, head), _meta(patches, head)),
    }


_SPECIAL = {
    "UNetControlNetXSModel": _controlled,
    "I2VGenXLUNet": _image_to_video,
    "AudioLDM2UNet2DConditionModel": _audio,
    "Kandinsky3UNet": _kandinsky_3,
    "DiTTransformer2DModel": _dit,
    "PixArtTransformer2DModel": _pixart,
    "HunyuanDiT2DModel": _hunyuan,
}


def _meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def _first(width: Any) -> int:
    """One width, where a config gives one for each block."""
    return _flat(width)[0]


def _flat(widths: Any) -> list[int]:
    """All widths of a config that has one, or one for each block or each attention layer of it, or none for some."""
    return (
        [widths]
        if isinstance(widths, int)
        else [entry for width in widths if width is not None for entry in _flat(width)]
    )
