"""Pipelines whose samples have frames."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    DDIMScheduler,
    EulerDiscreteScheduler,
    I2VGenXLPipeline,
    I2VGenXLUNet,
    StableVideoDiffusionPipeline,
    TextToVideoSDPipeline,
    TextToVideoZeroPipeline,
    TextToVideoZeroSDXLPipeline,
    UNet3DConditionModel,
    UNetSpatioTemporalConditionModel,
    VideoToVideoSDPipeline,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from specimens import toys

from .common import FRAMES, LATE, STEPS, STRENGTH, Row, image, tokenizer
from .xl import pooled, xl

BLOCKS: dict[str, Any] = {
    "block_out_channels": (8, 8, 16),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D"),
    "norm_num_groups": 4,
    "cross_attention_dim": toys.TEXT[-1],
    "attention_head_dim": 4,
}


def text_to_video(cls: type = TextToVideoSDPipeline) -> Any:
    torch.manual_seed(0)
    network = UNet3DConditionModel(
        sample_size=16,
        **BLOCKS,
    ).eval()
    base = toys.stable_diffusion()
    return cls(vae=base.vae, text_encoder=base.text_encoder, tokenizer=None, unet=network, scheduler=base.scheduler)


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
    return StableVideoDiffusionPipeline(
        vae=AutoencoderKLTemporalDecoder(
            block_out_channels=(32, 32),
            down_block_types=("DownEncoderBlock2D",) * 2,
            latent_channels=4,
        ).eval(),
        image_encoder=image_encoder(),
        unet=network,
        scheduler=EulerDiscreteScheduler.from_config(DDIMScheduler(**toys.SCHEDULER).config),
        feature_extractor=CLIPImageProcessor(crop_size=32, size=32),
    )


def image_encoder() -> CLIPVisionModelWithProjection:
    torch.manual_seed(6)
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
        projection_dim=toys.TEXT[-1],
    )
    return CLIPVisionModelWithProjection(config).eval()


def image_to_video() -> Any:
    torch.manual_seed(0)
    network = I2VGenXLUNet(
        sample_size=8,
        **BLOCKS,
    )
    base = toys.stable_diffusion()
    return I2VGenXLPipeline(
        vae=base.vae,
        text_encoder=base.text_encoder,
        tokenizer=tokenizer(),
        image_encoder=image_encoder(),
        feature_extractor=CLIPImageProcessor(crop_size=32, size=32),
        unet=network.eval(),
        scheduler=base.scheduler,
    )


def text_to_video_zero() -> Any:
    components = {**toys.stable_diffusion().components, "tokenizer": tokenizer()}
    del components["image_encoder"]
    return TextToVideoZeroPipeline(**components, requires_safety_checker=False)


# Text2Video-Zero makes the first frame up to step 4, then goes back and makes all of them from step 3.
ZERO: dict[str, Any] = {
    "passes": ((0, 4), (3, STEPS)),  # of one frame, then of all
    "alone": True,
    "call": {"t0": STEPS - 5, "t1": STEPS - 4, "height": 32, "width": 32},
}


def one_video(n: int) -> dict[str, Any]:
    return {"video_length": FRAMES + n - 1, "generator": torch.Generator().manual_seed(3)}


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
    Row(
        "video-to-video",
        lambda: text_to_video(VideoToVideoSDPipeline),
        lambda n: {
            **toys.prompt(),
            "video": list(image(FRAMES + n - 1)),  # it takes one video only
            "generator": torch.Generator().manual_seed(3),
        },
        first=LATE,
        call={"strength": STRENGTH},
    ),
    Row(
        "image-to-video",
        image_to_video,
        lambda n: {**toys.prompt(n), "image": image(n)},
        call={"num_frames": FRAMES, "height": 16, "width": 16},
    ),
    Row(
        "text-to-video-zero",
        text_to_video_zero,
        lambda n: {**one_video(n), "prompt": "a cat", "negative_prompt": "rain"},
        unguided={"guidance_scale": 2.0},  # fails without guidance in diffusers
        **ZERO,
    ),
    Row(
        "text-to-video-zero-xl",
        lambda: xl(TextToVideoZeroSDXLPipeline),
        lambda n: {**one_video(n), **pooled(1), "prompt": None},
        **ZERO,
    ),
]
