"""Pipelines that make sound: latents of a spectrogram."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AudioLDM2Pipeline,
    AudioLDM2UNet2DConditionModel,
    AudioLDMPipeline,
    AutoencoderKL,
    DDIMScheduler,
    MusicLDMPipeline,
)
from transformers import (
    ClapTextConfig,
    ClapTextModelWithProjection,
    GPT2Config,
    GPT2LMHeadModel,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    T5Config,
    T5EncoderModel,
)

from specimens import toys

from .common import Row

WIDTH = 16  # of AudioLDM's prompt, one vector
LENGTH = {"audio_length_in_s": 32 * 4 / 16000}  # 32 frames of the spectrogram: 16x8 latents


def vae() -> AutoencoderKL:
    torch.manual_seed(1)
    network = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
    )
    return network.eval()


def vocoder() -> SpeechT5HifiGan:
    torch.manual_seed(8)
    config = SpeechT5HifiGanConfig(
        model_in_dim=16,
        sampling_rate=16000,
        upsample_initial_channel=8,
        upsample_rates=[2, 2],
        upsample_kernel_sizes=[4, 4],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        normalize_before=False,
    )
    network = SpeechT5HifiGan(config)
    for convolution in (network.conv_pre, network.conv_post):
        torch.nn.init.normal_(convolution.weight, std=10)  # loud enough that a difference in the latents is heard
    return network.eval()


def of_one_vector(cls: type, **more: Any) -> Any:
    """AudioLDM and MusicLDM: the prompt is a class embedding, joined to that of the time."""
    channels = (8, 8, 16)
    network = toys.unet(
        block_out_channels=channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=channels,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=WIDTH,
        class_embeddings_concat=True,
    )
    torch.manual_seed(2)
    text = ClapTextConfig(
        hidden_size=16,
        intermediate_size=16,
        num_attention_heads=2,
        num_hidden_layers=1,
        projection_dim=WIDTH,
        vocab_size=100,
    )
    return cls(
        vae=vae(),
        text_encoder=ClapTextModelWithProjection(text).eval(),
        tokenizer=None,
        unet=network,
        scheduler=DDIMScheduler(**toys.SCHEDULER),
        vocoder=vocoder(),
        **more,
    )


def of_two_prompts() -> Any:
    """AudioLDM 2: attends to the words, and to what a language model makes of them."""
    torch.manual_seed(0)
    network = AudioLDM2UNet2DConditionModel(
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        cross_attention_dim=((None, WIDTH, toys.TEXT[-1]),) * 3,
        attention_head_dim=4,
    )
    torch.manual_seed(2)
    words = T5Config(vocab_size=100, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    language = GPT2Config(vocab_size=100, n_positions=16, n_embd=16, n_layer=1, n_head=2)
    return AudioLDM2Pipeline(
        vae=vae(),
        text_encoder=None,
        text_encoder_2=T5EncoderModel(words).eval(),
        projection_model=None,
        language_model=GPT2LMHeadModel(language).eval(),
        tokenizer=None,
        tokenizer_2=None,
        feature_extractor=None,
        unet=network.eval(),
        scheduler=DDIMScheduler(**toys.SCHEDULER),
        vocoder=vocoder(),
    )


def vectors(n: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(12)
    return {
        "prompt_embeds": torch.randn((n, WIDTH), generator=generator),
        "negative_prompt_embeds": torch.randn((n, WIDTH), generator=generator),
    }


def two_prompts(n: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(12)
    mask = torch.ones(n, toys.TEXT[1], dtype=torch.long)
    mask[:, -1] = 0  # padding
    return {
        **toys.prompt(n),
        "attention_mask": mask,
        "negative_attention_mask": mask,
        "generated_prompt_embeds": torch.randn((n, 3, WIDTH), generator=generator),
        "negative_generated_prompt_embeds": torch.randn((n, 3, WIDTH), generator=generator),
    }


ROWS = [
    Row("audio-ldm", lambda: of_one_vector(AudioLDMPipeline), vectors, call={**LENGTH, "output_type": "pt"}),
    Row("music-ldm", lambda: of_one_vector(MusicLDMPipeline, feature_extractor=None), vectors, call=LENGTH),
    Row("audio-ldm-2", of_two_prompts, two_prompts, call=LENGTH),
]
