"""Architectures that everyone knows, as tables: every layer and shape, random weights. They cost what real ones do."""

from __future__ import annotations

from collections.abc import Mapping

from . import images, pixels, transformers, videos
from .architecture import Architecture, Part, Size

__all__ = ["ARCHITECTURES", "Architecture", "Part", "Size"]

ARCHITECTURES: Mapping[str, Architecture] = {
    "sd15": images.SD_15,
    "sd21": images.SD_21,
    "sdxl": images.SDXL,
    "controlnet": images.CONTROLNET,
    "if-1": pixels.STAGE_1,
    "if-2": pixels.STAGE_2,
    "if-3": pixels.STAGE_3,
    "modelscope": videos.MODELSCOPE,
    "svd": videos.SVD,
    "animatediff": videos.ANIMATEDIFF,
    "dit-xl": transformers.DIT_XL,
}
