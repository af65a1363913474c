"""Predictions set right: what is added to them, so that a few large steps lead where many small ones do.

Between two network calls a sampler moves the latent along what they predicted. Which combination of the last
predictions, of what guidance adds and of the latent itself leads nearest to where a run of many steps goes differs
from step to step, and hardly from prompt to prompt: a few numbers a step, fitted once (`faster_diffusion.tuning.fit`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..models.schedulers import are_same

TERMS = ("prediction", "guidance", "latent", "change of the prediction", "change of guidance")


@dataclass(frozen=True)
class Correction:
    """What is added to the predictions of a run, alike to both halves of a guided batch.

    Args:
        weights: (network calls of a run, 5), of the conditional prediction, of what it differs by from the
            unconditional one, of the latent as the network sees it, and of the change of the first two since the call
            before.
        channels: of the latent. What a network predicts beyond them, a variance, is left as it is.
        guided: whether a batch is the same latents twice, for classifier-free guidance.
        timesteps: of the network calls, for which it was fitted; ``None`` if that is not known.
        source: the profile that it was read from, for people.

    Raises:
        ValueError: there is no row of weights, or one is not of that length; or timesteps and rows differ in number.
    """

    weights: tuple[tuple[float, ...], ...] = field(repr=False)
    channels: int
    guided: bool
    timesteps: tuple[float, ...] | None = field(default=None, repr=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(map(tuple, self.weights)))
        if not self.weights or any(len(step) != len(TERMS) for step in self.weights):
            raise ValueError(f"Correction.weights are {len(TERMS)} numbers for every network call of a run.")
        if self.timesteps is not None:
            object.__setattr__(self, "timesteps", tuple(self.timesteps))
            if len(self.timesteps) != len(self.weights):
                raise ValueError("Correction.timesteps has one for every network call that has weights.")

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "weights": [list(step) for step in self.weights],
            "channels": self.channels,
            "guided": self.guided,
            "timesteps": None if self.timesteps is None else list(self.timesteps),
        }

    @classmethod
    def parse(cls, value: Correction | Mapping[str, Any] | None) -> Correction | None:
        """Reads what ``to_dict`` makes of one, too."""
        return cls(**value) if isinstance(value, Mapping) else value

    def fits(self, timesteps: Sequence[float], guided: bool) -> str | None:
        """Why it cannot be used in a run with a network call at each of ``timesteps``; ``None`` if it can."""
        if len(timesteps) != len(self.weights):
            return f"it was fitted for {len(self.weights)} network calls, and this run has {len(timesteps)}"
        if not self.is_for(timesteps):
            return "it was fitted for other timesteps; take the solver that it was fitted with"
        if guided != self.guided:
            return f"it was fitted {'with' if self.guided else 'without'} guidance, and this run is otherwise"
        return None

    def is_for(self, timesteps: Sequence[float]) -> bool:
        """Whether these are the timesteps that it was fitted for, as far as they are known."""
        return self.timesteps is None or are_same(self.timesteps, timesteps)
