"""Judges of others, each in a package of its own, which are used where these are installed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from PIL import Image

Pair = tuple[Image.Image, Image.Image]


def no_lpips(_: Any) -> str | None:
    """Why LPIPS cannot be measured; ``None`` if it can."""
    return _absent("lpips", "torchvision")


def no_image_reward(_: Any) -> str | None:
    """Why ImageReward cannot be measured; ``None`` if it can."""
    return _absent("ImageReward", "clip", "torchvision")


def lpips(pairs: Iterable[Pair], device: str) -> list[float]:
    """Perceptual distance (Zhang et al. 2018) with AlexNet, of every pair of pictures; 0 for equal ones."""
    from lpips import LPIPS

    network = LPIPS(net="alex", verbose=False).eval().to(device)
    with torch.inference_mode():
        return [float(network(_pixels(image, device), _pixels(other, device))) for image, other in pairs]


def image_reward(images: Iterable[Image.Image], texts: Sequence[str], device: str) -> list[float]:
    """How much people would like each image for its text (Xu et al. 2023)."""
    import ImageReward

    judge = ImageReward.load("ImageReward-v1.0", device=device)
    return [float(judge.score(text, image)) for image, text in zip(images, texts, strict=True)]


def _pixels(image: Image.Image, device: str) -> torch.Tensor:
    """(1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float().to(device) / 127.5 - 1


def _absent(*packages: str) -> str | None:
    """Which of some packages are not installed, as a reason; none if all are."""
    absent = [package for package in packages if find_spec(package) is None]
    return f"not installed: {', '.join(absent)}" if absent else None
