"""What the rows of the batch that a pipeline gives its network are."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Rows(Enum):
    """For each image, the batch has ..."""

    SINGLE = "one row"
    PAIRED = "a row without and one with the prompt, on the same latent"
    OTHER = "rows of its own kind"


def rows_of(pipe: Any, own: Rows | None) -> Rows | None:
    """What a pipeline says of the call under way; ``None`` where only the batch can tell.

    Args:
        own: what is known of its class.
    """
    if own is not None:
        return own
    if getattr(pipe, "do_perturbed_attention_guidance", False):
        return Rows.OTHER
    loop = getattr(type(pipe).__call__, "__module__", None) or ""
    guided = getattr(pipe, "do_classifier_free_guidance", None)
    if guided is None or not loop.startswith("diffusers."):  # a loop of the user's may do as it likes
        return None
    return Rows.PAIRED if guided else Rows.SINGLE
