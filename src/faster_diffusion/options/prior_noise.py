"""How much of the initial latent the late steps gain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PriorNoise:
    """A little of the initial latent, added in the late steps: z_t <- z_t + alpha * z_T (Sec. 3.4, Eq. 4).

    It restores the texture that propagated features lose. Added before the network (and ``scale_model_input``) sees
    z_t, at every step with t / num_train_timesteps < start.

    Raises:
        ValueError: ``alpha`` or ``start`` is beyond its bounds.
    """

    alpha: float = 0.003  # fraction of the initial latent z_T; 0 to about 0.01 is sensible
    start: float = 0.5  # in [0, 1]: 0.5 is the last half of sampling, 1 every step

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < 1:
            raise ValueError(f"PriorNoise.alpha is a fraction of the initial latent, 0 <= alpha < 1; got {self.alpha}.")
        if not 0 <= self.start <= 1:
            raise ValueError(f"PriorNoise.start is a fraction of the training timesteps, 0 to 1; got {self.start}.")

    @classmethod
    def parse(cls, value: PriorNoise | bool | None) -> PriorNoise | Literal[True] | None:
        """Reads an option: ``True`` means where it does no harm, ``False`` and ``None`` nowhere.

        Raises:
            ValueError: it is none of these.
        """
        if value is None or value is False:
            return None
        if value is True or isinstance(value, PriorNoise):
            return value
        raise ValueError(f"prior_noise is None, True or fd.PriorNoise(alpha, start); got {value!r}.")
