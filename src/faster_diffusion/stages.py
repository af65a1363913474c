"""What a network consists of: the stages that a plan may compute or reuse.

A new UNet class is one entry of ``LAYOUTS``. Nothing else knows attribute names of networks.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    residuals: tuple[str, ...] = ()  # arguments added to the encoder's output (ControlNet): kept with it
    encoder_inputs: tuple[str, ...] = ()  # arguments that encoder stages take in (T2I-Adapter): not read later
    frames: int | None = None  # dimension of the sample that counts the frames of a video


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
}


def unwrap(network: nn.Module) -> nn.Module:
    """The network itself, if ``torch.compile(network)`` wrapped it."""
    inner = getattr(network, "_orig_mod", network)
    return inner if isinstance(inner, nn.Module) else network


def layout_of(network: nn.Module) -> Layout:
    """The stages of a network.

    Raises:
        ValueError: the class of the network has no entry in ``LAYOUTS``.
    """
    for cls in type(unwrap(network)).__mro__:
        if cls.__name__ in LAYOUTS:
            return LAYOUTS[cls.__name__]
    raise ValueError(
        f"{type(unwrap(network)).__name__} cannot be accelerated: its stages are not known. "
        f"Networks that can: {', '.join(LAYOUTS)}."
    )


def is_encoder_stage(layout: Layout, stage: str) -> bool:
    """Whether a stage name such as ``"down_blocks.1"`` belongs to the encoder."""
    return stage.partition(".")[0] in layout.encoder
