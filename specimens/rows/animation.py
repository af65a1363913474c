"""AnimateDiff and its variants: a UNetMotionModel, made of an image model and a motion adapter."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AnimateDiffControlNetPipeline,
    AnimateDiffPipeline,
    AnimateDiffSDXLPipeline,
    AnimateDiffSparseControlNetPipeline,
    AnimateDiffVideoToVideoControlNetPipeline,
    AnimateDiffVideoToVideoPipeline,
    ControlNetModel,
    DDIMScheduler,
    MotionAdapter,
    PIAPipeline,
    SparseControlNetModel,
)

from specimens import toys

from .common import FRAMES, LATE, STEPS, STRENGTH, Row, frames, image, tokenizer
from .xl import XL, pooled

SIZE = {"num_frames": FRAMES, "height": 16, "width": 16}
CHANNELS = (8, 8, 16, 16)
CONTROL: dict[str, Any] = {
    "block_out_channels": CHANNELS,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "cross_attention_dim": toys.TEXT[-1],
    "attention_head_dim": 2,
}


def motion_adapter(channels: tuple[int, ...] = CHANNELS, **more: Any) -> MotionAdapter:
    torch.manual_seed(4)
    adapter = MotionAdapter(
        block_out_channels=channels,
        motion_layers_per_block=1,
        motion_norm_num_groups=4,
        motion_num_attention_heads=2,
        motion_max_seq_length=8,
        **more,
    )
    return adapter.eval()


def animate_diff(cls: type = AnimateDiffPipeline, **more: Any) -> Any:
    base = toys.stable_diffusion()
    components = {name: base.components[name] for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
    return cls(**{**components, "motion_adapter": motion_adapter(), **more})


def animate_diff_xl() -> Any:
    channels = CHANNELS[:3]
    network = toys.unet(
        block_out_channels=channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        **XL,
    )
    return AnimateDiffSDXLPipeline(
        vae=toys.vae(),
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        unet=network,
        motion_adapter=motion_adapter(channels, use_motion_mid_block=False),
        scheduler=DDIMScheduler(**toys.SCHEDULER),
    )


def controlnet() -> ControlNetModel:
    torch.manual_seed(5)
    network = ControlNetModel(
        **CONTROL,
        conditioning_embedding_out_channels=(4, 8),
    )
    return awake(network)


def sparse_controlnet() -> SparseControlNetModel:
    torch.manual_seed(5)
    network = SparseControlNetModel(
        **CONTROL,
        motion_num_attention_heads=2,
        motion_max_seq_length=8,
        concat_conditioning_mask=True,
    )
    return awake(network)


def awake(network: Any) -> Any:
    """A control network whose convolutions of zeros have weights."""
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def with_free_init() -> Any:
    pipe = animate_diff()
    pipe.enable_free_init(num_iters=2)
    return pipe


def with_free_noise() -> Any:
    pipe = animate_diff(tokenizer=tokenizer())
    pipe.enable_free_noise(context_length=2, context_stride=1)
    return pipe


ROWS = [
    Row("animate-diff", animate_diff, toys.prompt, call=SIZE),
    Row("animate-diff-free-init", with_free_init, toys.prompt, call=SIZE, passes=((0, STEPS),) * 2),
    Row(
        "animate-diff-free-noise",
        with_free_noise,
        lambda n: {
            "prompt": {0: "a cat", 2: "a dog"},
            "negative_prompt": "rain",
            "num_frames": FRAMES + n - 1,  # it makes one video only
            "generator": torch.Generator().manual_seed(3),
        },
        call={"height": 16, "width": 16},
        twin_differs="its motion modules attend in windows, which overlap",
    ),
    Row("animate-diff-xl", animate_diff_xl, pooled, call=SIZE),
    Row(
        "animate-diff-controlnet",
        lambda: animate_diff(AnimateDiffControlNetPipeline, controlnet=controlnet()),
        lambda n: {
            **toys.prompt(),
            "num_frames": FRAMES + n - 1,  # it makes one video only
            "conditioning_frames": list(image(FRAMES + n - 1, 16)),
            "generator": torch.Generator().manual_seed(3),
        },
        call={"height": 16, "width": 16},
    ),
    Row(
        "animate-diff-sparse-controlnet",
        lambda: animate_diff(AnimateDiffSparseControlNetPipeline, controlnet=sparse_controlnet()),
        lambda n: {**toys.prompt(n), "conditioning_frames": image(1, 16), "controlnet_frame_indices": [1]},
        call=SIZE,
    ),
    Row(
        "animate-diff-video-to-video",
        lambda: animate_diff(AnimateDiffVideoToVideoPipeline),
        lambda n: {**toys.prompt(n), "video": frames(n, 16)},
        first=LATE,
        call={"strength": STRENGTH, "height": 16, "width": 16},
    ),
    Row(
        "animate-diff-video-to-video-controlnet",
        lambda: animate_diff(AnimateDiffVideoToVideoControlNetPipeline, controlnet=controlnet()),
        lambda n: {
            **toys.prompt(),
            "video": list(image(FRAMES + n - 1, 16)),  # it takes one video only
            "conditioning_frames": list(image(FRAMES + n - 1, 16)),
            "generator": torch.Generator().manual_seed(3),
        },
        first=LATE,
        call={"strength": STRENGTH, "height": 16, "width": 16},
    ),
    Row(
        "personalized-image-animator",
        lambda: animate_diff(PIAPipeline, motion_adapter=motion_adapter(conv_in_channels=9)),
        lambda n: {**toys.prompt(n), "image": image(n, 16)},
        call=SIZE,
    ),
]
