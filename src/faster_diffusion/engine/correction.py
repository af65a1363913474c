"""Adds what was fitted to the predictions of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..models.rows import Rows
from ..options.correction import Correction
from .call import NetworkCall, rebuild_like
from .once import WarnOnce


class Corrector:
    """Corrects one branch of calls.

    Args:
        conditional: which half of a guided batch has the prompt.
    """

    def __init__(self, correction: Correction, conditional: int, warn: WarnOnce) -> None:
        self._correction, self._warn = correction, warn
        self._terms = Terms(correction.channels, correction.guided, conditional)
        self._reason: str | None = None  # why it is left out, for the rest of the pass
        self._corrected = 0  # calls
        self._last: tuple[torch.Tensor, torch.Tensor] | None = None  # the prediction given out, and the network's own

    def __call__(self, output: Any, call: NetworkCall, step: int, timesteps: Sequence[float], rows: Rows) -> Any:
        """The output of a call with what is to be added to the prediction of its step.

        Args:
            timesteps: of the run.
            rows: what the rows of the batch are.
        """
        reason = self._reason or self._correction.fits(timesteps, rows is Rows.PAIRED)
        if reason is None and rows is Rows.OTHER:
            reason = "the rows of a batch are neither an image each nor the same latents without and with the prompt"
        if reason is not None:
            self._leave_out(reason)
            return output
        terms = self._terms.at(step, output[0], call.sample)
        weights = terms.new_tensor(self._correction.weights[step])
        corrected = self._terms.corrected(output[0], terms, weights)
        self._last, self._corrected = (corrected, output[0]), self._corrected + 1
        return rebuild_like(output)(corrected)

    def take_back(self) -> None:
        """Leaves the correction out, since the network is called for this step again.

        The loop holds what the first call gave until it has the others' too; that gets the network's own values back.
        """
        if self._last is not None and self._reason is None:
            corrected, own = self._last
            corrected.copy_(own)
            self._corrected -= 1
        self._leave_out("the network is called several times a step")

    def _leave_out(self, reason: str) -> None:
        if self._reason is None:
            self._reason, self._last = reason, None
            means = "The image is that without it, in the same time"
            if self._corrected:
                means = f"{self._corrected} calls were corrected before, so the image is neither with it nor without"
            self._warn(f"The correction is left out: {reason}. {means}; pass correction=None if that is meant.", reason)


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
