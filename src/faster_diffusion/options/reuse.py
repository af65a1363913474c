"""What a step that is not key takes from the key steps before it: a run of neighbouring stages."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ..models.layout import unwrap
from ..models.stages import layout_of, stage_names

_HELP = (
    "Use 'encoder' (the paper's), 'decoder:N' (the first N blocks of the decoder too), 'deep:N' (all but the "
    "outermost N blocks of encoder and decoder), or 'output' (the whole network)."
)


@dataclass(frozen=True)
class Split:
    """The stages of a network, in the order in which they run."""

    before: tuple[str, ...]  # computed at every step, on the latent of the step
    kept: tuple[str, ...]  # computed at key steps
    after: tuple[str, ...]  # computed at every step

    @property
    def stages(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.before, *self.kept, *self.after)


@dataclass(frozen=True)
class Reuse:
    """Which stages are reused on steps that are not key.

    ``encoder`` is encoder propagation (Sec. 3.2 of arXiv 2312.09608). ``decoder:N`` goes further into the decoder.
    ``deep:N`` keeps the deep part of a UNet and runs the outermost blocks on the latent of the step, as DeepCache
    (arXiv 2312.00858) does. ``output`` runs nothing: worth it with a forecast only.
    """

    kind: str = "encoder"
    blocks: int = 0

    @classmethod
    def parse(cls, spec: Reuse | str) -> Reuse:
        """Reads what ``str`` writes.

        Raises:
            ValueError: it is none of these.
        """
        if isinstance(spec, Reuse):
            return spec
        kind, _, blocks = spec.strip().partition(":") if isinstance(spec, str) else ("", "", "")
        if kind in ("encoder", "output") and not blocks:
            return cls(kind)
        if kind in ("decoder", "deep") and blocks.isdecimal() and int(blocks) > 0:
            return cls(kind, int(blocks))
        if kind == "layers":
            raise ValueError(
                f"reuse={spec!r} is gone: at no cost was it the best. Use 'output' with a forecast or a gate."
            )
        raise ValueError(f"reuse={spec!r} is not understood. {_HELP}")

    def split(self, network: nn.Module) -> Split:
        """The stages of a network by what becomes of them.

        Raises:
            ValueError: the network has no such part.
        """
        encoder, decoder = stage_names(network)
        if self.kind == "output":
            return Split((), (*encoder, *decoder), ())
        if self.kind == "deep":
            return self._deep(network, encoder, decoder)
        if self.blocks >= len(decoder):
            raise ValueError(
                f"reuse={str(self)!r} leaves no block of the decoder of {type(unwrap(network)).__name__}, which has "
                f"{len(decoder)}, to compute. Use at most 'decoder:{len(decoder) - 1}', or 'output'."
            )
        return Split((), (*encoder, *decoder[: self.blocks]), tuple(decoder[self.blocks :]))

    def _deep(self, network: nn.Module, encoder: list[str], decoder: list[str]) -> Split:
        attribute = layout_of(network).levels
        levels = [name for name in encoder if attribute and name.startswith(f"{attribute}.")]
        if self.blocks >= len(levels):
            name = type(unwrap(network)).__name__
            most = f"at most 'deep:{len(levels) - 1}'" if len(levels) > 1 else "'encoder' or 'output'"
            raise ValueError(f"reuse={str(self)!r} is not for {name}, which has {len(levels)} levels. Use {most}.")
        first, last = encoder.index(levels[self.blocks]), len(decoder) - self.blocks
        return Split(tuple(encoder[:first]), (*encoder[first:], *decoder[:last]), tuple(decoder[last:]))

    def __str__(self) -> str:
        return f"{self.kind}:{self.blocks}" if self.blocks else self.kind
