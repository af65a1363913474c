"""Warnings that are given once."""

from __future__ import annotations

import logging

logger = logging.getLogger("faster_diffusion.engine")


class WarnOnce:
    """Logs a warning the first time that it is given; shared by the runs of a handle."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, message: str, kind: str | None = None) -> None:
        """Gives a warning, if it was not given before: the same message, or one of the same ``kind``."""
        if (kind or message) not in self._given:
            self._given.add(kind or message)
            logger.warning(message)
