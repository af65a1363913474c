"""Adds what was fitted to the predictions of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..options.correction import Correction
from .call import NetworkCall, rebuild_like
from .guidance import is_guided
from .once import WarnOnce


class Corrector:
    """Corrects one branch of calls.

    Args:
        conditional: which half of a guided batch has the prompt.
    """

    def __init__(self, correction: Correction, conditional: int, warn: WarnOnce) -> None:
        self._correction, self._warn = correction, warn
        self._terms = Terms(correction.channels, correction.guided, conditional)

    def __call__(self, output: Any, call: NetworkCall, step: int, timesteps: Sequence[float], *, first: bool) -> Any:
        """The output of a call with what is to be added to the prediction of its step.

        Args:
            timesteps: of the run.
            first: whether the call is the first of its step; others are left as they are.
        """
        reason = self._correction.fits(timesteps, is_guided(call))
        if not first:
            reason = "the network is called several times a step"
        if reason is not None:
            self._warn(f"The correction is left out: {reason}.")
            return output
        terms = self._terms.at(step, output[0], call.sample)
        weights = terms.new_tensor(self._correction.weights[step])
        return rebuild_like(output)(self._terms.corrected(output[0], terms, weights))


class Terms:
    """What a correction combines, followed from call to call through a run.

    Args:
        channels: of the latent, as in [`Correction`].
        conditional: which half of a guided batch has the prompt.
    """

    def __init__(self, channels: int, guided: bool, conditional: int) -> None:
        self._channels, self._guided, self._conditional = channels, guided, conditional
        self._before: tuple[int, torch.Tensor, torch.Tensor] | None = None  # step, prediction, guidance

    def at(self, step: int, prediction: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
        """Stacked along a last dimension, (B, C, ..., 5), in single precision.

        Args:
            prediction: of the network, (B, C', ...), or (2 B, C', ...) with guidance.
            sample: what it saw, of as many rows.
        """
        prediction, sample = (x[:, : self._channels].float() for x in (prediction, sample))
        guidance = torch.zeros_like(prediction)
        if self._guided:
            halves = prediction.chunk(2)
            prediction, sample = halves[self._conditional], sample.chunk(2)[0]
            guidance = prediction - halves[1 - self._conditional]
        changes = torch.zeros_like(prediction), torch.zeros_like(prediction)
        if self._before is not None and self._before[0] == step - 1:
            changes = prediction - self._before[1], guidance - self._before[2]
        self._before = step, prediction.clone(), guidance
        return torch.stack([prediction, guidance, sample, *changes], dim=-1)

    def corrected(self, prediction: torch.Tensor, terms: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """A prediction, (B, C', ...) or (2 B, C', ...), with the combination of its terms, (B, C, ..., 5), added."""
        added = (terms @ weights).to(prediction.dtype)
        added = torch.cat([added] * (len(prediction) // len(added)))
        prediction = prediction.clone()  # may be the network's own
        prediction[:, : self._channels] += added
        return prediction
