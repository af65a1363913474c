"""Noise levels at which a solver may take its steps, whatever their number, beside those that diffusers has.

sigma is that of Karras et al., sqrt((1 - alpha_t^2) / alpha_t^2), with alpha_t^2 from ``alphas_cumprod``.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from diffusers.schedulers import AysSchedules

_POWER_LAW = re.compile(r"rho(?P<rho>\d+(\.\d+)?)(-to(?P<last>\d+))?")
_ALIGNED = {"ays": "StableDiffusionTimesteps", "ays-xl": "StableDiffusionXLTimesteps"}  # tables of diffusers


@dataclass(frozen=True)
class PowerLaw:
    """Evenly spaced in sigma^(1 / rho), Eq. 5 of arXiv 2206.00364, from the noisiest level to that of a timestep.

    Karras's levels are those of rho 7 down to timestep 0.
    """

    rho: float
    last: int = 20  # timestep of the last step, which leads to the image

    def __str__(self) -> str:
        return f"rho{self.rho:g}" + (f"-to{self.last}" if self.last != PowerLaw.last else "")

    def levels(self, table: np.ndarray, steps: int) -> np.ndarray:
        """sigma of every step, (steps,), descending; ``table`` has those of all timesteps."""
        first, last = table[-1] ** (1 / self.rho), table[min(self.last, len(table) - 1)] ** (1 / self.rho)
        return np.power(np.linspace(first, last, steps), self.rho)

    def timesteps(self, scheduler: Any, steps: int) -> tuple[float, ...]:
        """The timesteps of these levels, whole numbers, descending; some may be the same where ``steps`` are many."""
        table = sigmas(scheduler)
        levels = np.log(self.levels(table, steps))
        return tuple(np.interp(levels, np.log(table), np.arange(len(table))).round().tolist())


@dataclass(frozen=True)
class Aligned:
    """Align Your Steps (arXiv 2404.14507): the ten timesteps that diffusers carries, log-linear in sigma between."""

    name: str

    def __str__(self) -> str:
        return self.name

    def levels(self, table: np.ndarray, steps: int) -> np.ndarray:
        """See `PowerLaw.levels`."""
        known = np.log(table[np.asarray(AysSchedules[_ALIGNED[self.name]])])
        made: np.ndarray = np.exp(np.interp(np.linspace(0, 1, steps), np.linspace(0, 1, len(known)), known))
        return made


Spacing = PowerLaw | Aligned


def sigmas(scheduler: Any) -> np.ndarray:
    """sigma of all timesteps that a scheduler's model was trained with, (n,), ascending."""
    signal = scheduler.alphas_cumprod.double().numpy()
    table: np.ndarray = np.sqrt((1 - signal) / signal)
    return table


def parse(text: str) -> Spacing | None:
    """``"rho4"``, ``"rho2.5-to10"``, ``"ays"`` or ``"ays-xl"``; none if it is none of these."""
    if text in _ALIGNED:
        return Aligned(text)
    found = _POWER_LAW.fullmatch(text)
    if found is None or float(found["rho"]) <= 0:
        return None
    return PowerLaw(float(found["rho"]), int(found["last"] or PowerLaw.last))


def spaced(solver: Any, spacing: Spacing) -> Any:
    """A class of schedulers like ``solver``, which has Karras's levels, with those of ``spacing`` in their place."""

    @functools.wraps(solver._convert_to_karras)
    def levels(self: Any, in_sigmas: Any, num_inference_steps: int | None = None) -> np.ndarray:
        return spacing.levels(sigmas(self), num_inference_steps or self.num_inference_steps)

    body = {"spacing": str(spacing), "_convert_to_karras": levels, "__module__": solver.__module__}
    return type(solver.__name__, (solver,), body)
