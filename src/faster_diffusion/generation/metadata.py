"""What a picture says of how it was made: our own record as JSON, and the text that other tools read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import file_digest
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .errors import InputError
from .pictures import opened

KEY = "faster-diffusion"  # of the PNG text chunk with the settings as JSON
PARAMETERS = "parameters"  # of the one that other tools read
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}

_SOFTWARE = "Faster Diffusion"
_DESCRIPTION, _PROGRAM, _EXIF, _COMMENT = 0x010E, 0x0131, 0x8769, 0x9286  # tags of EXIF
_UNICODE = b"UNICODE\0"  # how a comment in UTF-16 begins
_QUALITY: dict[str, dict[str, Any]] = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}

# Other tools' names of samplers, by the class of ours.
_SAMPLERS = {
    "DDIMScheduler": "DDIM",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "DPMSolverSDEScheduler": "DPM++ SDE",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "EulerDiscreteScheduler": "Euler",
    "HeunDiscreteScheduler": "Heun",
    "KDPM2AncestralDiscreteScheduler": "DPM2 a",
    "KDPM2DiscreteScheduler": "DPM2",
    "LMSDiscreteScheduler": "LMS",
    "PNDMScheduler": "PLMS",
    "UniPCMultistepScheduler": "UniPC",
}


def encoded(image: Image.Image, format: str, settings: Mapping[str, Any]) -> bytes:
    """A picture as a file of a `format` of `FORMATS`, which carries `settings`.

    Raises:
        ValueError: they are too long for a JPEG.
    """
    record = json.dumps(settings)
    text = parameters(settings, image.size) if "prompt" in settings else None
    more: dict[str, Any] = {}
    if format == "PNG":
        chunks = more["pnginfo"] = PngInfo()
        chunks.add_text("Software", _SOFTWARE)
        chunks.add_text(KEY, record)
        if text is not None:
            chunks.add_text(PARAMETERS, text)
    else:
        exif = more["exif"] = description(record)
        if text is not None:
            exif.get_ifd(_EXIF)[_COMMENT] = _UNICODE + text.encode("utf-16-be")
    file = BytesIO()
    image.convert("RGB").save(file, format=format, **_QUALITY[format], **more)
    return file.getvalue()


def description(record: str) -> Image.Exif:
    """EXIF that carries our record."""
    exif = Image.Exif()
    exif[_DESCRIPTION], exif[_PROGRAM] = record, _SOFTWARE
    return exif


def parameters(settings: Mapping[str, Any], size: tuple[int, int]) -> str:
    """Settings as other tools write them: the prompt, what is not wanted, and one line of names and values."""
    negative = settings.get("negative")
    named = {
        "Steps": settings.get("steps"),
        "Sampler": _sampler(settings.get("scheduler")),
        "CFG scale": settings.get("guidance"),
        "Seed": settings.get("seed"),
        "Size": f"{size[0]}x{size[1]}",
        "Model": settings.get("model"),
        "Denoising strength": settings.get("strength"),
    }
    line = ", ".join(f"{name}: {_quoted(value)}" for name, value in named.items() if value is not None)
    return "\n".join([settings["prompt"], *([f"Negative prompt: {negative}"] if negative else []), line])


def digest(path: Path) -> str:
    """What is in a file, in short."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()[:16]


def read_settings(path: Path) -> dict[str, Any]:
    """The settings that a picture of ours was made with.

    Raises:
        InputError: there is no such picture, or it carries none.
    """
    record, _ = read(path)
    if record is None:
        raise InputError(f"{path} carries no settings of Faster Diffusion.")
    return record


def read(path: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The settings and the text for other tools that a picture carries, as far as it does.

    Raises:
        InputError: there is no such picture.
    """
    with opened(path) as image:
        exif = image.getexif()
        comment = exif.get_ifd(_EXIF).get(_COMMENT)
        record = image.info.get(KEY) or image.info.get("comment") or exif.get(_DESCRIPTION)
        text = image.info.get(PARAMETERS)
    if text is None and isinstance(comment, bytes) and comment.startswith(_UNICODE):
        text = comment.removeprefix(_UNICODE).decode("utf-16-be", errors="replace")
    return _object(record), text if isinstance(text, str) else None


def _object(record: Any) -> dict[str, Any] | None:
    try:
        content = json.loads(record)
    except (TypeError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _sampler(scheduler: str | None) -> str | None:
    return None if scheduler is None else _SAMPLERS.get(scheduler, scheduler.removesuffix("Scheduler"))


def _quoted(value: Any) -> str:
    """A value, in quotes where it holds what divides values."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',:\n"') else text
