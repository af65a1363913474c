"""Attention of edited prompts under the control of the source prompt's (Algorithm 1 of arXiv 2208.01626).

Rows of a batch are prompts times images, the source prompt first; with guidance as many rows without a prompt come
before. Only rows of edited prompts change: the others go through the processors that the network had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F

LAYERS = ("attn1.processor", "attn2.processor")  # those of transformer blocks


@dataclass(frozen=True)
class Edit:
    """What happens to the attention maps of E edited prompts of L tokens. Fractions are of the steps, 0 to 1."""

    alignment: torch.Tensor  # (E, L, L): from the source's tokens to those of each edited prompt
    fraction: torch.Tensor  # (E, L): for how long a token takes the source's map; 0 where it has no counterpart
    scale: torch.Tensor  # (E, L): what a token's map is multiplied by, in all steps
    self_share: float  # for how long self-attention looks where the source's does
    self_pixels: int  # only in layers of at most so many positions

    def maps(self, source: torch.Tensor, own: torch.Tensor, progress: float) -> torch.Tensor:
        """Edit(M_t, M*_t, t) of Sec. 3.2: word swap, refinement and re-weighting are one formula.

        Args:
            source: M_t, the source's maps, shape (images, heads, positions, L).
            own: M*_t, those of the edited prompts, shape (E, images, heads, positions, L).
            progress: the share of steps that are done.
        """
        aligned = torch.einsum("khpl,elj->ekhpj", source, self.alignment.to(source))
        injected = (progress < self.fraction).to(own.device)[:, None, None, None]
        scale = self.scale.to(own)[:, None, None, None]
        return scale * torch.where(injected, aligned, own)

    def edits_maps(self, progress: float) -> bool:
        """Whether cross-attention maps are edited at a step."""
        return bool((progress < self.fraction).any() or (self.scale != 1).any())

    def edits_self(self, progress: float, pixels: int) -> bool:
        """Whether self-attention is the source's at a step."""
        return progress < self.self_share and pixels <= self.self_pixels


class Watcher(Protocol):
    """Looks at cross-attention."""

    def watches(self, layer: str) -> bool:
        """Whether the maps of a layer are needed."""

    def see(self, layer: str, maps: torch.Tensor) -> None:
        """M_t and M*_t of a layer that runs, shape (prompts, images, heads, positions, L)."""


class AttentionControl:
    """Edits attention over one call of a pipeline.

    Which step it is comes from whoever runs the loop, who sets ``step``. Calls of layers do not tell it: under encoder
    propagation, layers of the encoder run in some steps only.

    Args:
        images: how many are made of each prompt.
        steps: gives the number of sampling steps.
        watcher: is shown the maps of cross-attention before they are edited.
    """

    def __init__(
        self,
        edit: Edit,
        images: int,
        steps: Callable[[], int],
        watcher: Watcher | None = None,
    ) -> None:
        self.step = 0
        self._edit, self._images, self._steps, self._watcher = edit, images, steps, watcher
        self._prompts = 1 + len(edit.fraction)

    def attend(
        self,
        name: str,
        original: Callable[..., torch.Tensor],
        attn: Any,
        hidden: torch.Tensor,
        context: torch.Tensor | None,
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        """The output of an attention layer, shape (rows, positions, channels), as ``original`` would give it.

        Args:
            hidden: (rows, positions, channels).
            context: the prompts, shape (rows, L, width); ``None`` in self-attention.

        Raises:
            RuntimeError: the rows are not those of all prompts and images, once or, with guidance, twice.
        """
        rows = self._prompts * self._images
        for batch in (hidden,) if context is None else (hidden, context):
            if len(batch) in (rows, 2 * rows):
                continue
            raise RuntimeError(
                f"Prompt-to-prompt expects {rows} or {2 * rows} rows in a batch, not {len(batch)}; "
                "leave the number of prompts and images as it is during a run."
            )
        progress = self.step / self._steps()
        conditional = hidden[-rows:]
        edited: torch.Tensor | None = None
        if context is None:
            if self._edit.edits_self(progress, hidden.shape[1]):
                edited = self._self_attention(attn, conditional)
        else:
            edited = self._cross_attention(name, attn, conditional, context[-rows:], progress)
        if edited is None:
            return original(attn, hidden, context, *args, **kwargs)
        unedited = len(hidden) - len(edited)
        others = original(attn, hidden[:unedited], None if context is None else context[:unedited], *args, **kwargs)
        return torch.cat([others, edited])

    def _self_attention(self, attn: Any, hidden: torch.Tensor) -> torch.Tensor:
        """The source's maps on the values of the edited prompts, without making the maps."""
        source, edited = hidden[: self._images], hidden[self._images :]
        query, key = (x.repeat(self._prompts - 1, 1, 1, 1) for x in _queries_and_keys(attn, source, source))
        return _output(attn, F.scaled_dot_product_attention(query, key, _heads(attn, attn.to_v(edited))))

    def _cross_attention(
        self, name: str, attn: Any, hidden: torch.Tensor, context: torch.Tensor, progress: float
    ) -> torch.Tensor | None:
        edits = self._edit.edits_maps(progress)
        watcher = self._watcher if self._watcher is not None and self._watcher.watches(name) else None
        if not edits and watcher is None:
            return None
        query, key = _queries_and_keys(attn, hidden, context)
        maps = attn.get_attention_scores(query.flatten(0, 1), key.flatten(0, 1))
        maps = maps.unflatten(0, (self._prompts, self._images, attn.heads))
        if watcher is not None:
            watcher.see(name, maps)
        if not edits:
            return None
        value = _heads(attn, attn.to_v(context[self._images :]))
        return _output(attn, self._edit.maps(maps[0], maps[1:], progress).flatten(0, 1) @ value)


class ControlledAttention:
    """Stands in for the processor of an attention layer."""

    def __init__(self, name: str, original: Callable[..., torch.Tensor], control: AttentionControl) -> None:
        self._name, self._original, self._control = name, original, control

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        """What the layer gives, its maps shown to the control or replaced by it."""
        return self._control.attend(
            self._name, self._original, attn, hidden_states, encoder_hidden_states, *args, **kwargs
        )


@contextmanager
def controlled(network: Any, control: AttentionControl) -> Iterator[None]:
    """Within it, ``control`` has the attention layers of a network. Afterwards they have their processors again."""
    before = network.attn_processors
    stand_ins = {
        name: ControlledAttention(name, processor, control) if name.endswith(LAYERS) else processor
        for name, processor in before.items()
    }
    network.set_attn_processor(stand_ins)
    try:
        yield
    finally:
        network.set_attn_processor(dict(before))


def has_cross_attention(network: Any) -> bool:
    """Whether the network has transformer blocks that look at a prompt."""
    return any(name.endswith(LAYERS[1]) for name in getattr(network, "attn_processors", {}))


def _queries_and_keys(attn: Any, hidden: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    query, key = _heads(attn, attn.to_q(hidden)), _heads(attn, attn.to_k(context))
    if attn.norm_q is not None:
        query = attn.norm_q(query)
    if attn.norm_k is not None:
        key = attn.norm_k(key)
    return query, key


def _heads(attn: Any, x: torch.Tensor) -> torch.Tensor:
    """(rows, positions, heads * width) to (rows, heads, positions, width)."""
    return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)


def _output(attn: Any, x: torch.Tensor) -> torch.Tensor:
    """What a layer makes of its attended values, shape (rows, heads, positions, width)."""
    x = x.transpose(1, 2).flatten(2)
    for layer in attn.to_out:
        x = layer(x)
    return x / attn.rescale_output_factor
