"""Names of earlier versions that are still understood."""

from __future__ import annotations


class HasStepIndices:
    """What has ``step_indices``."""

    step_indices: tuple[int, ...]

    @property
    def orders(self) -> tuple[int, ...]:
        """What ``step_indices`` were called in earlier versions."""
        return self.step_indices
