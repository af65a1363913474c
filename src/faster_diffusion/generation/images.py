"""Pictures that carry their settings, and sheets that show pictures side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from ..files import write_whole
from .errors import InputError
from .metadata import FORMATS, encoded, read_settings

__all__ = ["Column", "check_format", "read_settings", "save", "sheet"]

_GAP, _LINE, _FONT_SIZE = 10, 18, 14
_PAPER, _INK, _PALE_INK = (255, 255, 255), (20, 20, 20), (110, 110, 110)


@dataclass(frozen=True)
class Column:
    """One column of a sheet: pictures of one size from top to bottom, and the caption below them."""

    pictures: Sequence[Image.Image]
    caption: str


def save(image: Image.Image, path: Path, settings: dict[str, Any]) -> None:
    """Writes a picture whole or not at all, in the format of its name, with `settings` in it; see `read_settings`.

    Raises:
        ValueError: its name is of no format that is written.
        OSError: it cannot be written.
    """
    check_format(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, encoded(image, FORMATS[path.suffix.lower()], settings))


def check_format(path: Path) -> None:
    """Raises InputError for the name of a picture in a format that is not written."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path} ends in none of {', '.join(FORMATS)}, as what pictures are written to.")


def sheet(rows: Sequence[str], columns: Sequence[Column], title: str, cell: int = 192) -> Image.Image:
    """Pictures side by side on white.

    Args:
        rows: what each row shows, written at its left, one a picture of a column.
        title: written above; wrapped to the width.
        cell: the longer side of a shown picture in pixels. Smaller ones are enlarged by whole factors, so that their
            pixels stay what they are; larger ones are shown as they are.
    """
    font = ImageFont.load_default(_FONT_SIZE)
    shown = [[_enlarged(picture, cell) for picture in column.pictures] for column in columns]
    width, height = shown[0][0].size
    margin = _GAP + max(int(font.getlength(line)) for row in rows for line in row.splitlines()) + _GAP
    captions = [_wrapped(column.caption, width, font) for column in columns]
    full_width = margin + len(columns) * (width + _GAP)
    head = _wrapped(title, full_width - 2 * _GAP, font)
    top = _GAP + len(head) * _LINE + _GAP
    full_height = top + len(rows) * (height + _GAP) + max(map(len, captions)) * _LINE + _GAP

    canvas = Image.new("RGB", (full_width, full_height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.multiline_text((_GAP, _GAP), "\n".join(head), _INK, font)
    for number, row in enumerate(rows):
        draw.multiline_text((_GAP, top + number * (height + _GAP) + _GAP), row, _INK, font)
    for number, (pictures, caption) in enumerate(zip(shown, captions, strict=True)):
        x = margin + number * (width + _GAP)
        for row_number, picture in enumerate(pictures):
            canvas.paste(picture, (x, top + row_number * (height + _GAP)))
        draw.multiline_text((x, top + len(rows) * (height + _GAP)), "\n".join(caption), _PALE_INK, font)
    return canvas


def _enlarged(picture: Image.Image, cell: int) -> Image.Image:
    factor = max(1, cell // max(picture.size))
    return picture.convert("RGB").resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _wrapped(text: str, width: int, font: Any) -> list[str]:
    characters = max(8, int(width / font.getlength("n")))
    return [part for line in text.splitlines() for part in wrap(line, characters)] or [""]
