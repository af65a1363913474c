"""Text from the bytes of a file, whichever program wrote it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

# UTF-32 first: its mark in little-endian begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINE_END = re.compile(r"\r\n|\n|\r")  # no other: what Unicode calls a line separator may stand within a prompt


def decoded(content: bytes, name: str) -> str:
    """Text in UTF-8, or in what its byte-order mark says; the mark is no part of it.

    Raises:
        ValueError: it is none, with ``name``.
    """
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        shown = encoding.removesuffix("-sig").upper()
        raise ValueError(f"{name} is not text in {shown}: byte {error.start} is none. Save it as UTF-8.") from error
    if "\0" in text:
        raise ValueError(f"{name} is not text in UTF-8: it has zero bytes, as UTF-16 has. Save it as UTF-8.")
    return text


def numbered_lines(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Lines that are not empty, without space around them, each with what to call it in an error."""
    for number, line in enumerate(_LINE_END.split(text), 1):
        stripped = line.strip().strip("\ufeff").strip()  # marks stay in the middle of files that were joined
        if stripped:
            yield f"{name}, line {number}", stripped
