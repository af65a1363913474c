"""What kept features depend on besides latent and timestep; a change makes them invalid."""

from __future__ import annotations

from typing import Any

from .snapshot import Snapshot


class Conditions:
    """The conditioning of a network call (prompt, class, masks, scales, the network itself) at the time of the call."""

    def __init__(self, tree: Any) -> None:
        self._snapshot = Snapshot(tree)

    def still_hold(self, tree: Any) -> bool:
        """Whether a later call is conditioned alike."""
        return self._snapshot.holds(tree)
