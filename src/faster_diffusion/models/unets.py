"""The classes of UNets: a new one is a record here, and nothing anywhere else."""

from __future__ import annotations

from typing import Any

import torch

from .layout import SIZES, TEXT_TOKENS, Config, Layout, flat, meta

AUDIO_TOKENS = 8  # what AudioLDM 2's language model gives for any prompt
HINT, HINT_CHANNELS = 8, 4  # pixels of Kandinsky 2.2's control picture a latent; channels it adds to the latents


def unet_inputs(config: Config, batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    """Of most UNets: a prompt, sizes, classes, settings, as their config asks for them."""
    inputs: dict[str, Any] = {}
    text_width = config.get("encoder_hid_dim") or config.get("cross_attention_dim")
    if text_width:  # Kandinsky 2.2 reads images alone; AudioLDM adds its prompt to the time
        wordless = config.get("encoder_hid_dim_type") == "image_proj" or config.get("class_embeddings_concat")
        prompts = batch * frames if "motion_max_seq_length" in config else batch  # AnimateDiff repeats them itself
        text = None if wordless else meta(prompts, TEXT_TOKENS, flat(text_width)[0])
        inputs["encoder_hidden_states"] = text
    added = _added_conditions(config, batch, height, width)
    if added:
        inputs["added_cond_kwargs"] = added
    if "addition_time_embed_dim" in config and "addition_embed_type" not in config:  # Stable Video Diffusion
        settings = config["projection_class_embeddings_input_dim"] // config["addition_time_embed_dim"]
        inputs["added_time_ids"] = meta(batch, settings)
    if config.get("class_embed_type") in ("projection", "simple_projection"):
        inputs["class_labels"] = meta(batch, config["projection_class_embeddings_input_dim"])
    elif config.get("num_class_embeds") or config.get("class_embed_type") == "timestep":
        inputs["class_labels"] = meta(batch, dtype=torch.int64)
    return inputs


def _added_conditions(config: Config, batch: int, height: int, width: int) -> dict[str, Any]:
    """What comes by added_cond_kwargs: sizes and pooled prompt of SDXL, embeddings of images for Kandinsky 2."""
    kind = config.get("addition_embed_type")
    if kind == "text_time":
        pooled = config["projection_class_embeddings_input_dim"] - SIZES * config["addition_time_embed_dim"]
        return {"text_embeds": meta(batch, pooled), "time_ids": meta(batch, SIZES)}
    if kind not in ("image", "image_hint", "text_image"):
        return {}
    text_and_image = kind == "text_image"
    added = {"image_embeds": meta(batch, config["cross_attention_dim" if text_and_image else "encoder_hid_dim"])}
    if text_and_image:
        added["text_embeds"] = meta(batch, config["cross_attention_dim"])
    if kind == "image_hint":
        added["hint"] = meta(batch, 3, HINT * height, HINT * width)
    return added


def controlled_inputs(config: Config, batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    """Of ControlNet-XS: the same, and a picture to follow."""
    factor = 2 ** (len(config["ctrl_conditioning_embedding_out_channels"]) - 1)
    condition = meta(batch, config["ctrl_conditioning_channels"], factor * height, factor * width)
    return {**unet_inputs(config, batch, height, width, frames), "controlnet_cond": condition}


def image_to_video_inputs(config: Config, batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    """Of I2VGen-XL: a prompt, a picture as latents and as an embedding, frames a second."""
    text = config["cross_attention_dim"]
    return {
        "fps": meta(batch, dtype=torch.int64),
        "image_latents": meta(batch, config["in_channels"], frames, height, width),
        "image_embeddings": meta(batch, text),
        "encoder_hidden_states": meta(batch, TEXT_TOKENS, text),
    }


def audio_inputs(config: Config, batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    """Of AudioLDM 2: what a language model generated, and a prompt."""
    generated, text = flat(config["cross_attention_dim"])[:2]
    return {
        "encoder_hidden_states": meta(batch, AUDIO_TOKENS, generated),
        "encoder_hidden_states_1": meta(batch, TEXT_TOKENS, text),
    }


def kandinsky_3_inputs(config: Config, batch: int, height: int, width: int, frames: int) -> dict[str, Any]:
    """Of Kandinsky 3: a prompt and its mask."""
    return {
        "encoder_hidden_states": meta(batch, TEXT_TOKENS, config["encoder_hid_dim"]),
        "encoder_attention_mask": meta(batch, TEXT_TOKENS),
    }


UNETS = {
    "UNet2DConditionModel": Layout(
        encoder=("conv_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        residuals=("down_block_additional_residuals", "mid_block_additional_residual"),
        encoder_inputs=("down_intrablock_additional_residuals",),
        inputs=unet_inputs,
    ),
    "UNet2DModel": Layout(
        encoder=("conv_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        inputs=unet_inputs,
    ),
    "UNet3DConditionModel": Layout(
        encoder=("conv_in", "transformer_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        residuals=("down_block_additional_residuals", "mid_block_additional_residual"),
        frames=2,
        inputs=unet_inputs,
    ),
    "UNetMotionModel": Layout(
        encoder=("conv_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        residuals=("down_block_additional_residuals", "mid_block_additional_residual"),
        frames=2,
        inputs=unet_inputs,
    ),
    "UNetSpatioTemporalConditionModel": Layout(
        encoder=("conv_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        frames=1,
        inputs=unet_inputs,
    ),
    "I2VGenXLUNet": Layout(
        encoder=("conv_in", "transformer_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        frames=2,
        inputs=image_to_video_inputs,
    ),
    "AudioLDM2UNet2DConditionModel": Layout(
        encoder=("conv_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        inputs=audio_inputs,
    ),
    "Kandinsky3UNet": Layout(
        encoder=("conv_in", "down_blocks"),
        decoder=("up_blocks",),
        joins=True,
        inputs=kandinsky_3_inputs,
    ),
    "UNetControlNetXSModel": Layout(
        encoder=(
            "controlnet_cond_embedding",
            "base_conv_in",
            "ctrl_conv_in",
            "control_to_base_for_conv_in",
            "down_blocks",
            "mid_block",
        ),
        decoder=("up_blocks",),
        entrances=("controlnet_cond_embedding", "base_conv_in", "ctrl_conv_in"),
        changed=("ctrl_conv_in",),
        inputs=controlled_inputs,
    ),
}
