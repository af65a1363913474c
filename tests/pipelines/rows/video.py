"""Pipelines whose samples have frames."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableVideoDiffusionPipeline,
    TextToVideoSDPipeline,
    UNet3DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from tests import toys

from .common import FRAMES, Row, image


def text_to_video() -> Any:
    torch.manual_seed(0)
    network = UNet3DConditionModel(
        sample_size=16,
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D"),
        norm_num_groups=4,
        cross_attention_dim=toys.TEXT[-1],
        attention_head_dim=4,
    ).eval()
    base = toys.stable_diffusion()
    return TextToVideoSDPipeline(
        vae=base.vae, text_encoder=base.text_encoder, tokenizer=None, unet=network, scheduler=base.scheduler
    )


def stable_video_diffusion() -> Any:
    torch.manual_seed(0)
    network = UNetSpatioTemporalConditionModel(
        sample_size=16,
        block_out_channels=(32, 32),  # its norms have 32 groups
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        num_attention_heads=2,
        cross_attention_dim=toys.TEXT[-1],
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=3 * 8,
    ).eval()
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
        projection_dim=toys.TEXT[-1],
    )
    return StableVideoDiffusionPipeline(
        vae=AutoencoderKLTemporalDecoder(
            block_out_channels=(32, 32),
            down_block_types=("DownEncoderBlock2D",) * 2,
            latent_channels=4,
        ).eval(),
        image_encoder=CLIPVisionModelWithProjection(vision).eval(),
        unet=network,
        scheduler=EulerDiscreteScheduler.from_config(DDIMScheduler(**toys.SCHEDULER).config),
        feature_extractor=CLIPImageProcessor(crop_size=32, size=32),
    )


ROWS = [
    Row(
        "text-to-video",
        text_to_video,
        toys.prompt,
        call={"num_frames": FRAMES, "height": 32, "width": 32},
    ),
    Row(
        "stable-video-diffusion",
        stable_video_diffusion,
        lambda n: {"image": image(n)},
        call={"num_frames": FRAMES, "height": 32, "width": 32, "decode_chunk_size": FRAMES},
    ),
]
