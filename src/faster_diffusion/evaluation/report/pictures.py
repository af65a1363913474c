"""Which images a report shows, and how they travel in it."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from statistics import fmean

from PIL import Image

from ..results import Evaluation

SHOWN = 8  # prompts
_LARGEST = 512  # pixels of the longer side
_LOSSLESS = 128  # up to which an image is kept to the last bit


def chosen(evaluation: Evaluation) -> list[int]:
    """The numbers of the prompts to show: the first ones, then those for which the arms differ most."""
    count = len(evaluation.prompts)
    first = list(range(min(SHOWN // 2, count)))
    errors = [arm.values["psnr"].each for arm in evaluation.arms if "psnr" in arm.values]
    fidelity = [fmean(min(each[n], 100.0) for each in errors) for n in range(count)] if errors else list(range(count))
    rest = sorted(set(range(count)) - set(first), key=lambda number: fidelity[number])
    return first + rest[: SHOWN - len(first)]


def data_uri(image: Image.Image) -> str:
    """An image as the address of itself."""
    image = image.copy()
    image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    lossless = max(image.size) <= _LOSSLESS
    file = BytesIO()
    image.save(file, "PNG") if lossless else image.save(file, "WEBP", quality=90)
    return f"data:image/{'png' if lossless else 'webp'};base64,{b64encode(file.getvalue()).decode()}"
