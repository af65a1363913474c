"""Networks that are controlled: ControlNet, ControlNet-Union, ControlNet-XS, T2I-Adapter."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    ControlNetModel,
    ControlNetUnionModel,
    ControlNetXSAdapter,
    StableDiffusionAdapterPipeline,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionControlNetXSPipeline,
    StableDiffusionXLAdapterPipeline,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetInpaintPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLControlNetUnionPipeline,
    StableDiffusionXLControlNetXSPipeline,
    T2IAdapter,
)

from specimens import toys

from .common import LATE, STRENGTH, Row, image, right_half
from .xl import pooled, xl

XS = {  # ControlNet-XS counts on two layers a block
    "layers_per_block": 2,
    "block_out_channels": (8, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}
HINT = {"conditioning_embedding_out_channels": (4, 8)}
SIZE = {"height": 32, "width": 32}


def awake(network: Any) -> Any:
    """Convolutions that lead out of a control network start at zero, so that it would not matter."""
    generator = torch.Generator().manual_seed(7)
    for parameter in network.parameters():
        if parameter.ndim > 1 and not parameter.any():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.4
    return network.eval()


def control_of(unet: Any) -> Any:
    torch.manual_seed(6)
    return awake(ControlNetModel.from_unet(unet, **HINT))


def union_of(unet: Any) -> Any:
    torch.manual_seed(6)
    names = ("block_out_channels", "layers_per_block", "norm_num_groups", "cross_attention_dim", "attention_head_dim")
    added = ("addition_embed_type", "addition_time_embed_dim", "projection_class_embeddings_input_dim")
    return awake(
        ControlNetUnionModel(
            **{name: unet.config[name] for name in (*names, *added)},
            **HINT,
            num_trans_channel=8,
            num_trans_head=2,
            num_proj_channel=8,
        )
    )


def xs_of(unet: Any) -> Any:
    torch.manual_seed(6)
    return awake(ControlNetXSAdapter.from_unet(unet, size_ratio=0.5, learn_time_embedding=True, **HINT))


def adapter(kind: str, channels: tuple[int, ...], downscale: int) -> Any:
    torch.manual_seed(6)
    adapter = T2IAdapter(channels=channels, num_res_blocks=1, downscale_factor=downscale, adapter_type=kind)
    return adapter.eval()


def controlled(cls: Any = StableDiffusionControlNetPipeline, make: Any = control_of, **unet: Any) -> Any:
    pipe = toys.stable_diffusion(toys.unet(**unet))
    return cls.from_pipe(pipe, controlnet=make(pipe.unet))


def controlled_xl(cls: Any, make: Any = control_of, **unet: Any) -> Any:
    pipe = xl(**unet)
    return cls.from_pipe(pipe, controlnet=make(pipe.unet))


def adapted() -> Any:
    return StableDiffusionAdapterPipeline.from_pipe(
        toys.stable_diffusion(), adapter=adapter("full_adapter", (8, 8, 16, 16), 2)
    )


def adapted_xl() -> Any:
    """Blocks as in SDXL: the adapter's last features belong to the bottleneck."""
    pipe = xl(
        block_out_channels=(8, 16, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        use_linear_projection=True,
    )
    return StableDiffusionXLAdapterPipeline.from_pipe(pipe, adapter=adapter("full_adapter_xl", (8, 16, 16, 16), 4))


def edges(n: int) -> torch.Tensor:
    return (image(n) > 0.5).float()


def with_edges(n: int) -> dict[str, Any]:
    return {**toys.prompt(n), "image": edges(n)}


def with_edges_xl(n: int) -> dict[str, Any]:
    return {**pooled(n), "image": edges(n)}


def redrawn(n: int, prompt: Any = toys.prompt) -> dict[str, Any]:
    return {**prompt(n), "image": image(n), "control_image": edges(n)}


ROWS = [
    Row("controlnet", controlled, with_edges),
    Row(
        "controlnet-several",
        lambda: controlled(make=lambda unet: [control_of(unet), control_of(unet)]),
        lambda n: {**toys.prompt(n), "image": [edges(n), 1 - edges(n)]},
        call={"controlnet_conditioning_scale": [0.5, 0.7]},
    ),
    Row("controlnet-guess-mode", controlled, with_edges, call={"guess_mode": True}),
    Row(
        "controlnet-image-to-image",
        lambda: controlled(StableDiffusionControlNetImg2ImgPipeline),
        redrawn,
        first=LATE,
        call={"strength": STRENGTH},
    ),
    Row(
        "controlnet-inpaint",
        lambda: controlled(StableDiffusionControlNetInpaintPipeline),
        lambda n: {**redrawn(n), "mask_image": right_half(n)},
        call={**SIZE, "strength": 1.0},
    ),
    Row("controlnet-xl", lambda: controlled_xl(StableDiffusionXLControlNetPipeline), with_edges_xl),
    Row(
        "controlnet-xl-image-to-image",
        lambda: controlled_xl(StableDiffusionXLControlNetImg2ImgPipeline),
        lambda n: redrawn(n, pooled),
        first=LATE,
        call={"strength": STRENGTH},
    ),
    Row(
        "controlnet-xl-inpaint",
        lambda: controlled_xl(StableDiffusionXLControlNetInpaintPipeline),
        lambda n: {**redrawn(n, pooled), "mask_image": right_half(n)},
        call={**SIZE, "strength": 1.0},
    ),
    Row(
        "controlnet-union-xl",
        lambda: controlled_xl(StableDiffusionXLControlNetUnionPipeline, union_of),
        lambda n: {**pooled(n), "control_image": [edges(n)]},
        call={"control_mode": [3]},
    ),
    Row(
        "controlnet-xs",
        lambda: controlled(StableDiffusionControlNetXSPipeline, xs_of, **XS),
        with_edges,
    ),
    Row(
        "controlnet-xs-xl",
        lambda: controlled_xl(StableDiffusionXLControlNetXSPipeline, xs_of, **XS),
        with_edges_xl,
    ),
    Row("t2i-adapter", adapted, with_edges),
    Row("t2i-adapter-xl", adapted_xl, with_edges_xl),
]
