"""Local editing: latents outside of where chosen words look are the source's (Sec. 3.2 of arXiv 2208.01626)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log

import torch
import torch.nn.functional as F

POSITIONS = 16 * 16  # of the maps that tell where a word looks: the paper's


@dataclass(frozen=True)
class LocalBlend:
    """Keeps an edit where it belongs.

    Args:
        words: what is edited, such as ``("cat", "dog")``. Of these, every prompt uses those that it has. Names of
            things look at their thing; adjectives often look elsewhere.
        threshold: k of the paper, 0 to 1: how much of the largest attention a place needs to be edited. Lower: more is.
    """

    words: str | Sequence[str]
    threshold: float = 0.3

    def __post_init__(self) -> None:
        words = (self.words,) if isinstance(self.words, str) else tuple(self.words)
        object.__setattr__(self, "words", words)
        if not words:
            raise ValueError("LocalBlend.words is empty; name the words that are edited.")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"LocalBlend.threshold is a fraction of the most attention, 0 to 1; got {self.threshold}.")


class Blending:
    """Local blending over one call of a pipeline.

    Uses the layers whose maps are nearest to 16 x 16. Each counts with what it saw when it last ran: under encoder
    propagation that is this step in the decoder, and the last key step in the encoder.

    Args:
        tokens: which of its L tokens a prompt's map is made of, bool of shape (prompts, L), the source first.
        threshold: k of the paper.
    """

    def __init__(self, tokens: torch.Tensor, threshold: float) -> None:
        self._threshold = threshold
        self._weights = tokens / tokens.sum(1, keepdim=True)  # the mean of the tokens' maps
        self._last: dict[str, torch.Tensor] = {}  # layer -> (prompts, images, positions)
        self._chosen = False  # whether _last is reduced to the layers that count
        self._sum: torch.Tensor | float = 0.0  # over steps, of the mean over layers: (prompts, images, h, w)

    def watches(self, layer: str) -> bool:
        """Whether the maps of a layer are needed. Of all, until it is known what there is: the first step is key."""
        return not self._chosen or layer in self._last

    def see(self, layer: str, maps: torch.Tensor) -> None:
        """Takes note of a layer's maps, shape (prompts, images, heads, positions, L)."""
        self._last[layer] = torch.einsum("nkhpl,nl->nkp", maps, self._weights.to(maps)) / maps.shape[2]

    def blend(self, latents: torch.Tensor) -> torch.Tensor:
        """Ends a step: z* <- (1 - mask) z + mask z*, latents of shape (prompts * images, C, H, W)."""
        if not self._chosen:
            positions = min({x.shape[-1] for x in self._last.values()}, key=lambda n: abs(log(n / POSITIONS)))
            self._last = {layer: x for layer, x in self._last.items() if x.shape[-1] == positions}
            self._chosen = True
        maps = torch.stack(list(self._last.values())).mean(0).float()
        self._sum = self._sum + maps.unflatten(-1, _sides(maps.shape[-1], latents.shape[-2:]))
        by_prompt = latents.unflatten(0, (len(self._weights), -1))
        masks = self.masks(latents.shape[-2:])
        edited = torch.where(masks[1:] | masks[:1], by_prompt[1:], by_prompt[:1])
        return torch.cat([by_prompt[:1], edited]).flatten(0, 1)

    def masks(self, size: Sequence[int]) -> torch.Tensor:
        """Where each prompt's words look, averaged over steps; bool of shape (prompts, images, 1, H, W)."""
        maps = F.interpolate(torch.as_tensor(self._sum), tuple(size), mode="bilinear")
        largest = maps.amax((-2, -1), keepdim=True)
        return (maps > self._threshold * largest)[:, :, None]


def _sides(positions: int, latent: Sequence[int]) -> tuple[int, int]:
    """Height and width of a layer that sees a latent, halved some times, as so many positions."""
    height, width = latent
    while height * width > positions:
        height, width = ceil(height / 2), ceil(width / 2)
    return height, width
