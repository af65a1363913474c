"""Kandinsky 2.1 and 2.2, whose UNet reads image embeddings, and Kandinsky 3, with a UNet of its own kind."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    Kandinsky3Img2ImgPipeline,
    Kandinsky3Pipeline,
    Kandinsky3UNet,
    KandinskyImg2ImgPipeline,
    KandinskyInpaintPipeline,
    KandinskyPipeline,
    KandinskyV22CombinedPipeline,
    KandinskyV22ControlnetImg2ImgPipeline,
    KandinskyV22ControlnetPipeline,
    KandinskyV22Img2ImgPipeline,
    KandinskyV22InpaintPipeline,
    KandinskyV22Pipeline,
    PriorTransformer,
    UnCLIPScheduler,
    VQModel,
)
from diffusers.models.embeddings import Timesteps
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from specimens import toys

from .common import DOUBLE, LATE, STRENGTH, Row, image, right_half, tokenizer

WIDTH = 16  # of texts and images as embeddings
SIZE = {"height": 32, "width": 32}
SMALL_CHANGE = {**SIZE, "strength": STRENGTH}


def movq(levels: int = 2) -> VQModel:
    torch.manual_seed(1)
    network = VQModel(
        block_out_channels=(4,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        norm_num_groups=4,
        latent_channels=4,
        vq_embed_dim=4,
        num_vq_embeddings=8,
    )
    return network.eval()


def unet(**config: Any) -> Any:
    """Of the kinds of blocks of Kandinsky 2; predicts a variance too."""
    return toys.unet(
        out_channels=8,
        block_out_channels=(8, 8, 16),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
        encoder_hid_dim=WIDTH,
        **config,
    )


def scheduler() -> Any:
    return DDIMScheduler(**toys.SCHEDULER)


def first(cls: type, **config: Any) -> Any:
    """2.1: reads the text as well."""
    torch.manual_seed(2)
    text = MCLIPConfig(
        transformerDimSize=WIDTH,
        imageDimSize=WIDTH,
        hidden_size=WIDTH,
        intermediate_size=16,
        num_attention_heads=2,
        num_hidden_layers=1,
        vocab_size=100,
        max_position_embeddings=90,
    )
    return cls(
        text_encoder=MultilingualCLIP(text).eval(),
        tokenizer=tokenizer(),
        unet=unet(addition_embed_type="text_image", encoder_hid_dim_type="text_image_proj", **config),
        scheduler=scheduler(),
        movq=movq(),
    )


def second(cls: type = KandinskyV22Pipeline, kind: str = "image", **config: Any) -> Any:
    """2.2: reads image embeddings alone, and the hint of a control picture where its kind has one."""
    network = unet(addition_embed_type=kind, encoder_hid_dim_type="image_proj", **config)
    return cls(unet=network, scheduler=scheduler(), movq=movq())


def second_combined() -> Any:
    torch.manual_seed(7)
    size = {"hidden_size": WIDTH, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    text = CLIPTextConfig(**size, projection_dim=WIDTH, vocab_size=100, eos_token_id=53)
    vision = CLIPVisionConfig(**size, projection_dim=WIDTH, image_size=32, patch_size=16)
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, num_layers=1, embedding_dim=WIDTH, num_embeddings=16
    )
    return KandinskyV22CombinedPipeline(
        **second().components,
        prior_prior=prior.eval(),
        prior_image_encoder=CLIPVisionModelWithProjection(vision).eval(),
        prior_text_encoder=CLIPTextModelWithProjection(text).eval(),
        prior_tokenizer=tokenizer(),
        prior_scheduler=UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample_range=5.0
        ),
        prior_image_processor=CLIPImageProcessor(crop_size=32, size=32),
    )


class InItsPrecision(Timesteps):
    """Hands times on in the precision that the embedding of them has; diffusers leaves them in single precision."""

    batch_independent = True

    def forward(self, timesteps: torch.Tensor) -> torch.Tensor:
        return super().forward(timesteps).to(DOUBLE)


def third(cls: type) -> Any:
    torch.manual_seed(0)
    network = Kandinsky3UNet(
        time_embedding_dim=16,
        groups=4,
        attention_head_dim=4,
        layers_per_block=3,
        block_out_channels=(8, 16),
        cross_attention_dim=8,
        encoder_hid_dim=toys.TEXT[-1],
    )
    network.time_proj.__class__ = InItsPrecision
    return cls(tokenizer=None, text_encoder=None, unet=network.eval(), scheduler=DDPMScheduler(), movq=movq(levels=4))


def embedded(n: int) -> dict[str, Any]:
    """In the precision of the network: without guidance diffusers hands them on as they are."""
    generator = torch.Generator().manual_seed(12)
    return {
        "image_embeds": torch.randn((n, WIDTH), generator=generator).to(DOUBLE),
        "negative_image_embeds": torch.randn((n, WIDTH), generator=generator).to(DOUBLE),
    }


def hinted(n: int) -> dict[str, Any]:
    return {**embedded(n), "hint": image(n, 128).to(DOUBLE)}


def prompted(n: int) -> dict[str, Any]:
    return {**embedded(n), "prompt": ["a cat", "a red dog"][:n], "negative_prompt": ["rain"] * n}


def masked(n: int) -> dict[str, Any]:
    return {"image": image(n), "mask_image": right_half(n)}


def attended(n: int) -> dict[str, Any]:
    """Prompts of which one token is padding."""
    mask = torch.ones(n, toys.TEXT[1], dtype=DOUBLE)
    mask[:, -1] = 0
    prompts = {name: embeds.to(DOUBLE) for name, embeds in toys.prompt(n).items()}
    return {**prompts, "attention_mask": mask, "negative_attention_mask": mask}


ROWS = [
    Row("kandinsky-2.1", lambda: first(KandinskyPipeline), prompted, call={**SIZE, "output_type": "pt"}),
    Row(
        "kandinsky-2.1-image-to-image",
        lambda: first(KandinskyImg2ImgPipeline),
        lambda n: {**prompted(n), "image": image(n)},
        first=LATE,
        call={**SMALL_CHANGE, "output_type": "pt"},
    ),
    Row(
        "kandinsky-2.1-inpaint",
        lambda: first(KandinskyInpaintPipeline, in_channels=9),
        lambda n: {**prompted(n), **masked(n)},
        call={**SIZE, "output_type": "pt"},
    ),
    Row("kandinsky-2.2", second, embedded, call=SIZE),
    Row(
        "kandinsky-2.2-image-to-image",
        lambda: second(KandinskyV22Img2ImgPipeline),
        lambda n: {**embedded(n), "image": image(n)},
        first=LATE,
        call=SMALL_CHANGE,
    ),
    Row(
        "kandinsky-2.2-inpaint",
        lambda: second(KandinskyV22InpaintPipeline, in_channels=9),
        lambda n: {**embedded(n), **masked(n)},
        call=SIZE,
    ),
    Row(
        "kandinsky-2.2-hint",
        lambda: second(KandinskyV22ControlnetPipeline, "image_hint", in_channels=8),
        hinted,
        call={**SIZE, "output_type": "pt"},
    ),
    Row(
        "kandinsky-2.2-hint-image-to-image",
        lambda: second(KandinskyV22ControlnetImg2ImgPipeline, "image_hint", in_channels=8),
        lambda n: {**hinted(n), "image": image(n)},
        first=LATE,
        call={**SMALL_CHANGE, "output_type": "pt"},
    ),
    Row(
        "kandinsky-2.2-combined",
        second_combined,
        lambda n: {
            "prompt": ["a cat", "a red dog"][:n],
            "negative_prompt": ["rain"] * n,
            "generator": torch.Generator().manual_seed(3),
        },
        call={**SIZE, "prior_num_inference_steps": 2},
    ),
    Row("kandinsky-3", lambda: third(Kandinsky3Pipeline), attended, call=SIZE),
    Row(
        "kandinsky-3-image-to-image",
        lambda: third(Kandinsky3Img2ImgPipeline),
        lambda n: {**attended(n), "image": image(n)},
        first=LATE,
        call={"strength": STRENGTH},
    ),
]
