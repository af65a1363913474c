"""What is wrong with what was asked for."""

from __future__ import annotations


class InputError(ValueError):
    """Something that was asked for makes no sense, whatever the machine; other failures are plain ``ValueError``."""


class FetchError(ValueError):
    """A model that is not on this machine and cannot be fetched."""


def first_line(error: BaseException) -> str:
    """An error's message without the advice some libraries append to it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
