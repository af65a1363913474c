"""Prompts longer than a text encoder takes, read in chunks whose embeddings follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from . import videos
from .errors import UnwantedError
from .tokens import is_cut, tokenizers


def can_be_read(pipe: Any) -> bool:
    """Whether a pipeline's text encoders, all of them CLIP's, can be asked for chunks."""
    clip = [type(tokenizer).__name__.startswith("CLIP") for tokenizer in tokenizers(pipe)]
    asked = hasattr(pipe, "encode_prompt") and "negative_prompt_embeds" in videos.call_parameters(pipe)
    return asked and bool(clip) and all(clip)


def check(pipe: Any) -> None:
    """Refuses pipelines that cannot read them.

    Raises:
        InputError: says why.
    """
    if not can_be_read(pipe):
        reason = f"{type(pipe).__name__} cannot read prompts in chunks, as those with CLIP text encoders alone can"
        raise UnwantedError(reason, "long_prompts")


def chunks(pipe: Any, text: str) -> list[str]:
    """A prompt in pieces that every text encoder reads in full, cut between words where they are short enough."""
    pieces: list[str] = []
    for word in (part for whole in text.split() for part in _parts(pipe, whole)):
        longer = f"{pieces[-1]} {word}" if pieces else word
        if pieces and not is_cut(pipe, longer):
            pieces[-1] = longer
        else:
            pieces.append(word)
    return pieces or [""]


def count(pipe: Any, text: str, negative: str | None) -> int:
    """How many chunks an image needs: as many for what it should show as for what it should not."""
    return max(len(chunks(pipe, text)), len(chunks(pipe, negative or "")))


@torch.no_grad()
def arguments(pipe: Any, texts: Sequence[str], negative: str | None) -> dict[str, Any]:
    """What a pipeline is called with for prompts of equally many chunks: embeddings, (images, chunks x tokens, width).

    Nothing where one chunk is all: such prompts are given as they are. Missing chunks are empty prompts. Where an
    encoder sums up a prompt (SDXL), it is the first chunk's sum.
    """
    number = count(pipe, texts[0], negative)
    if number == 1:
        return {}

    def padded(text: str) -> list[str]:
        pieces = chunks(pipe, text)
        return pieces + [""] * (number - len(pieces))

    encoded = pipe.encode_prompt(
        prompt=[piece for text in texts for piece in padded(text)],
        device=pipe._execution_device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=True,
        negative_prompt=None if negative is None else padded(negative) * len(texts),
    )
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    read = {
        name: values[::number] if name.startswith(("pooled", "negative_pooled")) else _joined(values, len(texts))
        for name, values in zip(names, encoded, strict=False)
    }
    return {"prompt": None, "negative_prompt": None, **read}


def _parts(pipe: Any, word: str) -> list[str]:
    if len(word) < 2 or not is_cut(pipe, word):
        return [word]
    half = len(word) // 2
    return [*_parts(pipe, word[:half]), *_parts(pipe, word[half:])]


def _joined(embeddings: torch.Tensor, images: int) -> torch.Tensor:
    return embeddings.reshape(images, -1, embeddings.shape[-1])
