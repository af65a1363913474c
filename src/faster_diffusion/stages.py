"""What a network consists of: the stages that a plan may compute or reuse.

A new UNet class is one entry of ``LAYOUTS``. Nothing else knows attribute names of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Layout:
    """Attribute names of the stages, in the order in which they run.

    An attribute that is a ``ModuleList`` is as many stages as it has entries. ``encoder`` ends with the last stage
    that is reused on a non-key step (the bottleneck included); ``decoder`` runs at every step; what is in neither
    (embeddings, output head) is cheap and runs at every step.
    """

    encoder: tuple[str, ...]
    decoder: tuple[str, ...]
    split: float = 0  # share of the entries that an attribute in both has in the encoder
    sample: str = "sample"  # argument with the latent
    entrances: tuple[str, ...] = ()  # stages that take arguments of the network; by default the first
    changed: tuple[str, ...] = ()  # stages whose output the network changes in place
    joins: bool = False  # the network joins skip features to the decoder's input itself, outside of stages
    residuals: tuple[str, ...] = ()  # arguments added to the encoder's output (ControlNet): kept with it
    encoder_inputs: tuple[str, ...] = ()  # arguments that encoder stages take in (T2I-Adapter): not read later
    shared: tuple[str, ...] = ()  # arguments without a row for each sample
    frames: int | None = None  # dimension of the sample that counts the frames of a video
    prompted: int = 1  # which half of a guided batch has the prompt
    levels: str = "down_blocks"  # the part of the encoder whose entries hand skip features to the decoder, if any does


_DIT = 18 / 28  # the paper's split of DiT-XL

LAYOUTS = {
    "UNet2DConditionModel": Layout(
        encoder=("conv_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        residuals=("down_block_additional_residuals", "mid_block_additional_residual"),
        encoder_inputs=("down_intrablock_additional_residuals",),
    ),
    "UNet2DModel": Layout(encoder=("conv_in", "down_blocks", "mid_block"), decoder=("up_blocks",)),
    "UNet3DConditionModel": Layout(
        encoder=("conv_in", "transformer_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        residuals=("down_block_additional_residuals", "mid_block_additional_residual"),
        frames=2,
    ),
    "UNetMotionModel": Layout(
        encoder=("conv_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        residuals=("down_block_additional_residuals", "mid_block_additional_residual"),
        frames=2,
    ),
    "UNetSpatioTemporalConditionModel": Layout(
        encoder=("conv_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        frames=1,
    ),
    "I2VGenXLUNet": Layout(
        encoder=("conv_in", "transformer_in", "down_blocks", "mid_block"),
        decoder=("up_blocks",),
        frames=2,
    ),
    "AudioLDM2UNet2DConditionModel": Layout(encoder=("conv_in", "down_blocks", "mid_block"), decoder=("up_blocks",)),
    "Kandinsky3UNet": Layout(encoder=("conv_in", "down_blocks"), decoder=("up_blocks",), joins=True),
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
    ),
    "DiTTransformer2DModel": Layout(
        encoder=("pos_embed", "transformer_blocks"),
        decoder=("transformer_blocks",),
        split=_DIT,
        sample="hidden_states",
        prompted=0,
        levels="",
    ),
    "PixArtTransformer2DModel": Layout(
        encoder=("pos_embed", "transformer_blocks"),
        decoder=("transformer_blocks",),
        split=_DIT,
        sample="hidden_states",
        levels="",
    ),
    "HunyuanDiT2DModel": Layout(
        encoder=("pos_embed", "blocks"),
        decoder=("blocks",),
        residuals=("controlnet_block_samples",),
        split=_DIT,
        sample="hidden_states",
        shared=("image_rotary_emb",),
        levels="",
    ),
}


def network_of(pipe: Any) -> nn.Module:
    """The network that a pipeline calls at every step: its UNet, or its transformer.

    Raises:
        ValueError: it has neither.
    """
    for name in ("unet", "transformer"):
        network = getattr(pipe, name, None)
        if isinstance(network, nn.Module):
            return network
    raise ValueError(f"{type(pipe).__name__} has neither UNet nor transformer.")


def networks_of(pipe: Any) -> list[nn.Module]:
    """That network, and the one that controls it if there is one."""
    control = getattr(pipe, "controlnet", None)
    return [network_of(pipe), *([control] if isinstance(control, nn.Module) else [])]


def unwrap(network: nn.Module) -> nn.Module:
    """The network itself, if ``torch.compile(network)`` wrapped it."""
    inner = getattr(network, "_orig_mod", network)
    return inner if isinstance(inner, nn.Module) else network


def is_known(network: nn.Module) -> bool:
    """Whether the class of a network, or one that it inherits from, has an entry in ``LAYOUTS``."""
    return _entry(network) is not None


def layout_of(network: nn.Module) -> Layout:
    """The stages of a network.

    Raises:
        ValueError: the class of the network is not known.
    """
    layout = _entry(network)
    if layout is not None:
        return layout
    raise ValueError(
        f"{type(unwrap(network)).__name__} cannot be accelerated: its stages are not known. "
        f"Networks that can: {', '.join(LAYOUTS)}."
    )


def _entry(network: nn.Module) -> Layout | None:
    return next((LAYOUTS[cls.__name__] for cls in type(unwrap(network)).__mro__ if cls.__name__ in LAYOUTS), None)


def stage_names(network: nn.Module) -> tuple[list[str], list[str]]:
    """The stages of encoder and decoder as ``"conv_in"``, ``"down_blocks.0"``, ..., in the order in which they run."""
    layout = layout_of(network)
    encoder = [name for attribute in layout.encoder for name in _entries(network, attribute)]
    decoder = [name for attribute in layout.decoder for name in _entries(network, attribute)]
    for attribute in set(layout.encoder) & set(layout.decoder):
        entries = _entries(network, attribute)
        kept = round(layout.split * len(entries))
        encoder = [name for name in encoder if name not in entries[kept:]]
        decoder = [name for name in decoder if name not in entries[:kept]]
    return encoder, decoder


def _entries(network: nn.Module, attribute: str) -> list[str]:
    module = getattr(unwrap(network), attribute, None)
    if isinstance(module, nn.ModuleList):
        return [f"{attribute}.{i}" for i in range(len(module))]
    return [attribute] if isinstance(module, nn.Module) else []
