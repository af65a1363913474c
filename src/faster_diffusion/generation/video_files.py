"""Videos as files: GIF and WebP, which carry how they were made, and MP4 where something that writes it is there."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..files import write_whole
from .errors import InputError
from .metadata import description

logger = logging.getLogger(__name__)

SUFFIXES = (".gif", ".webp", ".mp4")
Writer = Callable[[Path, Sequence[Image.Image], int, str], None]  # path, frames, frames a second, our record


def check_format(path: Path) -> None:
    """Refuses the name of a video that cannot be written.

    Raises:
        InputError: says what can be.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} is neither a .gif nor a .webp nor an .mp4 file.")
    if suffix == ".mp4":
        _mp4_writer(path)


def save(frames: Sequence[Image.Image], path: Path, fps: int, settings: Mapping[str, Any]) -> None:
    """Writes a video whole or not at all, in the format of its name.

    Raises:
        InputError: its name is of no format that can be written.
        OSError: it cannot be written.
    """
    check_format(path)
    record, suffix = json.dumps(settings), path.suffix.lower()
    if suffix == ".mp4":
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / "video.mp4"
            _mp4_writer(path)(part, frames, fps, record)
            content = part.read_bytes()
    else:
        file = BytesIO()
        carried: dict[str, Any] = {"comment": record.encode()} if suffix == ".gif" else {"exif": description(record)}
        shared = {"save_all": True, "append_images": frames[1:], "duration": 1000 // fps, "loop": 0}
        frames[0].save(file, suffix[1:].upper(), **shared, **carried)
        content = file.getvalue()
    write_whole(path, content)


def _mp4_writer(path: Path) -> Writer:
    """What writes MP4 here."""
    if find_spec("imageio") and find_spec("imageio_ffmpeg"):
        return _by_ffmpeg
    if find_spec("cv2"):
        return _by_opencv
    raise InputError(
        f"{path} needs something that writes MP4: pip install imageio imageio-ffmpeg. Without, take a .gif or a .webp."
    )


def _by_ffmpeg(path: Path, frames: Sequence[Image.Image], fps: int, record: str) -> None:
    import imageio

    pictures: list[Any] = [np.asarray(frame.convert("RGB")) for frame in frames]
    more = ["-metadata", f"comment={record}"]
    imageio.mimwrite(path, pictures, fps=fps, codec="libx264", quality=8, macro_block_size=2, output_params=more)


def _by_opencv(path: Path, frames: Sequence[Image.Image], fps: int, record: str) -> None:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, frames[0].size)
    if not writer.isOpened():
        raise InputError("This OpenCV writes no MP4: pip install imageio imageio-ffmpeg, or take a .gif or a .webp.")
    for frame in frames:
        writer.write(np.asarray(frame.convert("RGB"))[..., ::-1])
    writer.release()
    logger.warning("An MP4 that OpenCV writes does not carry how it was made; a .gif and a .webp do.")
