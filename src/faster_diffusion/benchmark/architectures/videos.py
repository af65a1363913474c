"""Networks that sample frames: ModelScope, Stable Video Diffusion, AnimateDiff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from .architecture import Architecture, Part, Size, picture
from .images import DDIM, SCHEDULE, VAE, prompts

WIDTHS = (320, 640, 1280, 1280)
MODELSCOPE_UNET = Part(
    "UNet3DConditionModel",
    {
        "sample_size": 32,
        "down_block_types": (*["CrossAttnDownBlock3D"] * 3, "DownBlock3D"),
        "up_block_types": ("UpBlock3D", *["CrossAttnUpBlock3D"] * 3),
        "block_out_channels": WIDTHS,
        "layers_per_block": 2,
        "cross_attention_dim": 1024,
        "attention_head_dim": 64,
    },
)
SVD_UNET = Part(
    "UNetSpatioTemporalConditionModel",
    {
        "sample_size": 96,
        "in_channels": 8,
        "out_channels": 4,
        "down_block_types": (*["CrossAttnDownBlockSpatioTemporal"] * 3, "DownBlockSpatioTemporal"),
        "up_block_types": ("UpBlockSpatioTemporal", *["CrossAttnUpBlockSpatioTemporal"] * 3),
        "block_out_channels": WIDTHS,
        "layers_per_block": 2,
        "num_attention_heads": (5, 10, 20, 20),
        "cross_attention_dim": 1024,
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 768,
        "num_frames": 25,
    },
)
MOTION_UNET = Part(
    "UNetMotionModel",
    {
        "sample_size": 64,
        "down_block_types": (*["CrossAttnDownBlockMotion"] * 3, "DownBlockMotion"),
        "up_block_types": ("UpBlockMotion", *["CrossAttnUpBlockMotion"] * 3),
        "block_out_channels": WIDTHS,
        "layers_per_block": 2,
        "cross_attention_dim": 768,
        "num_attention_heads": 8,
        "motion_num_attention_heads": 8,
        "motion_max_seq_length": 32,
        "use_motion_mid_block": True,
    },
)
TEMPORAL_VAE = Part(
    "AutoencoderKLTemporalDecoder",
    {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
        "sample_size": 768,
        "force_upcast": True,
    },
)
EYE = Part(  # far smaller than the real one: it looks at the picture once
    "CLIPVisionModelWithProjection",
    {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 224,
        "patch_size": 32,
        "projection_dim": 1024,
    },
)
EULER = Part(
    "EulerDiscreteScheduler",
    {
        **SCHEDULE,
        "prediction_type": "v_prediction",
        "use_karras_sigmas": True,
        "timestep_type": "continuous",
        "timestep_spacing": "leading",
        "sigma_min": 0.002,
        "sigma_max": 700.0,
    },
)
_ABSENT = dict.fromkeys(("text_encoder", "tokenizer"))


def _frames(width: int, count: int) -> Any:
    return lambda batch, size: {**prompts(width)(batch, size), "num_frames": count}


def _from_picture(batch: int, size: Size) -> Mapping[str, Any]:
    height, width = size
    images = [Image.fromarray((x * 255).byte().permute(1, 2, 0).numpy()) for x in picture(batch, size)]
    return {"image": images, "height": height, "width": width, "num_frames": 25, "decode_chunk_size": 8}


MODELSCOPE = Architecture(
    "ModelScope, 16 frames",
    "TextToVideoSDPipeline",
    parts={"vae": VAE, "unet": MODELSCOPE_UNET, "scheduler": DDIM, **_ABSENT},
    inputs=_frames(1024, 16),
    size=(256, 256),
    steps=50,
    guidance=9.0,
)
SVD = Architecture(
    "Stable Video Diffusion XT, 25 frames",
    "StableVideoDiffusionPipeline",
    parts={
        "vae": TEMPORAL_VAE,
        "image_encoder": EYE,
        "unet": SVD_UNET,
        "scheduler": EULER,
        "feature_extractor": Part("CLIPImageProcessor", {}),
    },
    inputs=_from_picture,
    size=(576, 1024),
    steps=25,
    guidance=3.0,
    guidance_argument="max_guidance_scale",
)
ANIMATEDIFF = Architecture(
    "AnimateDiff on Stable Diffusion 1.5, 16 frames",
    "AnimateDiffPipeline",
    parts={"vae": VAE, "unet": MOTION_UNET, "motion_adapter": None, "scheduler": DDIM, **_ABSENT},
    inputs=_frames(768, 16),
    size=(512, 512),
    steps=50,
    guidance=7.5,
)
