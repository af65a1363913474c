"""Pictures from files of any kind, as pipelines take them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .errors import InputError, first_line

logger = logging.getLogger(__name__)

# What is read. Pillow knows more; some of that is handed to other programs (PostScript to Ghostscript).
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM", "JPEG2000", "TGA")
SUFFIXES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_CROPPED = 0.01  # of a side, above which it is told that a picture is cropped
_WHITE = (255, 255, 255)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture, whose pixels are not read yet.

    Raises:
        InputError: there is none, or it cannot be read; what goes wrong while it is open is told so, too.
    """
    Image.init()
    try:
        with Image.open(path, formats=[name for name in _FORMATS if name in Image.OPEN]) as picture:
            yield picture
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"There is no picture {path}.") from None
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large a picture: {first_line(error)}") from error
    except Exception as error:  # decoders fail on broken files in many ways
        raise InputError(f"{path} is no picture that can be read: {first_line(error)}") from error


def read_picture(path: Path, background: tuple[int, int, int] = _WHITE) -> Image.Image:
    """A picture as 8-bit RGB, the way a viewer shows it.

    It is turned as its EXIF says; of several frames the first is taken. Grey of 16 bits and of floating point keeps its
    range, black to white. What is transparent shows ``background``.

    Raises:
        InputError: there is none, it cannot be read, or its values have no range that could be told.
    """
    with opened(path) as picture:
        frames = getattr(picture, "n_frames", 1)
        if frames > 1 and picture.format != "MPO":  # a photograph, and the same once more for a preview
            logger.warning("%s has %d frames; the first is taken.", path, frames)
            picture.seek(0)
        upright = ImageOps.exif_transpose(picture)
        upright.load()
    if upright.mode.startswith(("I", "F")):
        return _grey(upright, path)
    if upright.has_transparency_data:
        shown = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shown.size, background), shown).convert("RGB")
    return upright.convert("RGB")


def fitted(picture: Image.Image, size: tuple[int, int], name: object) -> Image.Image:
    """The middle of a picture in a ``size`` (width, height): cropped to its aspect ratio, which is told of ``name``."""
    scale = max(size[0] / picture.width, size[1] / picture.height)
    cropped = max(1 - size[0] / (picture.width * scale), 1 - size[1] / (picture.height * scale))
    if cropped > _CROPPED:
        logger.warning(
            "%s is %dx%d pixels and the image is %dx%d: its middle is taken, without %.0f %% of its longer side. "
            "Give a size of its shape to keep all of it.",
            *(name, *picture.size, *size, 100 * cropped),
        )
    return ImageOps.fit(picture, size)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder and of the folders in it, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _grey(picture: Image.Image, path: Path) -> Image.Image:
    """Grey of more than 8 bits, by the range of what it may hold: 1, 255 or 65535."""
    values = np.asarray(picture, np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{path} has values that are no numbers; write them as grey of 8 or 16 bits.")
    low, high = float(values.min()), float(values.max())
    full = 65535 if not picture.mode.startswith("F") else 1 if high <= 1 else 255
    if low < 0 or high > full:
        known = "write them as 0 to 1, or as grey of 8 or 16 bits"
        raise InputError(f"{path} has values from {low:g} to {high:g}; {known}.")
    return Image.fromarray(np.rint(values / full * 255).astype(np.uint8)).convert("RGB")
