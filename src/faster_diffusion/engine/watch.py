"""A network in a run: whether it is still what it was, and what others have put into it."""

from __future__ import annotations

from torch import nn

from ..models.changes import Reader, State
from ..models.layout import unwrap
from ..models.patches import Patches, patches
from .forward import lock_of

_KEPT = 4  # states; a guider's branches go to and fro between as many


class Watch:
    """Numbers the states of a network: what was kept under one number serves under that number alone.

    Args:
        root: what the sampling loop calls.
        alone: whether steps are decoded one by one, whatever is in the network.

    Raises:
        ValueError: another cache is in the network.
    """

    def __init__(self, root: nn.Module, alone: bool) -> None:
        self._root, self._alone = root, alone
        self._lock = lock_of(unwrap(root))  # another thread's run may have stand-ins in the stages' places
        self._states: dict[int, tuple[State, Patches]] = {}
        self._number = 0
        with self._lock:
            self._reader = Reader(root)
        self.now()

    @property
    def patches(self) -> Patches:
        """What others had put into the network when it was looked at last."""
        return self._states[self._number][1]

    def now(self) -> int:
        """Looks at the network, and gives the number of its state, which it may have had before.

        Raises:
            ValueError: another cache has been put on.
        """
        with self._lock:  # another thread's stand-ins are no change of the network
            self._number = self._look()
        return self._number

    def _look(self) -> int:
        state = self._reader.read()
        number = self._find(state)
        if number is None:
            found = patches(self._root)
            found.refuse(self._alone)
            number = max(self._states, default=-1) + 1
            self._states[number] = state, found
            if len(self._states) > _KEPT:
                del self._states[min(self._states)]
        return number

    def _find(self, state: State) -> int | None:
        return next((n for n, (known, _) in reversed(self._states.items()) if known.is_like(state)), None)
