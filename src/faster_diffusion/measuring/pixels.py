"""Fidelity of one picture to another, pixel by pixel."""

from __future__ import annotations

import numpy as np
from PIL import Image

_WINDOW = 5  # pixels on each side of the middle of an SSIM window, which is a Gaussian of 1.5 pixels


def mean_square_error(image: Image.Image, reference: Image.Image) -> float:
    """Of two pictures of one size with values 0 to 255.

    Raises:
        ValueError: they are not of one size.
    """
    if image.size != reference.size:
        raise ValueError(f"Pictures of {image.size} and {reference.size} pixels cannot be compared.")
    return float(np.mean(np.square(np.asarray(image, np.float64) - np.asarray(reference, np.float64))))


def decibels(mean_square: float) -> float:
    """PSNR: 10 log₁₀(255² / MSE); infinite for equal pictures."""
    return float("inf") if mean_square == 0 else 10 * float(np.log10(255**2 / mean_square))


def psnr(image: Image.Image, reference: Image.Image) -> float:
    """Peak signal-to-noise ratio in dB of two pictures of one size; infinite for equal ones.

    Raises:
        ValueError: they are not of one size.
    """
    return decibels(mean_square_error(image, reference))


def in_words(psnr: float) -> str:
    """A PSNR as people read it: that of equal pictures is infinite."""
    return "identical" if psnr == float("inf") else f"{psnr:.1f} dB"


def ssim(image: Image.Image, reference: Image.Image) -> float:
    """Structural similarity (Wang et al. 2004), 1 for equal pictures: the mean over colours and all whole windows.

    Raises:
        ValueError: they are too small for a window; see ``too_small``.
    """
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    reason = too_small(image.size)
    if reason:
        raise ValueError(f"SSIM {reason}.")
    a, b = (torch.from_numpy(np.array(each, np.float64)).permute(2, 0, 1)[None] for each in (image, reference))
    _, everywhere = structural_similarity_index_measure(a, b, data_range=255.0, return_full_image=True)
    return float(everywhere[..., _WINDOW:-_WINDOW, _WINDOW:-_WINDOW].mean())


def too_small(size: tuple[int, int]) -> str | None:
    """Why pictures of a size have no SSIM; none if they have."""
    needed = 2 * _WINDOW + 1
    return None if min(size) >= needed else f"needs pictures of {needed} pixels or more, not {size[0]}x{size[1]}"
