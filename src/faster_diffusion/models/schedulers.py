"""Solvers (schedulers, as diffusers calls them) by the short names people use."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from math import isclose
from typing import Any

import diffusers

from .configs import not_default

_NOISE_ALONE = "rescale_betas_zero_snr"
_FIRST_ORDER = {"solver_order": 1}  # the same as DDIM, but that it takes timesteps of one's own
_KARRAS = {"use_karras_sigmas": True}  # noise levels of Eq. 5 of arXiv 2206.00364, from the noisiest on
_TRAILING = {"timestep_spacing": "trailing"}  # begins at the noisiest step, however few there are

# name -> class, and what its config gains over the model's own
SOLVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddim-trailing": ("DDIMScheduler", _TRAILING),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "dpm": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}),
    "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpm++-karras": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", **_KARRAS}),
    "dpm++-sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++1-trailing": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", **_FIRST_ORDER, **_TRAILING}),
    "dpm++-trailing": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", **_TRAILING}),
    "dpm++-single": ("DPMSolverSinglestepScheduler", {"algorithm_type": "dpmsolver++"}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "kdpm2": ("KDPM2DiscreteScheduler", {}),
    "kdpm2-a": ("KDPM2AncestralDiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "unipc-karras": ("UniPCMultistepScheduler", _KARRAS),
    "unipc-trailing": ("UniPCMultistepScheduler", _TRAILING),
}


@dataclass(frozen=True)
class Solver:
    """A scheduler: its class, and what its config has otherwise than the class by default."""

    name: str
    config: Mapping[str, Any]

    @classmethod
    def of(cls, scheduler: Any) -> Solver:
        """That of a scheduler."""
        config = json.loads(scheduler.to_json_string())
        return cls(type(scheduler).__name__, not_default(type(scheduler), config))

    def make(self, own: Any) -> Any:
        """A scheduler like that, for a pipeline whose ``own`` may be of a class that diffusers does not have.

        Raises:
            ValueError: this diffusers has no such class.
        """
        made_by = type(own) if type(own).__name__ == self.name else getattr(diffusers, self.name, None)
        if made_by is None:
            raise ValueError(
                f"diffusers {diffusers.__version__} has no scheduler {self.name}, which the profile needs."
            )
        return made_by.from_config(dict(self.config))


def network_calls(scheduler: Any, steps: int) -> int:
    """How often a run of ``steps`` evaluates the network: more than once a step where a solver is of second order.

    Sets the timesteps of ``scheduler``.
    """
    scheduler.set_timesteps(steps)
    return len(scheduler.timesteps)


def check(name: str) -> None:
    """Raises ValueError for a name that is not known."""
    if name.lower() not in SOLVERS:
        raise ValueError(f"Unknown scheduler {name!r}. Known: {', '.join(SOLVERS)}.")


def make(name: str, config: Any) -> Any:
    """The solver ``name`` over the noise schedule of ``config``, the config of the model's own scheduler.

    Raises:
        ValueError: the name is not known, or the solver cannot start from noise alone and the model does.
    """
    check(name)
    class_name, extra = SOLVERS[name.lower()]
    solver = getattr(diffusers, class_name)
    if config.get(_NOISE_ALONE) and _NOISE_ALONE not in signature(solver.__init__).parameters:
        why = f"The model starts from noise alone ({_NOISE_ALONE}), which {class_name} cannot"
        raise ValueError(f"{why}; take ddim, dpm++, unipc or euler.")
    return solver.from_config(config, **extra)


@contextmanager
def used(scheduler: Any, pipe: Any) -> Iterator[None]:
    """Within it a pipeline samples by ``scheduler``."""
    own = getattr(pipe, "scheduler", None)
    if scheduler is own:
        yield
        return
    pipe.scheduler = scheduler
    try:
        yield
    finally:
        pipe.scheduler = own


def through(scheduler: Any, timesteps: Sequence[float] | None) -> Any:
    """The scheduler, or one like it whose runs of so many steps go through these timesteps.

    Raises:
        ValueError: see `placed`.
    """
    if timesteps is None:
        return scheduler
    scheduler.set_timesteps(len(timesteps))
    if are_same(timesteps, scheduler.timesteps.tolist()):
        return scheduler
    return placed(scheduler, timesteps)


def are_same(timesteps: Sequence[float], others: Sequence[float]) -> bool:
    """Whether timesteps are the same, but for how they are rounded."""
    return all(isclose(a, b, rel_tol=1e-4, abs_tol=1e-4) for a, b in zip(timesteps, others, strict=False))


def placed(scheduler: Any, timesteps: Sequence[float]) -> Any:
    """A scheduler like this one whose runs of so many steps go through these timesteps; other runs as before.

    Raises:
        ValueError: its class does not take timesteps of one's own, or not with its config.
    """
    solver: Any = type(scheduler)
    if "timesteps" not in signature(solver.set_timesteps).parameters:
        raise ValueError(f"{solver.__name__} takes no timesteps of one's own; take dpm++.")
    made = _placed(solver).from_config(scheduler.config)
    made.placed_at = tuple(timesteps)
    made.set_timesteps(len(timesteps))
    return made


def _placed(solver: Any) -> Any:
    """The class of schedulers of that class which have timesteps of their own."""

    @functools.wraps(solver.set_timesteps)  # pipelines look at its parameters
    def set_timesteps(self: Any, num_inference_steps: int | None = None, device: Any = None, **kwargs: Any) -> None:
        if num_inference_steps == len(self.placed_at) and kwargs.get("timesteps") is None:
            num_inference_steps, kwargs["timesteps"] = None, list(self.placed_at)
        solver.set_timesteps(self, num_inference_steps, device, **kwargs)

    body = {"placed_at": (), "set_timesteps": set_timesteps, "__module__": solver.__module__}
    return type(solver.__name__, (solver,), body)
