"""What is wrong with what was asked for."""

from __future__ import annotations


class InputError(ValueError):
    """Something that was asked for makes no sense, whatever the machine; other failures are plain ``ValueError``."""


class MissingError(InputError):
    """Something else is needed beside what was given.

    Args:
        reason: a sentence without its full stop.
        name: what to give, by the name of its argument.
    """

    def __init__(self, reason: str, name: str) -> None:
        super().__init__(f"{reason}; give {name}.")
        self.reason, self.name = reason, name


class UnwantedError(InputError):
    """Something was given that has no place here.

    Args:
        reason: a sentence without its full stop.
        name: what to leave out, by the name of its argument.
    """

    def __init__(self, reason: str, name: str) -> None:
        super().__init__(f"{reason}; leave {name} out.")
        self.reason, self.name = reason, name


class FetchError(ValueError):
    """A model that is not on this machine and cannot be fetched."""


def first_line(error: BaseException) -> str:
    """An error's message without the advice some libraries append to it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
